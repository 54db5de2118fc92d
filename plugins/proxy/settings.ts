import type { Logger } from 'pino'
import { PeerSet } from '../../core/index.ts'
import { Hops } from './hops.ts'
import { FieldNames, HTTPOXY, suspects } from './suspects.ts'

/** What proxies may say. */
export const PARTS = ['for', 'proto', 'host', 'port', 'prefix'] as const
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
export interface Settings {
  readonly trusted: PeerSet
  /** What stands in forwarded headers, judged by the same. */
  readonly hops: Hops
  readonly family: ForwardedOptions['forwardedHeaders']
  readonly parts: ReadonlySet<string>
  /** Fields of parts that are not named, which the operator has said are not set. */
  readonly unset: readonly string[]
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
  const parts = options.forwardedParts.length > 0 ? options.forwardedParts : ['for', 'proto']
  const looksLike = options.forwarderHeaders.map((name) => name.replaceAll('_', '-'))
  return {
    trusted,
    hops: new Hops(trusted),
    family: options.forwardedHeaders,
    parts: new Set(parts),
    unset: options.forwardedParts.length > 0 ? unsetFields(parts) : [],
    passes: options.passForwarded,
    suspects: suspects([...options.removeHeaders, ...schemes.keys(), ...looksLike]),
    spoken: new FieldNames([
      ...PARTS.map((part) => `x-forwarded-${part}`),
      ...schemes.keys(),
      ...looksLike,
      'forwarded',
      'x-real-ip',
      HTTPOXY,
    ]),
    schemes,
    forwarders: new Set(options.forwarderHeaders),
    refusesUnderscores: options.headerMap === 'refuse',
    log,
  }
}

const unsetFields = (parts: readonly string[]) =>
  PARTS.filter((part) => !parts.includes(part)).map((part) => `x-forwarded-${part}`)

function splitPair(pair: string): [string, string] {
  const [name = ''] = pair.split('=', 1)
  return [name.toLowerCase(), pair.slice(name.length + 1).toLowerCase()]
}
