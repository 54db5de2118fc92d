import type { Logger } from 'pino'
import { PeerSet } from '../../core/index.ts'
import type { FieldNames } from './field-names.ts'
import { Hops } from './hops.ts'
import { type Names, type PARTS, spoken, suspects } from './roles.ts'

export type Part = (typeof PARTS)[number]

/** The options about forwarded headers, as `index.ts` describes them. */
export interface ForwardedOptions {
  readonly forwardedAllowIps: readonly string[]
  readonly forwardedHeaders: 'auto' | 'x-forwarded' | 'forwarded'
  readonly forwardedParts: readonly string[]
  readonly passForwarded: boolean
  readonly removeHeaders: readonly string[]
  readonly secureSchemeHeaders: readonly string[]
  readonly forwarderHeaders: readonly string[]
  readonly headerMap: 'drop' | 'refuse'
}

/** The same, ready for use. */
export interface Settings extends Names {
  readonly trusted: PeerSet
  /** What stands in forwarded headers, judged by the same. */
  readonly hops: Hops
  readonly passes: boolean
  /** Fields that only somebody trusted may send. */
  readonly suspects: FieldNames
  /** Fields of somebody trusted that are read, or removed. */
  readonly spoken: FieldNames
  /** By name in lower case, the value that means https. */
  readonly schemes: ReadonlyMap<string, string>
  readonly forwarders: ReadonlySet<string>
  readonly refusesUnderscores: boolean
  readonly log: Logger
}

export function resolveSettings(options: ForwardedOptions, log: Logger): Settings {
  const trusted = new PeerSet(options.forwardedAllowIps)
  const schemes = new Map(options.secureSchemeHeaders.map(splitPair))
  const { forwardedParts } = options
  const parts = new Set(forwardedParts.length > 0 ? forwardedParts : ['for', 'proto'])
  const names = { options, parts, schemes }
  return {
    ...names,
    trusted,
    hops: new Hops(trusted),
    passes: options.passForwarded,
    suspects: suspects(names),
    spoken: spoken(names),
    forwarders: new Set(options.forwarderHeaders),
    refusesUnderscores: options.headerMap === 'refuse',
    log,
  }
}

function splitPair(pair: string): [string, string] {
  const [name = ''] = pair.split('=', 1)
  return [name.toLowerCase(), pair.slice(name.length + 1).toLowerCase()]
}
