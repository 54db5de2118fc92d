import type { Refused } from '../../../core/index.ts'

/** The variables of a packet, in their order; a field that came twice is there twice. */
export interface Packet {
  readonly length: number
  readonly variables: readonly (readonly [name: string, value: string])[]
}

const HEAD = 4

export const refuse = (reason: string): Refused => ({ refused: `uwsgi: ${reason}`, status: 400 })

/** A packet of the uwsgi protocol for a request in WSGI (modifier 0): lengths are of 16 bits, little-endian. */
export function readPacket(bytes: Buffer): Packet | Refused | number {
  if (bytes[0] !== 0) return refuse('not a request of this protocol (modifier1 is not 0)')
  if (bytes.length < HEAD) return HEAD
  if (bytes[3] !== 0) return refuse('modifier2 is not 0')
  const length = HEAD + bytes.readUInt16LE(1)
  if (bytes.length < length) return length
  const variables = readVariables(bytes.subarray(HEAD, length))
  return variables ? { length, variables } : refuse('malformed packet')
}

function readVariables(bytes: Buffer): Packet['variables'] | undefined {
  const variables: [string, string][] = []
  let at = 0
  const next = () => {
    if (at + 2 > bytes.length) return undefined
    const start = at + 2
    at = start + bytes.readUInt16LE(at)
    return at > bytes.length ? undefined : bytes.toString('latin1', start, at)
  }
  while (at < bytes.length) {
    const name = next()
    const value = name === undefined ? undefined : next()
    if (name === undefined || value === undefined) return undefined
    variables.push([name, value])
  }
  return variables
}
