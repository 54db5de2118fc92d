import { Socket } from 'node:net'
import { getSystemErrorName } from 'node:util'

/** A write as Node's sockets hand it to their handle. */
interface WriteRequest {
  /** Called with 0 or an error's number, where the kernel did not take all of it at once. */
  oncomplete(status: number): void
}

interface Binding {
  readonly WriteWrap: new () => WriteRequest
  readonly streamBaseState: ArrayLike<number>
  readonly kLastWriteWasAsync: number
}

interface Inside {
  readonly _handle: { writeLatin1String(request: WriteRequest, text: string): number } | null
  readonly _writableState: { readonly writing: boolean }
}

/** What Node's own sockets write by; undefined where it is not to be had. */
const binding = findBinding()
/** One is used again and again: the kernel took what was written with it before. */
let spare: WriteRequest | undefined

/** A client's connection, over a handle of the kernel's. */
export class ClientSocket extends Socket {
  /** What of this has gone to the handle, which has not finished it. */
  #sending: WriteRequest | undefined = undefined

  /** As `write`, for text of latin-1. Where nothing waits and the kernel takes all, the stream has no part in it. */
  writeAtOnce(text: string): void {
    const { _handle: handle, _writableState: state } = this as unknown as Inside
    const isFree = this.writableLength === 0 && this.writableCorked === 0 && !state.writing
    if (binding && handle && isFree && this.writable && !this.timeout) {
      const request = spare ?? new binding.WriteWrap()
      spare = undefined
      const status = handle.writeLatin1String(request, text)
      const isAsync = binding.streamBaseState[binding.kLastWriteWasAsync] !== 0
      if (status === 0 && !isAsync) {
        spare = request
        return
      }
      // an error the stream meets once more, and tells of it
      if (status === 0) this.#sending = request
    }
    this.write(text, 'latin1')
  }

  /** The stream waits for what the handle has already. */
  override _write(chunk: unknown, encoding: BufferEncoding, callback: Callback): void {
    const request = this.#sending
    if (request === undefined) return super._write(chunk, encoding, callback)
    this.#sending = undefined
    request.oncomplete = (status) => callback(status < 0 ? writeError(status) : null)
  }
}

type Callback = (error?: Error | null) => void

function writeError(status: number): Error {
  const code = getSystemErrorName(status)
  return Object.assign(new Error(`write ${code}`), { code, errno: status, syscall: 'write' })
}

function findBinding(): Binding | undefined {
  const { binding: find } = process as { binding?: (name: string) => Partial<Binding> }
  try {
    const found = find?.('stream_wrap')
    return found?.WriteWrap && found.streamBaseState ? (found as Binding) : undefined
  } catch {
    return undefined // where Node's permissions do not allow it
  }
}
