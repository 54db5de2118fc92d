import type { Limits } from '../http/limits.ts'
import { canonicalAuthority, isHost } from '../http/syntax.ts'

/** What the head of a request says, in HTTP/1.1's terms. */
export interface RequestHead {
  readonly method: string
  readonly url: string
  /** Names and values in turn; the first is `host`. */
  readonly fields: string[]
  /** Of the body; -1 where it is not announced. */
  readonly length: number
  readonly expectsContinue: boolean
}

/** Why a head is refused. */
export interface Refused {
  readonly status: number
  readonly reason: string
}

const refused = (status: number, reason: string): Refused => ({ status, reason })

const PATH = /^\/[!"$-~]*$/
const NONE = refused(0, '')

/**
 * Reads what nghttp2 has decoded, which checks characters of names and values, and that pseudo-header fields are there
 * once (RFC 9113 §8.2, §8.3). What is left is what HTTP/1.1's parser demands too.
 */
export function readHead(
  raw: readonly string[],
  hasBody: boolean,
  limits: Limits,
): RequestHead | Refused {
  const names = { method: '', url: '', authority: '', host: '', length: '', expect: '' }
  const fields = ['host', '']
  const fault = collect(raw, names, fields, limits)
  if (fault !== NONE) return fault
  const { method, url, authority, host, length, expect } = names
  if (method === 'CONNECT') return refused(501, 'CONNECT is not supported')
  if (!PATH.test(url) && !(url === '*' && method === 'OPTIONS')) return refused(400, 'invalid path')
  if (method.length + url.length + VERSION > limits.requestLine) {
    return refused(414, 'request line too long')
  }
  if (authority !== '' && host !== '' && canonical(authority) !== canonical(host)) {
    return refused(400, 'the host is not that of the authority')
  }
  const name = authority || host
  if (!isHost(name)) return refused(400, 'invalid host')
  if (expect !== '' && expect !== '100-continue') return refused(417, 'unknown expectation')
  fields[1] = name
  // who reads HTTP/1.1's fields sees a body by them
  if (hasBody && length === '') fields.push('transfer-encoding', 'chunked')
  const declared = length === '' ? -1 : Number(length)
  if (declared > limits.body) return refused(413, 'body too large')
  return { method, url, fields, length: declared, expectsContinue: expect !== '' && hasBody }
}

type Names = Record<'method' | 'url' | 'authority' | 'host' | 'length' | 'expect', string>

/** As `GET / HTTP/2.0` has it. */
const VERSION = ' '.length + ' HTTP/2.0'.length
const canonical = (text: string) => canonicalAuthority(text, 'https')

/** Sorts the fields. @returns NONE where all is well. */
function collect(raw: readonly string[], names: Names, fields: string[], limits: Limits): Refused {
  let size = 0
  let count = 0
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] as string
    const value = raw[index + 1] as string
    size += name.length + value.length + 4
    if (name.charCodeAt(0) === COLON) {
      takePseudo(names, name, value)
      continue
    }
    if (++count > limits.fields) return refused(431, 'too many fields')
    if (name.length + value.length + 2 > limits.fieldSize) return refused(431, 'field too long')
    // a name with an underscore could pass for another (`x_forwarded_for`): dropped, as over HTTP/1.1
    if (name.includes('_')) continue
    if (name === 'host') {
      if (names.host !== '') return refused(400, 'more than one host')
      names.host = value
      continue
    }
    if (name === 'content-length') names.length = value
    else if (name === 'expect') names.expect = value.toLowerCase()
    fields.push(name, value)
  }
  return size > limits.head ? refused(431, 'head too large') : NONE
}

const COLON = 58

function takePseudo(names: Names, name: string, value: string): void {
  if (name === ':method') names.method = value
  else if (name === ':path') names.url = value
  else if (name === ':authority') names.authority = value
}
