const PAGE = 4096
/** Of the first page of an allocation malloc keeps so many bytes for itself. */
const MALLOC_HEAD = 16

/**
 * Memory that files, pipes and sockets are read into, `size` bytes, not initialised. Large allocations are pages of their
 * own, and 16 bytes into a page is where some processors (AMD's Zen) copy whole pages to at an eighth of their speed: each
 * load then looks as if it had to wait for the store before it. So it begins with a page.
 */
export const allocateForReads = (size: number): Buffer =>
  Buffer.allocUnsafeSlow(PAGE + size).subarray(PAGE - MALLOC_HEAD, PAGE - MALLOC_HEAD + size)
