const DOT = 46
const ZERO = 48
const COLON = 58
const A = 97

/** An IPv4 address as a number; -1: it is none. Quicker than any pattern, as each hop of each request is looked at. */
export function v4Number(text: string): number {
  let value = 0
  let part = -1
  let parts = 0
  for (let at = 0; at <= text.length; at++) {
    const digit = text.charCodeAt(at) - ZERO
    if (digit >= 0 && digit <= 9) {
      // no zero in front: to some it means octal
      if (part === 0) return -1
      part = part < 0 ? digit : part * 10 + digit
      if (part > 255) return -1
    } else {
      const isEnd = at === text.length
      if (part < 0 || ++parts > 4 || (!isEnd && digit !== DOT - ZERO)) return -1
      value = value * 256 + part
      part = -1
    }
  }
  return parts === 4 ? value : -1
}

/** The bytes of an address, 4 or 16; those of IPv4 in IPv6 are IPv4's. undefined: it is none, or one with a zone. */
export function addressBytes(text: string): Uint8Array | undefined {
  if (v4Number(text) >= 0) return Uint8Array.from(text.split('.'), Number)
  if (!isV6(text)) return undefined
  const bytes = v6Bytes(text)
  return isMapped(bytes) ? bytes.subarray(12) : bytes
}

/** The address in one spelling for each: IPv4 also where it stands in IPv6, else as Node writes it. undefined: none. */
export function canonicalAddress(text: string): string | undefined {
  if (v4Number(text) >= 0 || isCanonicalV6(text)) return text
  if (!isV6(text)) return undefined
  const bytes = v6Bytes(text)
  return isMapped(bytes) ? bytes.subarray(12).join('.') : formatV6(bytes)
}

/** Whether it is an address as `formatV6` writes it, and no IPv4: what proxies write mostly is. */
function isCanonicalV6(text: string): boolean {
  if (text.startsWith('::ffff:')) return false
  const gap = text.indexOf('::')
  if (gap < 0) return countGroups(text, 0, text.length) === 8 && longestZeros < 2
  const isZeroBefore =
    text.charCodeAt(gap - 1) === ZERO && (gap === 1 || text.charCodeAt(gap - 2) === COLON)
  if (isZeroBefore || text.charCodeAt(gap + 2) === ZERO) return false
  const left = countGroups(text, 0, gap)
  const zerosLeft = longestZeros
  const right = countGroups(text, gap + 2, text.length)
  const size = 8 - left - right
  return left >= 0 && right >= 0 && size >= 2 && zerosLeft < size && longestZeros <= size
}

/** Groups of zero in a row, as `countGroups` has found them. */
let longestZeros = 0

/** Of the part of a text; without zeros in front, in lower case. -1: it is none. */
function countGroups(text: string, from: number, to: number): number {
  longestZeros = 0
  let count = 0
  let digits = 0
  let zeros = 0
  let first = 0
  for (let at = from; from < to && at <= to; at++) {
    const code = at === to ? COLON : text.charCodeAt(at)
    if (code === COLON) {
      if (digits === 0 || digits > 4 || (digits > 1 && first === ZERO)) return -1
      zeros = first === ZERO ? zeros + 1 : 0
      if (zeros > longestZeros) longestZeros = zeros
      digits = 0
      count++
    } else {
      const isDigit = (code >= ZERO && code <= ZERO + 9) || (code >= A && code < A + 6)
      if (!isDigit) return -1
      if (digits++ === 0) first = code
    }
  }
  return count
}

/** Without a zone. (The pattern behind Node's isIPv6 takes milliseconds when it is used first.) */
const isV6 = (text: string) => /^[\da-f:.]+$/i.test(text) && URL.canParse(`http://[${text}]`)

function v6Bytes(text: string): Uint8Array {
  const [left = '', right] = text.split('::') as [string, string?]
  const head = groups(left)
  const tail = groups(right ?? '')
  const bytes = new Uint8Array(16)
  const view = new DataView(bytes.buffer)
  head.forEach((group, index) => {
    view.setUint16(index * 2, group)
  })
  tail.forEach((group, index) => {
    view.setUint16(16 - (tail.length - index) * 2, group)
  })
  return bytes
}

function groups(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number)
    return [a * 256 + b, c * 256 + d]
  })
}

/** `::ffff:0:0/96` (RFC 4291 §2.5.5.2). */
const isMapped = (bytes: Uint8Array) =>
  bytes[10] === 0xff && bytes[11] === 0xff && bytes.subarray(0, 10).every((byte) => byte === 0)

/** RFC 5952: lower case, no zeros in front, the longest run of two or more zero groups as `::`. */
export function formatV6(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16)
  const parts = Array.from({ length: 8 }, (_, index) => view.getUint16(index * 2).toString(16))
  let start = 0
  let length = 1
  for (let index = 0; index < 8; index++) {
    let end = index
    while (parts[end] === '0') end++
    if (end - index > length) {
      start = index
      length = end - index
    }
  }
  if (length < 2) return parts.join(':')
  return `${parts.slice(0, start).join(':')}::${parts.slice(start + length).join(':')}`
}
