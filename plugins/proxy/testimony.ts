import type { IncomingMessage } from 'node:http'
import { canonicalAddress, isHost, type Origin } from '../../core/index.ts'
import { type Chain, walkForwarded, walkXForwardedFor } from './chain.ts'
import type { FieldName } from './field-names.ts'
import { type Element, formatElement, ListReader } from './forwarded.ts'
import { Heard } from './heard.ts'
import { isPort, MALFORMED, parseHop } from './node-name.ts'
import { FieldChanges, type Found } from './request-fields.ts'
import { PARTS, type Role } from './roles.ts'
import type { Sender } from './sender.ts'
import type { Settings } from './settings.ts'

/** The fields of a request contradict each other: it is refused. */
export const CONTRADICTION = 'contradiction'

/**
 * What somebody trusted says of one request. Each field is believed as far as it goes back to somebody trusted; what
 * is left over, is nothing that may stand there, or is not vouched for, is removed. So the application sees what the
 * server goes by.
 */
export class Testimony {
  readonly #request: IncomingMessage
  readonly #found: Found
  readonly #sender: Sender
  readonly #settings: Settings
  readonly #changes: FieldChanges
  /** Names that are removed as nobody vouches for them. */
  readonly unvouched: string[] = []
  /** To be told again; undefined: the same fields need not mean the same. */
  heard: Heard | undefined
  #isPlain = true
  #chain: Chain | undefined

  constructor(request: IncomingMessage, found: Found, sender: Sender, settings: Settings) {
    this.#request = request
    this.#found = found
    this.#sender = sender
    this.#settings = settings
    this.#changes = new FieldChanges(request)
  }

  /** @returns undefined where nothing is said; the request's fields are as the application may see them. */
  read(): Origin | typeof CONTRADICTION | undefined {
    for (const name of this.#found.namesOf('never')) this.#remove(name)
    for (const name of this.#found.namesOf('removed')) this.#disown(name)
    const said = this.#speaksForwarded() ? this.#readForwarded() : this.#readXForwarded()
    if (said === CONTRADICTION) return said
    this.#checkAddresses(said?.address ?? this.#sender.node.address)
    const origin = said ?? this.#sender.origin
    if (this.#isPlain && !this.#changes.areValues) this.heard = this.#remember(origin)
    this.#changes.apply()
    return origin
  }

  #remember(origin: Origin | undefined): Heard {
    const { removed } = this.#changes
    const values = this.#found.valuesIn(this.#request.rawHeaders)
    return new Heard(this.#found, values, { origin, removed, namesClient: this.#namesClient() })
  }

  /** Whether the client alone stands left of proxies that are trusted, in one line. */
  #namesClient(): boolean {
    if (this.#chain === undefined || this.#chain.client === this.#sender.node) return false
    const [line = '', ...more] = this.#lines('x-forwarded-for')
    const first = parseHop(line.split(',', 1)[0] as string)
    const isClient = typeof first === 'object' && first.address === this.#chain.client.address
    return isClient && more.length === 0 && this.#chain.reader.rest === undefined
  }

  /** One family counts, whole: a proxy sets one of them, and may let a client's word of the other through. */
  #speaksForwarded(): boolean {
    const { forwardedHeaders: family } = this.#settings.options
    if (family === 'forwarded' || !this.#found.some(({ role }) => role === 'forwarded')) {
      return family === 'forwarded'
    }
    if (!this.#found.some(({ role }) => OF_X_FORWARDED.has(role))) return true
    if (!this.#settings.passes) this.#disown('forwarded')
    return false
  }

  #readForwarded(): Origin | undefined {
    const { parts, hops } = this.#settings
    const lines = this.#lines('forwarded')
    if (lines.length === 0) return undefined
    const chain = walkForwarded(this.#sender.node, hops, lines)
    if (chain === MALFORMED) return this.#ignore('forwarded')
    this.#cut('forwarded', chain)
    this.#keepVouched(chain.elements)
    const said = chain.elements.at(-1)
    const proto = parts.has('proto') ? said?.get('proto')?.toLowerCase() : undefined
    const scheme = proto === 'https' || proto === 'http' ? proto : undefined
    const host = parts.has('host') ? said?.get('host') : undefined
    const isValid = host !== undefined && isHost(host)
    return this.#makeOrigin(
      parts.has('for') ? chain : undefined,
      scheme,
      isValid ? host : undefined,
    )
  }

  /** Parameters of `Forwarded` that are not named are removed, as headers are. */
  #keepVouched(elements: readonly Element[]): void {
    const { parts, passes } = this.#settings
    const isKept = (name: string) => !PARTS.some((part) => part === name) || parts.has(name)
    const gone = new Set(
      elements.flatMap((element) => [...element.keys()]).filter((name) => !isKept(name)),
    )
    if (passes || gone.size === 0) return
    for (const name of gone) this.unvouched.push(`forwarded: ${name}`)
    const kept = elements.map((element) => [...element].filter(([name]) => isKept(name)))
    const text = kept.filter((each) => each.length > 0).map(formatElement)
    const places = this.#found.placesOf('forwarded')
    this.#changes.remove(text.length > 0 ? places.slice(0, -1) : places)
    if (text.length > 0) this.#changes.set(places.at(-1) as number, text.reverse().join(', '))
    this.#isPlain = false
  }

  #readXForwarded(): Origin | typeof CONTRADICTION | undefined {
    const chain = this.#readChain()
    const scheme = this.#readScheme()
    if (scheme === CONTRADICTION) return scheme
    const host = this.#lastOf('x-forwarded-host', isHost)
    const port = this.#lastOf('x-forwarded-port', isPort)
    const prefix = this.#lastOf('x-forwarded-prefix', isPrefix)?.replace(/\/+$/, '')
    if (chain || scheme || host || port || prefix) {
      return this.#makeOrigin(chain, scheme, host, port, prefix)
    }
    return undefined
  }

  #readChain(): Chain | undefined {
    const lines = this.#lines('x-forwarded-for')
    if (lines.length === 0) return undefined
    const chain = walkXForwardedFor(this.#sender.node, this.#settings.hops, lines)
    if (chain === MALFORMED) return this.#ignore('x-forwarded-for')
    this.#cut('x-forwarded-for', chain)
    this.#chain = chain
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

  /** Of a list the last element, which the peer itself has added or let stand: further left anybody may have written. */
  #lastOf(name: string, isValid: (text: string) => boolean): string | undefined {
    const lines = this.#lines(name)
    if (lines.length === 0) return undefined
    const places = this.#found.placesOf(name)
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
      common: {},
      text: undefined,
    }
  }

  /** Host and port of the server, as the client sees it, which go into `Host` too. */
  #readServer(scheme: Origin['scheme'], host: string | undefined, port: string | undefined) {
    if (host === undefined && port === undefined) return undefined
    this.#isPlain = false
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

  /** Who else tells the client's address agrees, or is not heard. */
  #checkAddresses(client: string): void {
    for (const name of this.#found.namesOf('address')) {
      if (this.#lines(name).every((line) => canonicalAddress(line) === client)) continue
      this.#disown(name)
      this.#isPlain = false
    }
  }

  /** It is as if it had not come. */
  #ignore(name: string): undefined {
    const { name: peer } = this.#sender
    this.#settings.log.debug({ field: name, peer }, 'forwarded field is malformed and ignored')
    this.#isPlain = false
    if (!this.#settings.passes) this.#remove(name)
  }

  #disown(name: string): void {
    this.unvouched.push(name)
    this.#remove(name)
  }

  #remove(name: string): void {
    this.#changes.remove(this.#found.placesOf(name))
  }

  /** Of a field that is read. */
  #lines(name: string): string[] {
    const values = this.#found.valuesIn(this.#request.rawHeaders)
    return values.filter((_, index) => {
      const { name: each, role } = this.#found.names[index] as FieldName
      return each === name && role !== 'removed'
    })
  }
}

const OF_X_FORWARDED: ReadonlySet<Role> = new Set([...PARTS, 'scheme'])

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
