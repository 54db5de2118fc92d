import type { Refused } from '../../../core/index.ts'
import { type Packet, refuse } from './packet.ts'

/** A request in HTTP that says what the packet says, and what is left over. */
export interface Translated {
  readonly head: string
  /** By name; fields are not among them. */
  readonly variables: ReadonlyMap<string, string>
  readonly rootPath: string | undefined
}

/** They are about the connection between client and proxy, or said elsewhere. */
const NOT_PASSED = new Set(['CONNECTION', 'KEEP_ALIVE', 'TRANSFER_ENCODING', 'CONTENT_TYPE'])
const FIELD = /^HTTP_([!#$%&'*+.^`|~\w-]+)$/
const VARIABLE = /^[A-Za-z]\w{0,127}$/
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
/** A certificate has several lines. */
const VARIABLE_VALUE = /^[\t\r\n\x20-\x7e\x80-\xff]*$/

/**
 * The request as a head of HTTP/1.0, for the engine to read as strictly as any: an answer to it has no framing but the
 * connection's end, as the protocol wants it.
 */
export function translate({ variables: pairs }: Packet): Translated | Refused {
  const variables = new Map<string, string>()
  let fields = ''
  for (const [name, value] of pairs) {
    const [, field] = FIELD.exec(name) ?? []
    if (field !== undefined) {
      if (!FIELD_VALUE.test(value)) return refuse('control byte in a field')
      if (field === 'CONTENT_LENGTH') variables.set(name, value)
      else if (!NOT_PASSED.has(field)) fields += `${field.replaceAll('_', '-')}: ${value}\r\n`
    } else {
      if (!VARIABLE.test(name) || variables.has(name)) return refuse('invalid or repeated variable')
      if (!VARIABLE_VALUE.test(value)) return refuse('control byte in a variable')
      variables.set(name, value)
    }
  }
  return addFraming(variables, fields)
}

function addFraming(variables: Map<string, string>, fields: string): Translated | Refused {
  const method = variables.get('REQUEST_METHOD') ?? ''
  const length = variables.get('CONTENT_LENGTH') ?? ''
  const sent = variables.get('HTTP_CONTENT_LENGTH') ?? length
  const type = variables.get('CONTENT_TYPE') ?? ''
  if (sent !== length) return refuse('two lengths of the body')
  if (!/^[!-~]+$/.test(method) || /[^\d]/.test(length)) return refuse('invalid method or length')
  if (!FIELD_VALUE.test(type)) return refuse('control byte in CONTENT_TYPE')
  const target = resolveTarget(variables)
  if (target === undefined) return refuse('invalid target')
  const { url, rootPath } = target
  const framing =
    (type === '' ? '' : `Content-Type: ${type}\r\n`) +
    (length === '' ? '' : `Content-Length: ${length}\r\n`)
  const head = `${method} ${url} HTTP/1.0\r\n${fields}${framing}Connection: close\r\n\r\n`
  return { head, variables, rootPath }
}

const ROOT_PATH = /^(?:\/[!"$&-.0->@-~]+)*$/

/** What the proxy has made of the path (PATH_INFO) counts; where it has made nothing, it is as the client sent it. */
function resolveTarget(
  variables: ReadonlyMap<string, string>,
): { url: string; rootPath: string | undefined } | undefined {
  const sent = variables.get('REQUEST_URI') ?? ''
  const query = variables.get('QUERY_STRING') ?? ''
  const prefix = (variables.get('SCRIPT_NAME') ?? '').replace(/\/+$/, '')
  const info = variables.get('PATH_INFO')
  if (!ROOT_PATH.test(prefix) || !/^[!-~]*$/.test(sent) || !/^[!-~]*$/.test(query)) return undefined
  const rootPath = prefix === '' ? undefined : prefix
  const path = info === undefined || isUnder(info, prefix) ? info : prefix + info
  if (path === undefined || decode(sent.replace(/\?.*/s, '')) === path) {
    return sent === '' ? undefined : { url: sent, rootPath }
  }
  if (sent === '*' && path === '*') return { url: sent, rootPath }
  if (!path.startsWith('/')) return undefined
  return { url: encode(path) + (query === '' ? '' : `?${query}`), rootPath }
}

const isUnder = (path: string, prefix: string) =>
  path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === '/')

const decode = (path: string) =>
  path.replace(/%([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )

const encode = (path: string) =>
  path.replace(
    /[^!$&-;=@-Z_a-z~]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  )
