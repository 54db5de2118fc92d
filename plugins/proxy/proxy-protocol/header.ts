import type { End, Refused } from '../../../core/index.ts'
import type { Tlv } from './tlv.ts'

/** A header of either version. */
export interface ProxyHeader {
  /** Of the bytes. */
  readonly length: number
  /** TCP4, TCP6, UNIX, UNKNOWN, or LOCAL for a connection of the proxy's own. */
  readonly protocol: 'TCP4' | 'TCP6' | 'UNIX' | 'UNKNOWN' | 'LOCAL'
  readonly source?: End
  readonly destination?: End
  readonly tlvs: readonly Tlv[]
}

/** A header, why it is none, or how many bytes it takes to know more. */
export type ReadHeader = ProxyHeader | Refused | number

export const refuse = (reason: string): Refused => ({ refused: `PROXY header: ${reason}` })
