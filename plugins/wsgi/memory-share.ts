/** Bytes of answers that are held in memory for clients that do not keep up; what is more goes to files. */
const BUDGET = 67_108_864
/** One answer's share of it, however many there are. */
const LEAST = 65_536
const LARGEST = 4_194_304

/** Answers whose clients do not keep up. */
let sharers = 0

export function beginSharing(): void {
  sharers++
}

export function endSharing(): void {
  sharers--
}

/** What one answer may hold at the moment, in bytes. */
export const memoryShare = () => Math.min(LARGEST, Math.max(LEAST, BUDGET / sharers))
