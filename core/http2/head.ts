import { isForbiddenTrailer } from '../http/chunked.ts'
import type { Limits } from '../http/limits.ts'
import { isKnownMethod } from '../http/parser.ts'
import { canonicalAuthority, isHost, TOKEN } from '../http/syntax.ts'
import { type Field, KIND } from './field.ts'

/** Why a head is refused. */
export interface Refused {
  readonly status: number
  readonly reason: string
}

/** What becomes of a request: it is served, answered at once, or its stream is reset (RFC 9113 §8.1.1). */
export type Outcome = 'good' | 'refused' | 'malformed'

const PATH = /^\/[!"$-~]*$/
const SCHEME = /^[A-Za-z][-A-Za-z0-9+.]*$/
/** As `GET / HTTP/2.0` has it. */
const VERSION = ' '.length + ' HTTP/2.0'.length
/** No host, so that it is refused as such. */
const SEVERAL = ' '
/** A number that is exact. */
const MOST_DIGITS = 15

/** What the head of a request says, in HTTP/1.1's terms; one is used again for all requests of a server. */
export class RequestHead {
  status = 0
  reason = ''
  method = ''
  url = ''
  /** Names and values in turn; the first is `host`. */
  fields: string[] = []
  /** Those that are dropped for an underscore in their name, in the same way; undefined: there are none. */
  dropped: string[] | undefined = undefined
  /** Of the body; -1 where it is not announced. */
  length = -1
  expectsContinue = false
  #scheme = ''
  #authority: string | undefined
  #host: string | undefined
  #lengthField: string | undefined
  #expect = ''
  /** Where the value of the field `cookie` is; 0: nowhere yet. */
  #cookie = 0

  /** Reads what HPACK has decoded; strictly, as HTTP/1.1's parser. */
  read(decoded: readonly Field[], hasBody: boolean, limits: Limits): Outcome {
    this.#clear()
    const outcome = this.#collect(decoded, limits)
    if (outcome !== 'good') return outcome
    const { method, url } = this
    if (method === '') return 'malformed'
    if (method === 'CONNECT') return this.#connect()
    if (url === '' || !SCHEME.test(this.#scheme)) return 'malformed'
    return this.#resolve(hasBody, limits)
  }

  refuse(status: number, reason: string): 'refused' {
    this.status = status
    this.reason = reason
    return 'refused'
  }

  #clear(): void {
    this.method = ''
    this.url = ''
    this.fields = ['host', '']
    this.dropped = undefined
    this.length = -1
    this.#scheme = ''
    this.#authority = undefined
    this.#host = undefined
    this.#lengthField = undefined
    this.#expect = ''
    this.#cookie = 0
  }

  /** Sorts the fields; all of them are looked at, as a malformed one counts more than one too many. */
  #collect(decoded: readonly Field[], limits: Limits): Outcome {
    let size = 0
    let count = 0
    let outcome: Outcome = 'good'
    for (let index = 0; index < decoded.length; index++) {
      const field = decoded[index] as Field
      const { name, value, kind } = field
      const length = name.length + value.length
      size += length + ': \r\n'.length
      if (kind >= KIND.method && kind <= KIND.path) {
        // RFC 9113 §8.3: before all others, and once
        if (count > 0 || !this.#takePseudo(kind, value)) return 'malformed'
        continue
      }
      if (kind !== KIND.cookie || this.#cookie === 0) count++
      if (length + 2 > limits.fieldSize) outcome = this.refuse(431, 'field too long')
      if (kind === KIND.plain) this.fields.push(name, value)
      else if (kind === KIND.malformed || !this.#take(kind, name, value)) return 'malformed'
    }
    if (count > limits.fields) return this.refuse(431, 'too many fields')
    return size > limits.head ? this.refuse(431, 'head too large') : outcome
  }

  #takePseudo(kind: number, value: string): boolean {
    if (kind === KIND.authority) {
      if (this.#authority !== undefined) return false
      this.#authority = value
      return true
    }
    const before = kind === KIND.method ? this.method : kind === KIND.path ? this.url : this.#scheme
    if (value === '' || before !== '') return false
    if (kind === KIND.path) this.url = value
    else if (kind === KIND.scheme) this.#scheme = value
    else this.method = value
    return true
  }

  #take(kind: number, name: string, value: string): boolean {
    switch (kind) {
      case KIND.dropped:
        this.dropped ??= []
        this.dropped.push(name, value)
        return true
      case KIND.host:
        this.#host = this.#host === undefined ? value : SEVERAL
        return true
      case KIND.length:
        if (this.#lengthField !== undefined || !/^\d+$/.test(value)) return false
        this.#lengthField = value
        break
      case KIND.expect:
        this.#expect = value.toLowerCase()
        break
      case KIND.cookie:
        return this.#takeCookie(name, value)
    }
    this.fields.push(name, value)
    return true
  }

  /** RFC 9113 §8.2.3: to others it is one. */
  #takeCookie(name: string, value: string): true {
    if (this.#cookie > 0) this.fields[this.#cookie] += `; ${value}`
    else this.#cookie = this.fields.push(name, value) - 1
    return true
  }

  #connect(): Outcome {
    if (this.url !== '' || this.#scheme !== '') return 'malformed'
    return isHost(this.#authority ?? '')
      ? this.refuse(501, 'CONNECT is not supported')
      : 'malformed'
  }

  #resolve(hasBody: boolean, limits: Limits): Outcome {
    const { method, url } = this
    const length = this.#lengthField
    if (!isToken(method)) return 'malformed'
    if (!hasBody && length !== undefined && Number(length) !== 0) return 'malformed'
    if (!PATH.test(url) && !(url === '*' && method === 'OPTIONS')) {
      return this.refuse(400, 'invalid path')
    }
    if (method.length + url.length + VERSION > limits.requestLine) {
      return this.refuse(414, 'request line too long')
    }
    const name = this.#resolveHost()
    if (name === undefined) return this.refuse(400, 'the host is not that of the authority')
    if (!isHost(name)) return this.refuse(400, 'invalid host')
    if (!isKnownMethod(method)) {
      return this.refuse(/[a-z]/.test(method) ? 400 : 501, 'method not implemented')
    }
    if (this.#expect !== '' && this.#expect !== '100-continue') {
      return this.refuse(417, 'unknown expectation')
    }
    this.fields[1] = name
    // who reads HTTP/1.1's fields sees a body by them
    if (hasBody && length === undefined) this.fields.push('transfer-encoding', 'chunked')
    this.expectsContinue = this.#expect !== '' && hasBody
    return length === undefined ? 'good' : this.#resolveLength(length, limits)
  }

  /** @returns undefined where they contradict each other. */
  #resolveHost(): string | undefined {
    const authority = this.#authority
    const host = this.#host
    if (authority === undefined || authority === '') return host ?? ''
    if (host === undefined || host === authority) return authority
    return canonical(authority) === canonical(host) ? authority : undefined
  }

  #resolveLength(length: string, limits: Limits): Outcome {
    this.length = length.length > MOST_DIGITS ? Number.POSITIVE_INFINITY : Number(length)
    return this.length > limits.body || this.length === Number.POSITIVE_INFINITY
      ? this.refuse(413, 'body too large')
      : 'good'
  }
}

const canonical = (text: string) => canonicalAuthority(text, 'https')

function isToken(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (TOKEN[text.charCodeAt(at)] !== 1) return false
  return true
}

/** @returns names and values in turn; undefined where one cannot stand behind a body (RFC 9113 §8.1). */
export function readTrailers(decoded: readonly Field[]): string[] | undefined {
  const trailers: string[] = []
  for (const { name, value, kind } of decoded) {
    if (kind === KIND.dropped) continue
    if (kind !== KIND.plain || isForbiddenTrailer(name)) return undefined
    trailers.push(name, value)
  }
  return trailers
}
