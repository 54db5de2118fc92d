import { closeSync, readSync } from 'node:fs'
import type { Job, Source } from './job.ts'
import { READ_SIZE, returnBuffer, takeBuffer } from './read-buffers.ts'
import { openDescriptor } from './worker-descriptor.ts'

/**
 * A worker thread's memory for big answers, open here too. To read from it costs half of what a socket does, and wakes
 * nobody.
 */
export class AnswerMemory {
  readonly #fd: number

  private constructor(fd: number) {
    this.#fd = fd
  }

  /** @returns undefined where it cannot be opened: the worker then sends its answers whole. */
  static open(pid: number, descriptor: number): AnswerMemory | undefined {
    const fd = openDescriptor(pid, descriptor)
    return fd === undefined ? undefined : new AnswerMemory(fd)
  }

  /**
   * Gives all of it to the job, in pieces.
   * @returns whether the job wants more before `source.resume()`. @throws where the memory ends before `length`.
   */
  pass(offset: number, length: number, job: Job, source: Source): boolean {
    const end = offset + length
    let wantsMore = true
    for (let at = offset; at < end; ) {
      const buffer = takeBuffer()
      const size = readSync(this.#fd, buffer, 0, Math.min(READ_SIZE, end - at), at)
      if (size === 0) throw new RangeError('a worker names more than its memory holds')
      at += size
      wantsMore = job.data(buffer.subarray(0, size), source, () => returnBuffer(buffer))
    }
    return wantsMore
  }

  close(): void {
    closeSync(this.#fd)
  }
}
