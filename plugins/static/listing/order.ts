import type { Entry } from './entries.ts'

export const COLUMNS = ['name', 'size', 'date'] as const
export type Column = (typeof COLUMNS)[number]

export interface Order {
  readonly column: Column
  readonly isDescending: boolean
}

/** From a query such as `?sort=size&order=desc`. */
export function readOrder(query: string): Order {
  const parameters = new URLSearchParams(query)
  const column = COLUMNS.find((each) => each === parameters.get('sort')) ?? 'name'
  return { column, isDescending: parameters.get('order') === 'desc' }
}

const collator = new Intl.Collator('en', { numeric: true })

const COMPARE: Record<Column, (one: Entry, other: Entry) => number> = {
  name: (one, other) => collator.compare(one.name, other.name),
  size: (one, other) => one.size - other.size,
  date: (one, other) => one.modified.getTime() - other.modified.getTime(),
}

/** Folders first, whatever the order. */
export function sortEntries(entries: readonly Entry[], { column, isDescending }: Order): Entry[] {
  const sign = isDescending ? -1 : 1
  return [...entries].sort((one, other) => {
    if (one.kind !== other.kind) return one.kind === 'directory' ? -1 : 1
    return sign * COMPARE[column](one, other) || COMPARE.name(one, other)
  })
}
