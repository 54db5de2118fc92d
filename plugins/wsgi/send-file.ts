import { closeSync, createReadStream } from 'node:fs'
import type { ServerResponse } from 'node:http'

const READ_SIZE = 131_072

/**
 * Ends an answer with `length` bytes of an open file, and closes that. `broken` is told of what keeps the answer from
 * being whole.
 */
export function sendFile(
  response: ServerResponse,
  fd: number,
  offset: number,
  length: number,
  broken: (error: Error) => void,
): void {
  if (length === 0) {
    closeSync(fd)
    if (!response.destroyed) response.end()
    return
  }
  const end = offset + length - 1
  const file = createReadStream('', { fd, start: offset, end, highWaterMark: READ_SIZE })
  file.on('error', broken)
  file.on('end', () => {
    if (file.bytesRead < length) broken(new Error('the file became shorter while it was sent'))
    else response.end()
  })
  file.pipe(response, { end: false })
  response.on('close', () => file.destroy())
}
