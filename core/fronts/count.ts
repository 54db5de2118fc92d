import { availableParallelism } from 'node:os'

/** Cores for which one front does: the rest of them is for workers, whose part of a request takes longer. */
const CORES_FOR_ONE = 4
/** What a queue's pipe holds is shared among them. */
export const MOST_FRONTS = 64

/** How many processes accept and parse. */
export function frontCount(
  fronts: number | 'auto',
  cores: number = availableParallelism(),
): number {
  return fronts === 'auto'
    ? Math.min(MOST_FRONTS, Math.max(1, Math.floor(cores / CORES_FOR_ONE)))
    : fronts
}
