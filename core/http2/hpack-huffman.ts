/**
 * Bits of each symbol's code (RFC 7541 Appendix B); the last one is the end of a string. The code is canonical: shorter
 * codes come first, and among those of one length the smaller symbol, so that the lengths are all there is to know.
 */
const LENGTHS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
  28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5,
  6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6,
  7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23,
  23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22,
  22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22,
  23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27,
  27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25,
  24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
]

const END = 256
const SHORTEST = 5
/** Padding is shorter than a byte. */
const MOST_PADDING = 7
const STEPS = 16
const FAULT = -1
const HAS_SYMBOL = 256
const STATE_SHIFT = 9

/**
 * By state and half a byte: the next state, and the symbol that ended on the way; FAULT where there is none such. No half
 * byte can end two symbols, as none is shorter than five bits.
 */
const STEP = new Int32Array(STEPS * END)
/** States in which a string may end: at a symbol's end, or within less than a byte of ones. */
const MAY_END = new Uint8Array(END)
build()

/** Bytes that so many can become at most. */
export const decodedSize = (length: number) => Math.floor((length * 8) / SHORTEST)

/** @returns how many bytes `out` then has; -1 where the text is malformed (RFC 7541 §5.2). */
export function decodeHuffman(bytes: Uint8Array, start: number, end: number, out: Uint8Array) {
  let state = 0
  let size = 0
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number
    let step = STEP[state * STEPS + (byte >> 4)] as number
    if (step === FAULT) return -1
    if ((step & HAS_SYMBOL) !== 0) out[size++] = step
    step = STEP[(step >> STATE_SHIFT) * STEPS + (byte & 15)] as number
    if (step === FAULT) return -1
    if ((step & HAS_SYMBOL) !== 0) out[size++] = step
    state = step >> STATE_SHIFT
  }
  return MAY_END[state] === 1 ? size : -1
}

/** A state is an inner node of the code's tree: what its two branches lead to, a symbol as its complement. */
type Node = [number, number]

function build(): void {
  const nodes = growTree()
  for (let state = 0; state < nodes.length; state++) {
    for (let bits = 0; bits < STEPS; bits++) STEP[state * STEPS + bits] = walk(nodes, state, bits)
  }
  for (let depth = 0, state = 0; depth <= MOST_PADDING; depth++) {
    MAY_END[state] = 1
    state = (nodes[state] as Node)[1]
  }
}

function growTree(): Node[] {
  const nodes: Node[] = [[0, 0]]
  const symbols = LENGTHS.map((_, symbol) => symbol)
  symbols.sort((one, other) => lengthOf(one) - lengthOf(other) || one - other)
  let code = 0
  let length = 0
  for (const symbol of symbols) {
    code *= 2 ** (lengthOf(symbol) - length)
    length = lengthOf(symbol)
    plant(nodes, code, length, symbol)
    code++
  }
  return nodes
}

function lengthOf(symbol: number): number {
  return LENGTHS[symbol] as number
}

function plant(nodes: Node[], code: number, length: number, symbol: number): void {
  let at = 0
  for (let bit = length - 1; bit > 0; bit--) {
    const node = nodes[at] as Node
    const branch = (code >>> bit) & 1
    if (node[branch] === 0) node[branch] = nodes.push([0, 0]) - 1
    at = node[branch] as number
  }
  ;(nodes[at] as Node)[code & 1] = ~symbol
}

function walk(nodes: readonly Node[], start: number, bits: number): number {
  let state = start
  let symbol = 0
  for (let mask = 8; mask > 0; mask >>= 1) {
    const next = (nodes[state] as Node)[(bits & mask) === 0 ? 0 : 1] as number
    if (next >= 0) state = next
    else if (~next === END) return FAULT
    else {
      symbol = HAS_SYMBOL | ~next
      state = 0
    }
  }
  return (state << STATE_SHIFT) | symbol
}
