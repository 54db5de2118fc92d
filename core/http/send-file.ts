import { close, read } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { ReadBuffers } from './read-buffers.ts'

/** What an answer consists of: bytes as they are, and stretches of the file. */
export type FilePiece = Uint8Array | FileStretch

export interface FileStretch {
  readonly start: number
  readonly length: number
}

/**
 * Ends an answer, whose head is written or declared, with pieces of an open file, and closes that: at once where the
 * client leaves. Reads ahead of the client by two buffers and no more. `broken` is told of what keeps the answer from
 * being whole, as a file that becomes shorter; one that grows is sent as long as it was said to be.
 */
export function sendFile(
  response: ServerResponse,
  fd: number,
  pieces: readonly FilePiece[],
  broken: (error: Error) => void,
): void {
  new FileSend(response, fd, pieces, broken).advance()
}

/** One file on its way. */
class FileSend {
  readonly #response: ServerResponse
  readonly #fd: number
  readonly #broken: (error: Error) => void
  readonly #pieces: readonly FilePiece[]
  readonly #buffers = new ReadBuffers()
  #index = 0
  /** Of the stretch at hand, what has been read. */
  #done = 0
  #reading = false
  #over = false

  constructor(
    response: ServerResponse,
    fd: number,
    pieces: readonly FilePiece[],
    broken: (error: Error) => void,
  ) {
    this.#response = response
    this.#fd = fd
    this.#pieces = pieces
    this.#broken = broken
    if (response.destroyed) this.#finish()
    else response.once('close', () => this.#finish())
  }

  /** Reads on, as long as there is a buffer to read into. */
  advance(): void {
    if (this.#over || this.#reading) return
    const stretch = this.#nextStretch()
    if (stretch === undefined) {
      this.#finish()
      this.#response.end()
      return
    }
    const buffer = this.#buffers.take()
    if (buffer === undefined) return // comes back when a write is done
    const size = Math.min(buffer.length, stretch.length - this.#done)
    this.#reading = true
    read(this.#fd, buffer, 0, size, stretch.start + this.#done, (error, count) => {
      this.#reading = false
      if (this.#over) this.#close()
      else if (error) this.#fail(error)
      else if (count === 0) this.#fail(new Error('the file became shorter while it was sent'))
      else this.#write(buffer, count)
    })
  }

  /** Passes over what is done; bytes are written as they come. */
  #nextStretch(): FileStretch | undefined {
    for (; this.#index < this.#pieces.length; this.#index++) {
      const piece = this.#pieces[this.#index] as FilePiece
      if (piece instanceof Uint8Array) this.#response.write(piece)
      else if (this.#done < piece.length) return piece
      this.#done = 0
    }
    return undefined
  }

  #write(buffer: Buffer, count: number): void {
    this.#done += count
    this.#response.write(buffer.subarray(0, count), (error) => {
      if (error) return
      this.#buffers.giveBack(buffer)
      this.advance()
    })
    this.advance()
  }

  #fail(error: Error): void {
    this.#finish()
    this.#broken(error)
  }

  /** Nothing more is read. */
  #finish(): void {
    if (this.#over) return
    this.#over = true
    if (!this.#reading) this.#close()
  }

  #close(): void {
    this.#buffers.release()
    close(this.#fd, () => {}) // there is nobody who could do anything about it
  }
}
