import convict from 'convict'
import { findGroup, findUser } from '../accounts.ts'
import { parseBind } from '../address.ts'
import { parseSyslogAddress } from '../logging/syslog/address.ts'
import { FACILITIES } from '../logging/syslog/message.ts'
import { PeerSet } from '../peer-set.ts'

/** How the values of one kind are read from text, checked, and shown in help. */
export interface Format {
  /** The kind in help and docs. */
  readonly metavar: string
  /** May be given more than once on the command line. */
  readonly repeatable?: boolean
  /** Takes no value on the command line; `--no-OPTION` says false. */
  readonly flag?: boolean
  /** Text from the command line, the environment or a file's string. What cannot be read comes back as it is. */
  parse(text: string): unknown
  /** A value of a file or of code in another shape that is accepted. */
  read?(value: unknown): unknown
  /** @throws where the value is not allowed; the text says what is. */
  check(value: unknown): void
}

const fail = (text: string): never => {
  throw new Error(text)
}
const isText = (value: unknown): value is string => typeof value === 'string'
const isTexts = (value: unknown): value is string[] => Array.isArray(value) && value.every(isText)
const number = (text: string) => (/^\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : text)
const MEGABYTE = 1_048_576
const UNITS = ['', 'k', 'm', 'g', 't']
/** `512M`, `1.5G`, `2GiB`; powers of 1024. */
function bytes(text: string): unknown {
  const [, size, unit = ''] = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim()) ?? []
  return size === undefined
    ? text
    : Math.round(Number(size) * 1024 ** UNITS.indexOf(unit.toLowerCase()))
}
const list = (text: string) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')

/** As gunicorn reads it: a zero before a digit makes it octal, `0o` and `0x` say what they are. */
const mask = (text: string) => {
  const number = text.trim().replace(/^0(?=\d)/, '0o')
  return /^(0o[0-7]+|0x[\da-f]+|\d+)$/i.test(number) ? Number(number) : text
}
/** `{ KEY: value }` as `KEY=value` texts: in a file that reads better. */
const entriesAsTexts = (value: unknown) =>
  isRecord(value)
    ? Object.entries(value).flatMap(([key, each]) => [each].flat().map((one) => `${key}=${one}`))
    : value
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text // the check says what is wrong
  }
}

const isAccount = (value: unknown, find: (name: string) => unknown) =>
  (isText(value) || Number.isSafeInteger(value)) && find(String(value)) !== undefined

const FORWARDED_PARTS = ['for', 'proto', 'host', 'port', 'prefix']

const BOOLEANS: Readonly<Record<string, boolean>> = {
  true: true, yes: true, on: true, 1: true, false: false, no: false, off: false, 0: false,
} // biome-ignore format: one line reads better

const natural = (least: number): Format => ({
  metavar: 'N',
  parse: number,
  check(value) {
    const ok = Number.isSafeInteger(value) && (value as number) >= least
    if (!ok) fail(`must be a whole number, ${least} or more`)
  },
})

/** In the order of gunicorn's numbers, which are Python's. */
const CERT_REQS = ['none', 'optional', 'required']

/** Other ways to write gunicorn's kinds of worker. */
const WORKER_CLASSES: Readonly<Record<string, string>> = {
  'gunicorn.workers.sync.SyncWorker': 'sync',
  'gunicorn.workers.gthread.ThreadWorker': 'gthread',
  'egg:gunicorn#sync': 'sync',
  'egg:gunicorn#gthread': 'gthread',
}

/** gunicorn's kinds of worker that are not here. */
const NO_WORKER: Readonly<Record<string, string>> = {
  gevent: 'greenlets are not supported',
  eventlet: 'greenlets are not supported',
  tornado: "Tornado's loop is not supported",
  asgi: 'ASGI applications are not supported',
  uvicorn: 'ASGI applications are not supported',
}

function checkWorkerClass(value: unknown): void {
  const name = String(value)
  if (name === 'sync' || name === 'gthread') return
  const [kind = ''] = name.match(/gevent|eventlet|tornado|uvicorn|asgi/i) ?? []
  const reason = NO_WORKER[kind.toLowerCase()] ?? "gunicorn's worker classes are not loaded"
  fail(`must be sync or gthread: ${reason}; give each worker more --threads instead`)
}

/** The named formats of option definitions. */
export const FORMATS: Readonly<Record<string, Format>> = {
  text: {
    metavar: 'TEXT',
    parse: (text) => text,
    check: (value) => isText(value) || fail('must be text'),
  },
  texts: {
    metavar: 'TEXT',
    repeatable: true,
    parse: list,
    check: (value) => isTexts(value) || fail('must be a list of texts'),
  },
  flag: {
    metavar: '',
    flag: true,
    parse: (text) => BOOLEANS[text.trim().toLowerCase()] ?? text,
    check: (value) => typeof value === 'boolean' || fail('must be true or false'),
  },
  syslogAddress: {
    metavar: 'ADDRESS',
    parse: (text) => text.trim(),
    check: (value) => void parseSyslogAddress(isText(value) ? value : ''),
  },
  syslogName: {
    metavar: 'NAME',
    parse: (text) => text,
    check(value) {
      const ok = isText(value) && /^[!-~]{1,48}$/.test(value) // RFC 5424 §6.2.5
      if (!ok) fail('must be 1 to 48 printable ASCII characters, without spaces')
    },
  },
  facility: {
    metavar: 'NAME',
    parse: (text) => text.trim().toLowerCase(),
    check(value) {
      const ok = isText(value) && Object.hasOwn(FACILITIES, value)
      if (!ok) fail(`must be one of ${Object.keys(FACILITIES).join(', ')}`)
    },
  },
  natural: natural(0),
  positive: natural(1),
  seconds: {
    metavar: 'SECONDS',
    parse: number,
    check(value) {
      const ok = typeof value === 'number' && Number.isFinite(value) && value >= 0
      if (!ok) fail('must be a number of seconds, 0 or more')
    },
  },
  memory: {
    metavar: 'SIZE',
    parse: bytes,
    check(value) {
      // a bare small number was meant in other units
      const ok = value === 0 || (Number.isSafeInteger(value) && (value as number) >= MEGABYTE)
      if (!ok) fail('must be a size of 1M or more, such as 512M or 2G, or 0')
    },
  },
  binds: {
    metavar: 'ADDRESS',
    repeatable: true,
    parse: list,
    check(value) {
      if (!isTexts(value) || value.length === 0) fail('must be a list of one address or more')
      for (const address of value as string[]) parseBind(address)
    },
  },
  peers: {
    metavar: 'ADDRESSES',
    repeatable: true,
    parse: list,
    check(value) {
      if (!isTexts(value)) fail('must be a list of addresses and ranges of addresses')
      new PeerSet(value as string[])
    },
  },
  fieldNames: {
    metavar: 'NAMES',
    repeatable: true,
    parse: list,
    check(value) {
      const isName = (name: string) => /^[\w!#$%&'*+.^`|~-]+$/.test(name) && name !== '*'
      if (!isTexts(value) || !value.every(isName)) fail('must be a list of names of header fields')
    },
  },
  forwardedParts: {
    metavar: 'PARTS',
    repeatable: true,
    parse: list,
    check(value) {
      const ok = isTexts(value) && value.every((part) => FORWARDED_PARTS.includes(part))
      if (!ok) fail(`must be a list of ${FORWARDED_PARTS.join(', ')}`)
    },
  },
  urlPath: {
    metavar: 'PATH',
    parse: (text) => text,
    check(value) {
      const ok = isText(value) && /^\/[\w.~/-]*$/.test(value)
      if (!ok) fail("must be a path that begins with '/', of letters, digits and - . _ ~ /")
    },
  },
  user: {
    metavar: 'USER',
    parse: (text) => text,
    check: (value) => isAccount(value, findUser) || fail(`there is no user '${value}'`),
  },
  group: {
    metavar: 'GROUP',
    parse: (text) => text,
    check: (value) => isAccount(value, findGroup) || fail(`there is no group '${value}'`),
  },
  mask: {
    metavar: 'MASK',
    parse: mask,
    check(value) {
      const ok = Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= 0o777
      if (!ok) fail('must be a mask from 0 to 0777, octal (022) or hexadecimal (0x12)')
    },
  },
  pairs: {
    metavar: 'KEY=VALUE',
    repeatable: true,
    parse: (text) => [text],
    read: entriesAsTexts,
    check(value) {
      const ok = isTexts(value) && value.every((pair) => /^[^=\0]+(=[^\0]*)?$/.test(pair))
      if (!ok) fail('must be KEY=VALUE, or KEY for an empty one')
    },
  },
  mappings: {
    metavar: 'PATH=FOLDER',
    repeatable: true,
    parse: (text) => [text],
    read: entriesAsTexts,
    check(value) {
      const ok = isTexts(value) && value.every((pair) => /^\/[^=\0]*=[^\0]+$/.test(pair))
      if (!ok) fail("must be PATH=FOLDER, with a path that begins with '/'")
    },
  },
  rules: {
    metavar: 'RULE',
    repeatable: true,
    parse: list,
    read: entriesAsTexts,
    check(value) {
      const ok = isTexts(value) && value.every((rule) => /^([^=\0]+=)?[^=\0]+$/.test(rule))
      if (!ok) fail('must be VALUE, or PATTERN=VALUE, or a list of such')
    },
  },
  records: {
    metavar: 'JSON',
    parse: json,
    check(value) {
      const ok = Array.isArray(value) && value.every(isRecord)
      if (!ok) fail('must be a list of objects')
    },
  },
  rootPath: {
    metavar: 'PATH',
    parse: (text) => text.replace(/\/+$/, ''),
    check(value) {
      const ok = isText(value) && /^(\/[!"$-.0->@-~]+)*$/.test(value)
      if (!ok) fail("must be a path that begins with '/', as it stands in URLs")
    },
  },
  certReqs: {
    metavar: 'KIND',
    parse: (text) => CERT_REQS[Number(text)] ?? text.trim().toLowerCase(),
    check(value) {
      const ok = CERT_REQS.includes(String(value))
      if (!ok) fail('must be none (0), optional (1) or required (2)')
    },
  },
  protocols: {
    metavar: 'NAMES',
    repeatable: true,
    parse: list,
    check(value) {
      const ok = isTexts(value) && value.length > 0 && value.every((one) => /^h[12]$/.test(one))
      if (!ok) fail('must be h1, h2 or both')
    },
  },
  workerClass: {
    metavar: 'KIND',
    parse: (text) => WORKER_CLASSES[text] ?? text,
    check: checkWorkerClass,
  },
  count: {
    metavar: 'N',
    parse: (text) => (text.trim() === 'auto' ? 'auto' : number(text)),
    check(value) {
      if (/^\d+\.\.\d+$/.test(String(value))) {
        fail("a range of numbers is not supported; give one, or 'auto'")
      }
      const ok = value === 'auto' || (Number.isSafeInteger(value) && (value as number) >= 1)
      if (!ok) fail("must be a whole number, 1 or more, or 'auto' for one per processor core")
    },
  },
}

/** Teaches convict our formats. Its own coerce loosely ("4x" is 4, "maybe" is true); these do not. */
for (const [name, format] of Object.entries(FORMATS)) {
  convict.addFormat({ name, validate: format.check, coerce: format.parse })
}
