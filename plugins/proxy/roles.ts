import { FieldNames, matcher } from './field-names.ts'
import type { ForwardedOptions, Part } from './settings.ts'
import { HTTPOXY, isAddressField, SPOKEN_BY_PROXIES } from './suspects.ts'

/**
 * What becomes of a field. The first ones are read, and stay as far as they are believed; `address` stays where it names
 * the client; `removed` is what nobody vouches for, `never` what must not come from anybody.
 */
export type Role = Part | 'scheme' | 'forwarded' | 'address' | 'removed' | 'never'

/** What proxies may say. */
export const PARTS = ['for', 'proto', 'host', 'port', 'prefix'] as const

export const partOf = (name: string): Part | undefined =>
  PARTS.find((part) => name === `x-forwarded-${part}`)

/** What the options say of names. */
export interface Names {
  readonly options: ForwardedOptions
  readonly parts: ReadonlySet<string>
  readonly schemes: ReadonlyMap<string, string>
}

/** Dashes may pass for the underscores of a name that only a trusted peer may send. */
const lookalikes = ({ forwarderHeaders }: ForwardedOptions) =>
  forwarderHeaders.map((name) => name.replaceAll('_', '-').toLowerCase())

/** Fields of peers that are not trusted: all that proxies say goes. */
export function suspects({ options, schemes }: Names): FieldNames {
  const more = options.removeHeaders.map((name) => name.toLowerCase())
  const names = [...SPOKEN_BY_PROXIES, ...more, ...schemes.keys(), ...lookalikes(options), HTTPOXY]
  const isOne = matcher(names)
  return new FieldNames(names, (name) => {
    if (name === HTTPOXY) return 'never'
    return isOne(name) && !options.passForwarded ? 'removed' : undefined
  })
}

/** Fields of trusted peers, who may have let through what a client has sent. */
export function spoken(names: Names): FieldNames {
  const { options, schemes } = names
  const patterns = [...SPOKEN_BY_PROXIES, ...schemes.keys(), ...lookalikes(options), HTTPOXY]
  const isOne = matcher(patterns)
  const isVouched = matcher(vouchedNames(options))
  return new FieldNames(patterns, (name) => {
    if (name === HTTPOXY) return 'never'
    const role = evaluatedRole(name, names)
    if (role !== undefined) return role
    if (!isOne(name) || options.passForwarded || isVouched(name)) return undefined
    return isAddressField(name) ? 'address' : 'removed'
  })
}

/** Those with an underscore are names of their own, which are dropped before. */
const vouchedNames = ({ forwarderHeaders }: ForwardedOptions) =>
  forwarderHeaders.filter((name) => !name.includes('_')).map((name) => name.toLowerCase())

function evaluatedRole(name: string, { options, parts, schemes }: Names): Role | undefined {
  const family = options.forwardedHeaders
  if (name === 'forwarded') return family === 'x-forwarded' ? undefined : 'forwarded'
  if (family === 'forwarded') return undefined
  if (schemes.has(name)) return parts.has('proto') ? 'scheme' : undefined
  const part = partOf(name)
  return part !== undefined && part !== 'proto' && parts.has(part) ? part : undefined
}

/** The option by which a field would reach the application; undefined: the name is not one to put into a command line. */
export function remedyFor(name: string, { options, parts, schemes }: Names): string | undefined {
  const { forwardedHeaders: family, forwarderHeaders } = options
  if (name === 'forwarded') return '--forwarded-headers forwarded'
  const [, parameter] = /^forwarded: (.*)$/.exec(name) ?? []
  if (parameter !== undefined) return `--forwarded-parts ${[...parts, parameter].join(',')}`
  const part = schemes.has(name) ? 'proto' : partOf(name)
  const isReadable = part !== undefined && (part !== 'proto' || schemes.has(name))
  if (isReadable && family === 'forwarded') return '--forwarded-headers x-forwarded'
  if (isReadable) return `--forwarded-parts ${[...parts, part].join(',')}`
  if (!/^[a-z][a-z\d-]*$/.test(name)) return undefined
  return `--forwarder-headers ${[...forwarderHeaders, name.toUpperCase()].join(',')}`
}
