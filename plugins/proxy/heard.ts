import type { IncomingMessage } from 'node:http'
import type { Origin } from '../../core/index.ts'
import type { FieldName } from './field-names.ts'
import { HIDDEN, MALFORMED, parseHop } from './node-name.ts'
import { type Found, removeFields } from './request-fields.ts'

/** What became of a field, and does again: it is removed, or kept if its value is the same, or as its role says. */
type Habit = 'removed' | 'same' | 'for' | 'address'

/** What followed from a request's fields. */
export interface Outcome {
  readonly origin: Origin | undefined
  /** Places of fields. */
  readonly removed: ReadonlySet<number>
  /** Whether the client is the leftmost of the only `X-Forwarded-For`, whose others are all trusted. */
  readonly namesClient: boolean
}

/**
 * What was said on a connection, and what followed from it. A proxy says much the same of all requests but whom they
 * are from, so only that is read anew.
 */
export class Heard {
  #origin: Origin | undefined
  #line: string | undefined
  /** Of `X-Forwarded-For`, from the first comma on: proxies alone. */
  readonly #proxies: string | undefined
  readonly #names: readonly FieldName[]
  readonly #values: readonly string[]
  readonly #habits: readonly Habit[]
  readonly #removes: boolean

  /** @param values of the fields, as they came; they may hold the whole head in memory, one for each connection. */
  constructor({ names, places, count }: Found, values: readonly string[], outcome: Outcome) {
    const { origin, removed, namesClient } = outcome
    this.#names = names.slice(0, count)
    this.#values = values
    this.#habits = this.#names.map(({ role }, index) => {
      if (removed.has(places[index] as number)) return 'removed'
      return role === 'address' || (role === 'for' && namesClient) ? role : 'same'
    })
    this.#removes = removed.size > 0
    this.#origin = origin
    this.#line = this.#values[this.#habits.indexOf('for')]
    if (this.#line !== undefined) this.#proxies = afterClient(this.#line)
  }

  /**
   * Tells of another request, which then is as the application may see it.
   * @returns undefined where it has to be read in full
   */
  retell(found: Found, request: IncomingMessage): { origin: Origin | undefined } | undefined {
    const { rawHeaders } = request
    const { names, places, count } = found
    if (count !== this.#names.length) return undefined
    for (let index = 0; index < count; index++) {
      if (names[index] !== this.#names[index]) return undefined
      const value = rawHeaders[(places[index] as number) + 1] as string
      const habit = this.#habits[index]
      if (habit === 'same' && value !== this.#values[index]) return undefined
      if (habit === 'for' && value !== this.#line && !this.#meet(value)) return undefined
    }
    if (!this.#areOfClient(found, rawHeaders)) return undefined
    if (this.#removes) this.#remove(found, request)
    return this
  }

  get origin(): Origin | undefined {
    return this.#origin
  }

  /** Another client, by way of the same proxies. */
  #meet(line: string): boolean {
    const proxies = this.#proxies as string
    const end = line.length - proxies.length
    const comma = line.indexOf(',')
    if (comma < 0 ? proxies !== '' : comma !== end || !line.endsWith(proxies)) return false
    const client = parseHop(line.slice(0, end))
    if (client === HIDDEN || client === MALFORMED) return false
    this.#line = line
    this.#origin = asOf(this.#origin as Origin, client.address, client.port)
    return true
  }

  #areOfClient({ places, count }: Found, raw: readonly string[]): boolean {
    for (let index = 0; index < count; index++) {
      if (this.#habits[index] !== 'address') continue
      if (raw[(places[index] as number) + 1] !== this.#origin?.address) return false
    }
    return true
  }

  #remove({ places, count }: Found, request: IncomingMessage): void {
    const removed: number[] = []
    for (let index = 0; index < count; index++) {
      if (this.#habits[index] === 'removed') removed.push(places[index] as number)
    }
    removeFields(request, removed)
  }
}

function afterClient(line: string): string {
  const comma = line.indexOf(',')
  return comma < 0 ? '' : line.slice(comma)
}

/** The same from another client. */
function asOf(origin: Origin, address: string, port: string): Origin {
  const hops = origin.hops.slice()
  hops[hops.length - 1] = address
  return {
    address,
    port,
    scheme: origin.scheme,
    hops,
    serverName: origin.serverName,
    serverPort: origin.serverPort,
    prefix: origin.prefix,
    rootPath: origin.rootPath,
    protocol: origin.protocol,
    variables: origin.variables,
    common: origin.common,
    text: undefined,
  }
}
