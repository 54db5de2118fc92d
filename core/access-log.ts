import { closeSync, fstatSync, write } from 'node:fs'
import { BadLogFormat, LogLinesLost } from './errors.ts'
import { hasCode, openLogFile, pad, reasonOf, utcOffset, writeWhole } from './log.ts'

export const DEFAULT_ACCESS_FORMAT = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"'

/** What the log reads of a request; node:http's IncomingMessage is one. */
export interface AccessRequest {
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly httpVersion: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

export interface AccessEntry {
  readonly request: AccessRequest
  readonly statusCode: number
  /** A header of the response, asked for in lower case. */
  readonly headers: (name: string) => string | undefined
  /** Bytes of the body that were sent. */
  readonly bytes: number
  readonly milliseconds: number
  readonly time: Date
  readonly remoteAddress: string
  readonly environ?: Readonly<Record<string, string>> | undefined
}

export interface AccessLogOptions {
  /** A path, which is appended to, or `-` for stdout. */
  readonly file: string
  readonly format?: string
  /** Called when lines get lost (full disk, slow or closed pipe), at most once a minute. */
  readonly onError?: (error: Error) => void
}

/** Never throws into a request: lines that cannot be written are dropped and reported. */
export interface AccessLog {
  write(entry: AccessEntry): void
  /** Opens the file anew after a rotation. If that throws, lines go on into the old one. */
  reopen(): void
  /** For an exit that cannot wait. */
  flushSync(): void
  /** Writes what is left and closes the file; gives up on a reader that stalls. */
  close(): Promise<void>
}

export function createAccessLog(options: AccessLogOptions): AccessLog {
  const format = compileAccessFormat(options.format ?? DEFAULT_ACCESS_FORMAT)
  const sink = new BatchSink(
    options.file,
    options.onError ?? ((error) => process.emitWarning(error)),
  )
  return {
    write: (entry) => sink.write(`${format(entry)}\n`),
    reopen: () => sink.reopen(),
    flushSync: () => sink.flushSync(),
    close: () => sink.close(),
  }
}

type Atom = (entry: AccessEntry) => string

/**
 * Compiles gunicorn's `--access-logformat`. What a client controls is written in printable ASCII
 * as nginx does: quotes and backslashes get a backslash, all other bytes become `\xHH`.
 */
export function compileAccessFormat(format: string): Atom {
  const pieces: (string | Atom)[] = []
  let end = 0
  for (const match of format.matchAll(/%%|%\(([^)]*)\)[sd]|%\([^)]*\)?.?|%.?/g)) {
    const [token, name] = match
    pieces.push(format.slice(end, match.index))
    pieces.push(token === '%%' ? '%' : findAtom(token, name))
    end = match.index + token.length
  }
  pieces.push(format.slice(end))
  return (entry) => {
    let line = ''
    for (const piece of pieces) line += typeof piece === 'string' ? piece : piece(entry)
    return line
  }
}

const ALLOWED = '%(x)s with x one of h l u t r m U q H s B b f a T M D L p {name}i {name}o {name}e'

function findAtom(token: string, name: string | undefined): Atom {
  const [, key, kind] = /^\{([^{}]+)\}([ioe])$/.exec(name ?? '') ?? []
  const atom = key === undefined ? ATOMS.get(name ?? '') : keyedAtom(key, kind)
  if (!atom) throw new BadLogFormat(token, ALLOWED)
  return atom
}

function keyedAtom(key: string, kind: string | undefined): Atom {
  const lower = key.toLowerCase()
  const upper = key.toUpperCase()
  if (kind === 'i') return ({ request }) => show(request.headers[lower])
  if (kind === 'o') return ({ headers }) => show(headers(lower))
  return ({ environ }) => show(environ?.[key] ?? environ?.[upper] ?? environ?.[lower])
}

const protocol = ({ request }: AccessEntry): string => `HTTP/${request.httpVersion}`
const microseconds = ({ milliseconds }: AccessEntry): number =>
  Math.max(0, Math.round(milliseconds * 1000))

const ATOMS = new Map<string, Atom>([
  ['h', (entry) => show(entry.remoteAddress || undefined)],
  ['l', () => '-'],
  ['u', ({ request }) => formatUser(request.headers.authorization)],
  ['t', (entry) => formatTime(entry.time)],
  ['r', (entry) => show(`${entry.request.method} ${entry.request.url} ${protocol(entry)}`)],
  ['m', ({ request }) => show(request.method)],
  ['U', (entry) => show(entry.environ?.PATH_INFO ?? pathOf(entry.request.url ?? ''))],
  ['q', ({ request }) => show(queryOf(request.url ?? ''))],
  ['H', (entry) => show(protocol(entry))],
  ['s', (entry) => String(entry.statusCode)],
  ['B', (entry) => String(entry.bytes)],
  ['b', (entry) => String(entry.bytes)],
  ['f', ({ request }) => show(request.headers.referer)],
  ['a', ({ request }) => show(request.headers['user-agent'])],
  ['T', (entry) => String(Math.floor(microseconds(entry) / 1e6))],
  ['M', (entry) => String(Math.floor(microseconds(entry) / 1e3))],
  ['D', (entry) => String(microseconds(entry))],
  ['L', (entry) => (microseconds(entry) / 1e6).toFixed(6)],
  ['p', () => `<${process.pid}>`],
])

const UNSAFE = /[^\x20\x21\x23-\x5b\x5d-\x7e]/

function show(value: unknown): string {
  const text = Array.isArray(value) ? value.join(', ') : value
  if (typeof text !== 'string') return '-'
  return UNSAFE.test(text) ? text.replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, escapeCharacter) : text
}

function escapeCharacter(character: string): string {
  if (character === '"' || character === '\\') return `\\${character}`
  const hex = character.charCodeAt(0).toString(16).toUpperCase()
  return hex.length > 2 ? `\\u${hex.padStart(4, '0')}` : `\\x${hex.padStart(2, '0')}`
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true })

// The user stands outside quotes in the common format, so that a space would shift the fields.
function formatUser(authorization: unknown): string {
  const [, encoded] = /^basic +([\w+/=-]+) *$/i.exec(String(authorization)) ?? []
  if (encoded === undefined) return '-'
  const bytes = Buffer.from(encoded, 'base64')
  const colon = bytes.indexOf(':')
  try {
    const user = colon < 0 ? '' : strictUtf8.decode(bytes.subarray(0, colon))
    return show(user || undefined).replaceAll(' ', '\\x20')
  } catch {
    return '-' // not UTF-8: gunicorn shows no user either
  }
}

const queryOf = (url: string): string => {
  const mark = url.indexOf('?')
  return mark < 0 ? '' : url.slice(mark + 1)
}

// PATH_INFO: bytes of the decoded path as latin-1 characters (PEP 3333).
function pathOf(url: string): string {
  const [, path = ''] = /^(?:https?:\/\/[^/?]*)?([^?]*)/i.exec(url) ?? []
  if (!path.includes('%')) return path || '/'
  return path.replace(/%([\da-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
}

const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ')
let timeSecond = Number.NaN
let timeText = ''

function formatTime(time: Date): string {
  const second = Math.floor(time.getTime() / 1000)
  if (second === timeSecond) return timeText
  const day = `${pad(time.getDate())}/${MONTHS[time.getMonth()]}/${time.getFullYear()}`
  const clock = `${pad(time.getHours())}:${pad(time.getMinutes())}:${pad(time.getSeconds())}`
  timeSecond = second
  timeText = `[${day}:${clock} ${utcOffset(time)}]`
  return timeText
}

const STDOUT = 1
const CLOSED = -1
const FLUSH_SIZE = 4096
const FLUSH_MS = 1000
// PIPE_BUF: up to here the lines of several fronts on one pipe stay whole. One write fits into a
// turn of the event loop, so that a busy server that falls behind has to write more at once.
const PIPE_BATCH = 4096
const PIPE_BEHIND = 65536
const REPORT_MS = 60_000
const MOST_PENDING = 8 * 1024 * 1024
const EAGAIN_PAUSE_MS = 20
const CLOSE_LIMIT_MS = 2000

// One write is under way at a time; what comes meanwhile makes the next batch. Not pino's
// destination (sonic-boom 4.2.1): on a full disk or a closed pipe its flush at exit never ends.
class BatchSink {
  readonly #file: string
  readonly #onError: (error: Error) => void
  readonly #batchSize: number
  #fd: number
  #busyFd: number | undefined
  #batches: string[] = []
  #pending = 0
  #timer: NodeJS.Timeout | undefined
  #flushing = false
  #reported = Number.NEGATIVE_INFINITY
  #closed = false
  #whenIdle: () => void = () => {}

  constructor(file: string, onError: (error: Error) => void) {
    this.#file = file
    this.#onError = onError
    this.#fd = file === '-' ? STDOUT : openLogFile(file)
    this.#batchSize = fstatSync(this.#fd).isFIFO() ? PIPE_BATCH : Number.POSITIVE_INFINITY
  }

  write(line: string): void {
    if (this.#closed) this.#report(new Error('it is closed'))
    else if (this.#pending + line.length <= MOST_PENDING) this.#append(line)
    else this.#report(new Error('they come faster than they can be written'))
  }

  #append(line: string): void {
    const last = this.#batches.length - 1
    const batch = this.#batches[last]
    if (batch === undefined || batch.length + line.length > this.#batchSize)
      this.#batches.push(line)
    else this.#batches[last] = batch + line
    this.#pending += line.length
    if (this.#pending >= FLUSH_SIZE) this.#next()
    else this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS).unref()
  }

  reopen(): void {
    if (this.#closed || this.#fd === STDOUT) return
    const old = this.#fd
    this.#fd = openLogFile(this.#file)
    if (old !== this.#busyFd) closeSync(old)
  }

  flushSync(): void {
    if (this.#batches.length === 0) return
    const text = this.#batches.join('')
    this.#batches = []
    this.#pending = 0
    try {
      writeWhole(this.#fd, text)
    } catch (error) {
      this.#report(error)
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await new Promise<void>((resolve) => {
      const limit = setTimeout(resolve, CLOSE_LIMIT_MS)
      this.#whenIdle = () => {
        clearTimeout(limit)
        resolve()
      }
      this.#flush()
    })
    const old = this.#fd
    this.#fd = CLOSED
    if (old !== STDOUT && old !== this.#busyFd) closeSync(old)
  }

  #flush(): void {
    this.#flushing = true
    this.#next()
  }

  #next(): void {
    if (this.#busyFd !== undefined) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#pending > PIPE_BEHIND) this.#batches = [this.#batches.join('')]
    const batch = this.#batches.shift()
    if (batch === undefined) {
      this.#flushing = false
      this.#whenIdle()
      return
    }
    this.#pending -= batch.length
    this.#busyFd = this.#fd
    this.#writeOut(this.#fd, Buffer.from(batch))
  }

  #writeOut(fd: number, bytes: Buffer): void {
    write(fd, bytes, (error, written) => {
      if (error && hasCode(error, 'EAGAIN')) {
        setTimeout(() => this.#writeOut(fd, bytes), EAGAIN_PAUSE_MS).unref()
      } else if (!error && written < bytes.length) {
        this.#writeOut(fd, bytes.subarray(written))
      } else {
        if (error) this.#report(error)
        this.#wrote(fd)
      }
    })
  }

  #wrote(fd: number): void {
    this.#busyFd = undefined
    if (fd !== this.#fd && fd !== STDOUT) closeSync(fd)
    if (this.#flushing || this.#pending >= FLUSH_SIZE) this.#next()
    else if (this.#pending > 0) this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS).unref()
  }

  #report(cause: unknown): void {
    const now = performance.now()
    if (now - this.#reported < REPORT_MS) return
    this.#reported = now
    this.#onError(new LogLinesLost(this.#file, reasonOf(cause), { cause }))
  }
}
