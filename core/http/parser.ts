import type { Limits } from './limits.ts'
import {
  COLON,
  CR,
  canonicalAuthority,
  isHost,
  LF,
  listElements,
  NAME,
  SPACE,
  TAB,
  TARGET,
  TOKEN,
  UNDERSCORE,
  VALUE,
} from './syntax.ts'

/** More bytes are needed. */
export const INCOMPLETE = -1
/** The head says why: `status` and `reason`. */
export const REFUSED = -2

/** What the `Expect` field asks for. */
export type Expectation = 'none' | 'continue' | 'unknown'

/** A parsed request head; one is used again for all requests of a server. */
export class Head {
  /** Why it is refused, where it is. */
  status = 0
  reason = ''
  method = ''
  /** In origin form or `*`, whatever form was sent. */
  url = ''
  /** 1 for HTTP/1.1, 0 for HTTP/1.0. */
  minor = 1
  /** Names and values in turn, as sent, without those that are dropped. */
  fields: string[] = []
  /** Those that are dropped for an underscore in their name, in the same way; undefined: there are none. */
  dropped: string[] | undefined = undefined
  /** Of the body; -1 where it is chunked. */
  length = 0
  /** The connection may be used again after this request. */
  persistent = true
  expectation: Expectation = 'none'
  /** Asks for another protocol (RFC 9110 §7.8). */
  upgrade = false
  /** What the fields say that matter to the engine, as sent. */
  host: string | undefined = undefined
  lengthField: string | undefined = undefined
  coding: string | undefined = undefined
  connection = ''
  expect: string | undefined = undefined

  /** HTTP/1.1 without a body, on a connection that stays open. */
  get isPlain(): boolean {
    return this.minor === 1 && this.length === 0 && this.persistent && this.expectation === 'none'
  }

  refuse(status: number, reason: string): typeof REFUSED {
    this.status = status
    this.reason = reason
    return REFUSED
  }
}

/**
 * Parses one request head that begins at `from`; strictly by RFC 9110 and RFC 9112, and there is no lenient way.
 * @returns where the head ends, INCOMPLETE or REFUSED.
 */
export function parseHead(text: string, from: number, limits: Limits, head: Head): number {
  let at = from
  if (text.charCodeAt(at) === CR) {
    // RFC 9112 §2.2: one empty line before a request is ignored
    if (at + 1 === text.length) return INCOMPLETE
    if (text.charCodeAt(at + 1) !== LF) return head.refuse(400, 'bare CR before the request line')
    at += 2
  }
  at = parseRequestLine(text, at, limits, head)
  if (at >= 0) {
    head.fields = []
    head.dropped = undefined
    at = parseFields(text, at, limits, head)
  }
  if (at === INCOMPLETE && text.length - from > limits.head) return tooLarge(head)
  if (at < 0) return at
  if (at - from > limits.head) return tooLarge(head)
  return interpret(head) ? at : REFUSED
}

const tooLarge = (head: Head) => head.refuse(431, 'head too large')

function parseRequestLine(text: string, from: number, limits: Limits, head: Head): number {
  let at = from
  while (TOKEN[text.charCodeAt(at)] === 1) at++
  const methodEnd = at
  if (at === text.length) return unfinishedLine(text, from, limits, head)
  if (text.charCodeAt(at) !== SPACE || at === from) {
    return refuseLine(at - from, 'invalid method', limits, head)
  }
  const targetStart = ++at
  while (TARGET[text.charCodeAt(at)] === 1) at++
  if (at === text.length) return unfinishedLine(text, from, limits, head)
  if (text.charCodeAt(at) !== SPACE || at === targetStart) {
    return refuseLine(at - from, 'invalid request target', limits, head)
  }
  const targetEnd = at++
  if (text.startsWith('HTTP/1.1\r\n', at)) head.minor = 1
  else if (text.startsWith('HTTP/1.0\r\n', at)) head.minor = 0
  else return refuseVersion(text, from, at, limits, head)
  at += 10
  if (at - 2 - from > limits.requestLine) return head.refuse(414, 'request line too long')
  head.method = methodAt(text, from, methodEnd)
  head.url = text.slice(targetStart, targetEnd)
  return at
}

function unfinishedLine(text: string, from: number, limits: Limits, head: Head): number {
  if (text.length - from > limits.requestLine + 1) return head.refuse(414, 'request line too long')
  return INCOMPLETE
}

/** Where the fault comes only after the limit, it does not count: how the bytes arrive must make no difference. */
function refuseLine(length: number, reason: string, limits: Limits, head: Head): number {
  if (length > limits.requestLine) return head.refuse(414, 'request line too long')
  return head.refuse(400, reason)
}

const VERSION_LINE = 'HTTP/1.1\r\n'

function refuseVersion(text: string, from: number, at: number, limits: Limits, head: Head): number {
  const rest = text.slice(at, at + VERSION_LINE.length)
  if (at - from > limits.requestLine) return head.refuse(414, 'request line too long')
  if (/^HTTP\/\d\.\d\r\n/.test(rest)) return head.refuse(505, 'HTTP version not supported')
  if (/^(?:H(?:T(?:T(?:P(?:\/(?:\d(?:\.(?:\d\r?)?)?)?)?)?)?)?)?$/.test(rest)) {
    return unfinishedLine(text, from, limits, head)
  }
  return head.refuse(400, 'invalid HTTP version')
}

/** Equal strings for the usual methods, so that comparing them is comparing pointers. */
function methodAt(text: string, from: number, end: number): string {
  if (end - from === 3 && text.startsWith('GET', from)) return 'GET'
  if (end - from === 4 && text.startsWith('POST', from)) return 'POST'
  if (end - from === 4 && text.startsWith('HEAD', from)) return 'HEAD'
  return text.slice(from, end)
}

/** Parses field lines up to the empty line and adds them to `head.fields`. @returns as parseHead does. */
export function parseFields(text: string, from: number, limits: Limits, head: Head): number {
  const { fields } = head
  let at = from
  for (let count = 0; text.charCodeAt(at) !== CR; count++) {
    const start = at
    while (NAME[text.charCodeAt(at)] === 1) at++
    let dropped = false
    if (text.charCodeAt(at) === UNDERSCORE) {
      dropped = true
      while (TOKEN[text.charCodeAt(at)] === 1) at++
    }
    const nameEnd = at
    if (at === text.length) return unfinishedField(text, start, limits, head)
    if (text.charCodeAt(at) !== COLON || at === start) {
      if (at - start > limits.fieldSize) return head.refuse(431, 'field too long')
      return refuseName(text, at, start, head)
    }
    at++
    while (text.charCodeAt(at) === SPACE || text.charCodeAt(at) === TAB) at++
    const valueStart = at
    while (VALUE[text.charCodeAt(at)] === 1) at++
    const lineEnd = at
    if (lineEnd - start > limits.fieldSize) return head.refuse(431, 'field too long')
    if (at + 1 >= text.length) {
      if (at < text.length && text.charCodeAt(at) !== CR) return refuseByte(text, at, head)
      return unfinishedField(text, start, limits, head)
    }
    if (text.charCodeAt(at) !== CR) return refuseByte(text, at, head)
    if (text.charCodeAt(at + 1) !== LF) return head.refuse(400, 'bare CR')
    at += 2
    if (count >= limits.fields) return head.refuse(431, 'too many fields')
    let valueEnd = lineEnd
    while (valueEnd > valueStart && isBlank(text.charCodeAt(valueEnd - 1))) valueEnd--
    if (dropped) head.dropped ??= []
    const list = dropped ? (head.dropped as string[]) : fields
    list.push(text.slice(start, nameEnd), text.slice(valueStart, valueEnd))
  }
  if (at + 1 === text.length) return INCOMPLETE
  if (text.charCodeAt(at + 1) !== LF) return head.refuse(400, 'bare CR')
  return at + 2
}

const isBlank = (code: number) => code === SPACE || code === TAB

function unfinishedField(text: string, start: number, limits: Limits, head: Head): number {
  if (text.length - start > limits.fieldSize + 1) return head.refuse(431, 'field too long')
  return INCOMPLETE
}

function refuseName(text: string, at: number, start: number, head: Head): number {
  const code = text.charCodeAt(at)
  if (at === start && isBlank(code)) return head.refuse(400, 'obsolete line folding')
  if (isBlank(code)) return head.refuse(400, 'white space before the colon')
  return head.refuse(400, code === LF ? 'bare LF' : 'invalid field name')
}

function refuseByte(text: string, at: number, head: Head): number {
  return head.refuse(400, text.charCodeAt(at) === LF ? 'bare LF' : 'control byte in a field value')
}

/** Reads what the engine itself must know. @returns false where the head is refused. */
function interpret(head: Head): boolean {
  head.length = 0
  head.upgrade = false
  head.expectation = 'none'
  head.host = undefined
  head.lengthField = undefined
  head.coding = undefined
  head.connection = ''
  head.expect = undefined
  const { fields } = head
  for (let index = 0; index < fields.length; index += 2) {
    if (!note(fields[index] as string, fields[index + 1] as string, head)) return false
  }
  return (
    resolveTarget(head, head.host) &&
    resolveBody(head) &&
    resolveConnection(head) &&
    resolveExpectation(head)
  )
}

function note(name: string, value: string, head: Head): boolean {
  switch (name.length) {
    case 4:
      if (name !== 'Host' && name.toLowerCase() !== 'host') return true
      if (head.host !== undefined) return fails(head, 400, 'more than one Host')
      head.host = value
      return true
    case 6:
      if (name.toLowerCase() === 'expect') head.expect = join(head.expect, value)
      return true
    case 7:
      if (name.toLowerCase() === 'upgrade') head.upgrade = true
      return true
    case 10:
      if (name.toLowerCase() !== 'connection') return true
      head.connection = head.connection ? `${head.connection},${value}` : value
      return true
    case 14:
      if (name.toLowerCase() !== 'content-length') return true
      if (head.lengthField !== undefined) return fails(head, 400, 'more than one Content-Length')
      head.lengthField = value
      return true
    case 17:
      if (name.toLowerCase() === 'transfer-encoding') head.coding = join(head.coding, value)
      return true
  }
  return true
}

const join = (first: string | undefined, second: string) =>
  first === undefined ? second : `${first},${second}`

function fails(head: Head, status: number, reason: string): false {
  head.refuse(status, reason)
  return false
}

/** Checks Host and target (RFC 9112 §3.2) and brings the target to origin form. */
function resolveTarget(head: Head, host: string | undefined): boolean {
  if (host === undefined) {
    if (head.minor === 1) return fails(head, 400, 'no Host')
  } else if (!isHost(host)) return fails(head, 400, 'invalid Host')
  const { method, url } = head
  if (method === 'CONNECT') return resolveConnect(head)
  // RFC 9113 §3.4: reserved, and never to be taken for a request
  if (method === 'PRI') return fails(head, 400, 'HTTP/2 preface')
  if (url.charCodeAt(0) !== 47 /* / */ && !resolveOtherForm(head, host)) return false
  if (isKnownMethod(method)) return true
  // gunicorn's answer for lower case, which is rather a mistake than a method
  return fails(head, /[a-z]/.test(method) ? 400 : 501, 'method not implemented')
}

function resolveConnect(head: Head): boolean {
  if (!isHost(head.url) || !/:\d+$/.test(head.url)) {
    return fails(head, 400, 'invalid target for CONNECT')
  }
  return fails(head, 501, 'CONNECT is not implemented')
}

const ABSOLUTE = /^(https?):\/\/([^/?]+)(.*)$/is

function resolveOtherForm(head: Head, host: string | undefined): boolean {
  const { method, url } = head
  if (url === '*') return method === 'OPTIONS' || fails(head, 400, 'target * without OPTIONS')
  const [, scheme, authority, rest] = ABSOLUTE.exec(url) ?? []
  if (scheme === undefined || authority === undefined || !isHost(authority)) {
    return fails(head, 400, 'invalid request target')
  }
  const lower = scheme.toLowerCase()
  if (
    host !== undefined &&
    canonicalAuthority(authority, lower) !== canonicalAuthority(host, lower)
  ) {
    return fails(head, 400, 'Host and target disagree')
  }
  if (rest === '' && method === 'OPTIONS') head.url = '*'
  else head.url = rest?.startsWith('/') ? rest : `/${rest}`
  return true
}

/** Methods are upper case by convention (gunicorn refuses others, too); any of that kind is the application's affair. */
export const isKnownMethod = (method: string) =>
  method === 'GET' || method === 'POST' || /^[A-Z][-A-Z0-9$_.]{1,19}$/.test(method)

/** RFC 9112 §6: exactly one way to tell where the body ends, or none. */
function resolveBody(head: Head): boolean {
  const { lengthField: length, coding } = head
  if (coding !== undefined) {
    if (length !== undefined) return fails(head, 400, 'Content-Length with Transfer-Encoding')
    if (head.minor === 0) return fails(head, 400, 'Transfer-Encoding in HTTP/1.0')
    if (coding !== 'chunked' && coding.toLowerCase() !== 'chunked')
      return refuseCoding(head, coding)
    head.length = -1
    return true
  }
  if (length === undefined) return true
  if (!/^\d+$/.test(length)) return fails(head, 400, 'invalid Content-Length')
  if (length.length > 15) return fails(head, 413, 'Content-Length too large')
  head.length = Number(length)
  return true
}

/** RFC 9112 §6.1: 501 for a coding that is not understood, 400 where chunked is not the last and only once. */
function refuseCoding(head: Head, coding: string): false {
  const known = /^(?:(?:gzip|x-gzip|compress|x-compress|deflate)[ \t]*,[ \t]*)+chunked$/i
  if (known.test(coding)) return fails(head, 501, 'transfer coding not implemented')
  return fails(head, 400, 'invalid Transfer-Encoding')
}

function resolveConnection(head: Head): boolean {
  const { connection, upgrade } = head
  head.upgrade = false
  if (connection === '') {
    head.persistent = head.minor === 1
    return true
  }
  if (connection === 'keep-alive') {
    head.persistent = true
    return true
  }
  const options = listElements(connection)
  const closes = options.includes('close')
  head.persistent = !closes && (head.minor === 1 || options.includes('keep-alive'))
  head.upgrade = upgrade && head.minor === 1 && options.includes('upgrade')
  return true
}

function resolveExpectation(head: Head): boolean {
  const { expect } = head
  if (expect === undefined || head.minor === 0) return true
  if (expect.toLowerCase() !== '100-continue') return fails(head, 417, 'unknown expectation')
  head.expectation = 'continue'
  return true
}
