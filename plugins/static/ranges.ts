import { randomBytes } from 'node:crypto'
import type { FilePiece, FileStretch } from '../../core/index.ts'

/** More in one request are of no use to anybody: it gets the whole file. */
const MOST_RANGES = 32
const RANGES = /^bytes=[ \t]*(?:\d*-\d*[ \t]*(?:,[ \t]*|$))+$/i

/**
 * The ranges that are asked for and can be satisfied (RFC 9110 §14), in the order asked for; none: 416. Undefined: there
 * is no range that has to be obeyed.
 */
export function parseRanges(text: string | undefined, size: number): FileStretch[] | undefined {
  if (text === undefined || !RANGES.test(text)) return undefined
  const specs = text.slice(text.indexOf('=') + 1).split(',')
  if (specs.length > MOST_RANGES) return undefined
  const ranges: FileStretch[] = []
  for (const spec of specs.map((each) => each.trim())) {
    if (spec === '') continue
    const range = parseRange(spec, size)
    if (range === undefined) return undefined
    if (range.length > 0) ranges.push(range)
  }
  return overlap(ranges) ? undefined : ranges
}

/** @returns undefined where it is none; one of length 0 where it cannot be satisfied. */
function parseRange(spec: string, size: number): FileStretch | undefined {
  const [first = '', last = ''] = spec.split('-')
  if (first === '') {
    if (last === '') return undefined
    const length = Math.min(Number(last), size)
    return { start: size - length, length }
  }
  const start = Number(first)
  if (last !== '' && Number(last) < start) return undefined
  const end = last === '' ? size : Math.min(Number(last) + 1, size)
  return { start, length: Math.max(0, end - start) }
}

/** RFC 9110 §14.2: who asks for the same bytes several times is broken, or means harm. */
function overlap(ranges: readonly FileStretch[]): boolean {
  const sorted = [...ranges].sort((one, other) => one.start - other.start)
  return sorted.some((range, index) => {
    const next = sorted[index + 1]
    return next !== undefined && next.start < range.start + range.length
  })
}

export const contentRange = ({ start, length }: FileStretch, size: number) =>
  `bytes ${start}-${start + length - 1}/${size}`

/** Several ranges as one body of type multipart/byteranges. */
export function multipart(ranges: readonly FileStretch[], type: string, size: number) {
  const boundary = randomBytes(12).toString('hex')
  const pieces: FilePiece[] = []
  for (const range of ranges) {
    const lines = [`\r\n--${boundary}`, `Content-Type: ${type}`]
    lines.push(`Content-Range: ${contentRange(range, size)}`, '', '')
    pieces.push(Buffer.from(lines.join('\r\n'), 'latin1'), range)
  }
  pieces.push(Buffer.from(`\r\n--${boundary}--\r\n`, 'latin1'))
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
  return { type: `multipart/byteranges; boundary=${boundary}`, pieces, length }
}
