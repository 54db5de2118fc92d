import { read } from 'node:fs'
import { Readable } from 'node:stream'
import type { FilePiece, FileStretch } from '../../core/index.ts'
import { closeDescriptor } from './open-file.ts'

type Done = (error?: Error | null) => void

/** Pieces of an open file for who takes a stream. The file is closed with it, read or not; it fails where that is shorter. */
export class FileStream extends Readable {
  readonly #fd: number
  readonly #pieces: readonly FilePiece[]
  #index = 0
  /** Of the stretch at hand, what has been read. */
  #done = 0
  #isReading = false
  /** Waits for the end of a read. */
  #afterRead: (() => void) | undefined

  constructor(fd: number, pieces: readonly FilePiece[]) {
    super({ highWaterMark: 65_536 })
    this.#fd = fd
    this.#pieces = pieces
  }

  override _read(size: number): void {
    const piece = this.#pieces[this.#index]
    if (piece === undefined) this.push(null)
    else if (piece instanceof Uint8Array) {
      this.#index++
      this.push(piece)
    } else if (this.#done === piece.length) {
      this.#index++
      this.#done = 0
      this._read(size)
    } else this.#readOn(piece, size)
  }

  override _destroy(error: Error | null, done: Done): void {
    const close = () => closeDescriptor(this.#fd).then(() => done(error), done)
    if (this.#isReading) this.#afterRead = close
    else void close()
  }

  #readOn({ start, length }: FileStretch, size: number): void {
    const buffer = Buffer.allocUnsafe(Math.min(size, length - this.#done))
    this.#isReading = true
    read(this.#fd, buffer, 0, buffer.length, start + this.#done, (error, count) => {
      this.#isReading = false
      if (this.#afterRead) this.#afterRead()
      else if (error) this.destroy(error)
      else if (count === 0) this.destroy(new Error('the file became shorter while it was sent'))
      else {
        this.#done += count
        this.push(buffer.subarray(0, count))
      }
    })
  }
}
