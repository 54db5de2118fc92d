import { closeSync, readvSync } from 'node:fs'
import type { Job, Source } from './job.ts'
import { READ_SIZE, returnBuffer, takeBuffer } from './read-buffers.ts'
import { openDescriptor } from './worker-descriptor.ts'

/** Buffers that one read fills: as many as hold what is in a large pipe. What is read at once is sent at once. */
const AT_ONCE = 4

/**
 * The reading end of a pipe for a worker thread's big answers alone. Their pages are in it, not copies of them: reading
 * is the only copy on the way from the application to here.
 */
export class AnswerPages {
  readonly #fd: number

  private constructor(fd: number) {
    this.#fd = fd
  }

  /** @returns undefined where it cannot be opened: the worker then offers its memory. */
  static open(pid: number, descriptor: number): AnswerPages | undefined {
    const fd = openDescriptor(pid, descriptor)
    return fd === undefined ? undefined : new AnswerPages(fd)
  }

  /**
   * Gives the next `length` bytes to the job, or drops them where nobody wants them.
   * @returns whether the job wants more before `source.resume()`. @throws where there are not as many.
   */
  pass(length: number, job: Job | undefined, source: Source): boolean {
    let wantsMore = true
    for (let left = length; left > 0; ) {
      const buffers = takeBuffers(left)
      let size = readvSync(this.#fd, cut(buffers, left))
      if (size === 0) throw new RangeError('a worker names more than its pipe holds')
      left -= size
      for (const buffer of buffers) {
        const piece = buffer.subarray(0, Math.min(size, READ_SIZE))
        size -= piece.length
        const done = () => returnBuffer(buffer)
        if (job && piece.length > 0) wantsMore = job.data(piece, source, done)
        else done()
      }
    }
    return wantsMore
  }

  close(): void {
    closeSync(this.#fd)
  }
}

function takeBuffers(size: number): Buffer[] {
  const count = Math.min(AT_ONCE, Math.ceil(size / READ_SIZE))
  return Array.from({ length: count }, takeBuffer)
}

/** Views that take no more than `size` bytes together: what lies behind them belongs to a later frame. */
function cut(buffers: readonly Buffer[], size: number): Buffer[] {
  return buffers.map((buffer, index) => buffer.subarray(0, Math.max(0, size - index * READ_SIZE)))
}
