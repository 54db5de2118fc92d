import type { IncomingMessage } from 'node:http'
import { canonicalAddress, isHost, type Origin } from '../../core/index.ts'
import { type Chain, walkForwarded, walkXForwardedFor } from './chain.ts'
import { ListReader } from './forwarded.ts'
import { isPort, MALFORMED } from './node-name.ts'
import { FieldChanges, type Found } from './request-fields.ts'
import type { Sender } from './sender.ts'
import type { Settings } from './settings.ts'
import { HTTPOXY } from './suspects.ts'

/** The fields of a request contradict each other: it is refused. */
export const CONTRADICTION = 'contradiction'

/**
 * What somebody trusted says of one request. Each field is believed as far as it goes back to somebody trusted; what
 * is left over, or is nothing that may stand there, is removed. So the application sees what the server goes by.
 */
export class Testimony {
  readonly #request: IncomingMessage
  readonly #found: Found
  readonly #sender: Sender
  readonly #settings: Settings
  readonly #changes: FieldChanges
  #readsHost = false

  constructor(request: IncomingMessage, found: Found, sender: Sender, settings: Settings) {
    this.#request = request
    this.#found = found
    this.#sender = sender
    this.#settings = settings
    this.#changes = new FieldChanges(request)
  }

  /** @returns undefined where nothing is said; the request's fields are as the application may see them. */
  read(): Origin | typeof CONTRADICTION | undefined {
    this.#remove(HTTPOXY)
    for (const name of this.#settings.unset) this.#remove(name)
    const origin = this.#speaksForwarded() ? this.#readForwarded() : this.#readXForwarded()
    this.#changes.apply()
    return origin
  }

  /** One family counts, whole: a proxy sets one of them, and may let a client's word of the other through. */
  #speaksForwarded(): boolean {
    const { family, schemes } = this.#settings
    if (family === 'auto' && !this.#found.has('forwarded')) return false
    const isOther = (name: string) => name.startsWith('x-forwarded-') || schemes.has(name)
    if (family === 'forwarded') {
      this.#removeAll(isOther)
      return true
    }
    if (family === 'auto' && !this.#found.some(isOther)) return true
    this.#remove('forwarded')
    return false
  }

  #readForwarded(): Origin | undefined {
    const { parts, hops } = this.#settings
    if (!this.#found.has('forwarded')) return undefined
    const chain = walkForwarded(this.#sender.node, hops, this.#lines('forwarded'))
    if (chain === MALFORMED) return this.#ignore('forwarded')
    this.#cut('forwarded', chain)
    this.#checkRealIp(chain)
    const proto = parts.has('proto') ? chain.element?.get('proto')?.toLowerCase() : undefined
    const scheme = proto === 'https' || proto === 'http' ? proto : undefined
    const host = parts.has('host') ? chain.element?.get('host') : undefined
    const isValid = host !== undefined && isHost(host)
    return this.#makeOrigin(
      parts.has('for') ? chain : undefined,
      scheme,
      isValid ? host : undefined,
    )
  }

  #readXForwarded(): Origin | typeof CONTRADICTION | undefined {
    const { parts } = this.#settings
    const chain = this.#readChain()
    const scheme = parts.has('proto') ? this.#readScheme() : undefined
    if (scheme === CONTRADICTION) return scheme
    const host = this.#readOne('host', 'x-forwarded-host', isHost)
    const port = this.#readOne('port', 'x-forwarded-port', isPort)
    const prefix = this.#readOne('prefix', 'x-forwarded-prefix', isPrefix)?.replace(/\/+$/, '')
    if (chain || scheme || host || port || prefix) {
      return this.#makeOrigin(chain, scheme, host, port, prefix)
    }
    return undefined
  }

  #readChain(): Chain | undefined {
    const { parts, hops } = this.#settings
    if (!parts.has('for') || !this.#found.has('x-forwarded-for')) return undefined
    const chain = walkXForwardedFor(this.#sender.node, hops, this.#lines('x-forwarded-for'))
    if (chain === MALFORMED) return this.#ignore('x-forwarded-for')
    this.#cut('x-forwarded-for', chain)
    this.#checkRealIp(chain)
    return chain
  }

  /** By the fields that are configured to tell, which must agree. */
  #readScheme(): Origin['scheme'] | typeof CONTRADICTION | undefined {
    let scheme: Origin['scheme'] | undefined
    for (const [name, secure] of this.#settings.schemes) {
      const isProto = name === 'x-forwarded-proto'
      const value = this.#lastOf(name, isProto ? isScheme : isAnything)
      if (value === undefined) continue
      const lower = value.toLowerCase()
      const found = lower === secure || (isProto && lower === 'wss') ? 'https' : 'http'
      if (scheme !== undefined && scheme !== found) return CONTRADICTION
      scheme = found
    }
    return scheme
  }

  #readOne(part: string, name: string, isValid: (text: string) => boolean) {
    return this.#settings.parts.has(part) ? this.#lastOf(name, isValid) : undefined
  }

  /** Of a list the last element, which the peer itself has added or let stand: further left anybody may have written. */
  #lastOf(name: string, isValid: (text: string) => boolean): string | undefined {
    if (!this.#found.has(name)) return undefined
    const places = this.#found.placesOf(name)
    const lines = this.#lines(name)
    const [line = ''] = lines
    const isOne = lines.length === 1 && !line.includes(',')
    const value = isOne ? line : new ListReader(lines, false).previous()
    if (value === undefined || !isValid(value)) return this.#ignore(name)
    if (!isOne && !this.#settings.passes) {
      this.#changes.remove(places.slice(0, -1))
      this.#changes.set(places.at(-1) as number, value)
    }
    return value
  }

  #makeOrigin(
    chain: Chain | undefined,
    said: Origin['scheme'] | undefined,
    host?: string,
    port?: string,
    prefix?: string,
  ): Origin {
    const { node, variables, origin } = this.#sender
    const client = chain?.client ?? node
    const scheme = said ?? this.#sender.scheme
    const server = this.#readServer(scheme, host, port)
    return {
      address: client.address,
      port: client.port,
      scheme,
      hops: chain?.hops ?? [node.address],
      serverName: server?.name ?? origin?.serverName,
      serverPort: server?.port ?? origin?.serverPort,
      prefix,
      rootPath: origin?.rootPath,
      protocol: origin?.protocol,
      variables: client === node ? variables : this.#sender.variablesOfOthers,
      text: undefined,
    }
  }

  /** Host and port of the server, as the client sees it, which go into `Host` too. */
  #readServer(scheme: Origin['scheme'], host: string | undefined, port: string | undefined) {
    if (host === undefined && port === undefined) return undefined
    this.#readsHost = true
    const places = fieldPlaces(this.#request.rawHeaders, 'host')
    const sent = places === undefined ? '' : (this.#request.rawHeaders[places + 1] as string)
    const [, name = '', own] = /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(host ?? sent) ?? []
    const usual = scheme === 'https' ? '443' : '80'
    const shown = port ?? (own || usual)
    const field = shown === usual && !(own && port === undefined) ? name : `${name}:${shown}`
    if (places === undefined) this.#changes.add('Host', field)
    else this.#changes.set(places, field)
    return { name: name.replace(/^\[|\]$/g, ''), port: shown }
  }

  /** Removes what lies left of the part that counts: nobody who is trusted has written it. */
  #cut(name: string, { reader }: Chain): void {
    const { rest } = reader
    if (!rest || this.#settings.passes) return
    const places = this.#found.placesOf(name)
    this.#changes.remove(places.slice(0, rest.line))
    this.#changes.set(places[rest.line] as number, rest.read)
  }

  /** Where the chain is known, this can only be one of it. */
  #checkRealIp({ hops }: Chain): void {
    const [address] = this.#lines('x-real-ip')
    if (address === undefined) return
    if (!hops.includes(canonicalAddress(address) ?? '')) this.#remove('x-real-ip')
  }

  /** It is as if it had not come. */
  #ignore(name: string): undefined {
    const { name: peer } = this.#sender
    this.#settings.log.debug({ field: name, peer }, 'forwarded field is malformed and ignored')
    this.#remove(name)
  }

  /** Whether the same fields always mean the same: nothing was changed, and no other field was read. */
  get isPlain(): boolean {
    return !this.#changes.areAny && !this.#readsHost
  }

  #remove(name: string): void {
    if (!this.#found.has(name) || (name !== HTTPOXY && this.#settings.passes)) return
    this.#changes.remove(this.#found.placesOf(name))
  }

  #removeAll(isOne: (name: string) => boolean): void {
    const { names, count } = this.#found
    for (const name of new Set(names.slice(0, count))) if (isOne(name)) this.#remove(name)
  }

  #lines(name: string): string[] {
    const { rawHeaders } = this.#request
    const { names, places, count } = this.#found
    const lines: string[] = []
    for (let index = 0; index < count; index++) {
      if (names[index] === name) lines.push(rawHeaders[(places[index] as number) + 1] as string)
    }
    return lines
  }
}

const isScheme = (text: string) => /^(?:https?|wss?)$/i.test(text)
const isAnything = () => true

/** As it stands in URLs, and below the root. */
const isPrefix = (text: string) =>
  text.length <= 1024 &&
  /^\/(?:[!"$-.0->@-~]+(?:\/|$))*$/.test(text) &&
  !/(?:^|\/)\.\.?(?:\/|$)/.test(text)

function fieldPlaces(raw: readonly string[], lower: string): number | undefined {
  for (let index = 0; index < raw.length; index += 2) {
    if ((raw[index] as string).toLowerCase() === lower) return index
  }
  return undefined
}
