import type {
  Application,
  Body,
  Environ,
  Header,
  StartResponse,
} from '../plugins/wsgi/javascript/application.ts'

/** An application, or whoever calls it, does not keep to the interface. */
export class ValidationError extends Error {
  override readonly name = 'ValidationError'
}

const STRINGS = [
  'REQUEST_METHOD',
  'SCRIPT_NAME',
  'PATH_INFO',
  'QUERY_STRING',
  'RAW_URI',
  'SERVER_NAME',
  'SERVER_PORT',
  'SERVER_PROTOCOL',
  'wsgi.url_scheme',
]
const FLAGS = ['wsgi.multithread', 'wsgi.multiprocess', 'wsgi.run_once', 'wsgi.input_terminated']
const FORBIDDEN = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
  'te',
  'trailer',
])
const STATUS = /^[1-5][0-9][0-9] [\t\x20-\x7e\x80-\xff]*$/
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const TEXT = /^[\t\x20-\x7e\x80-\xff]*$/

function ensure(holds: unknown, text: string): asserts holds {
  if (!holds) throw new ValidationError(text)
}

/**
 * Puts an application between checks, as `wsgiref.validate` does in Python: of what the server gives, and of what the
 * application answers. What breaks PEP 3333 throws a `ValidationError`, which the server answers with 500.
 */
export function validator(app: Application): Application {
  return (...given) => {
    ensure(given.length === 2, 'an application is called with two arguments')
    const [environ, startResponse] = given
    checkEnviron(environ)
    ensure(typeof startResponse === 'function', 'startResponse is a function')
    const exchange = new Exchange(environ, startResponse)
    const result = app(environ, exchange.startResponse)
    const isPromise = typeof (result as { then?: unknown } | undefined)?.then === 'function'
    if (!isPromise) return exchange.body(result as Body)
    return (result as Promise<Body>).then((body) => exchange.body(body))
  }
}

class Exchange {
  readonly #start: StartResponse
  readonly #isHead: boolean
  #begun = false
  /** Of the body, as far as it has come; and as announced. */
  #bytes = 0
  #length: number | undefined
  #bodiless = false

  constructor(environ: Environ, start: StartResponse) {
    this.#start = start
    this.#isHead = environ.REQUEST_METHOD === 'HEAD'
  }

  readonly startResponse: StartResponse = (...given) => {
    ensure(given.length === 2 || given.length === 3, 'startResponse() takes two or three arguments')
    const [status, headers, error] = given
    ensure(!this.#begun || error !== undefined, 'startResponse() is called again without an error')
    ensure(typeof status === 'string' && STATUS.test(status), "status is a string 'NNN reason'")
    this.#begun = true
    this.#bodiless = status[0] === '1' || status.startsWith('204') || status.startsWith('304')
    this.#length = checkHeaders(headers, this.#bodiless)
    const write = this.#start(status, headers, error)
    return async (chunk) => {
      this.#check(chunk)
      await write(chunk)
    }
  }

  body(result: Body): Body {
    ensure(typeof result !== 'string', 'the body is made of bytes, a string was returned')
    if (result instanceof Uint8Array || Array.isArray(result)) {
      const chunks: Iterable<Uint8Array> = result instanceof Uint8Array ? [result] : result
      for (const chunk of chunks) this.#check(chunk)
      this.#end()
      return result
    }
    const source = result as Iterable<Uint8Array> & AsyncIterable<Uint8Array>
    const isAsync = typeof source?.[Symbol.asyncIterator] === 'function'
    const isSync = typeof source?.[Symbol.iterator] === 'function'
    ensure(isAsync || isSync, 'the application returns bytes, or an iterable of bytes')
    return this.#watched(
      isAsync ? source[Symbol.asyncIterator]() : source[Symbol.iterator](),
      source,
    )
  }

  #watched(iterator: AsyncIterator<Uint8Array> | Iterator<Uint8Array>, source: unknown): Body {
    const next = async () => {
      const step = await iterator.next()
      if (step.done) this.#end()
      else this.#check(step.value)
      return step
    }
    return {
      [Symbol.asyncIterator]: () => ({
        next,
        return: async () => (await iterator.return?.()) ?? { done: true, value: undefined },
      }),
      close: () => (source as { close?: () => unknown }).close?.(),
    } as unknown as Body
  }

  #check(chunk: unknown): void {
    ensure(chunk instanceof Uint8Array, `a chunk is a Uint8Array, not a ${typeof chunk}`)
    ensure(this.#begun, 'startResponse() is called before the first bytes')
    ensure(!this.#bodiless || chunk.length === 0, 'this status allows no body')
    this.#bytes += chunk.length
    const fits = this.#length === undefined || this.#bytes <= this.#length
    ensure(fits, `the body is longer than its Content-Length of ${this.#length}`)
  }

  #end(): void {
    ensure(this.#begun, 'startResponse() is called before the end')
    if (this.#length === undefined || this.#bodiless || this.#isHead) return
    const given = `${this.#bytes} of the ${this.#length} bytes of the Content-Length were given`
    ensure(this.#bytes === this.#length, given)
  }
}

function checkEnviron(environ: Environ): void {
  ensure(typeof environ === 'object' && environ !== null, 'the environ is an object')
  for (const name of STRINGS)
    ensure(typeof environ[name] === 'string', `environ has a string ${name}`)
  for (const name of FLAGS) ensure(typeof environ[name] === 'boolean', `environ has a flag ${name}`)
  for (const [name, value] of Object.entries(environ)) {
    if (name.includes('.')) continue
    ensure(typeof value === 'string' && !/[^\0-\xff]/.test(value), `environ's ${name} is latin-1`)
  }
  const { SCRIPT_NAME: script, PATH_INFO: path } = environ
  ensure(script === '' || script.startsWith('/'), 'SCRIPT_NAME is empty or begins with a slash')
  ensure(path === '' || path === '*' || path.startsWith('/'), 'PATH_INFO begins with a slash')
  ensure(!('HTTP_CONTENT_TYPE' in environ), 'the type is in CONTENT_TYPE')
  ensure(!('HTTP_CONTENT_LENGTH' in environ), 'the length is in CONTENT_LENGTH')
  const input = environ['wsgi.input']
  ensure(typeof input?.read === 'function', 'wsgi.input has read()')
  ensure(typeof input[Symbol.asyncIterator] === 'function', 'wsgi.input is an async iterable')
  ensure(typeof environ['wsgi.errors']?.write === 'function', 'wsgi.errors has write()')
  ensure(environ['wsgi.version'].join() === '1,0', 'wsgi.version is [1, 0]')
}

function checkHeaders(headers: readonly Header[], bodiless: boolean): number | undefined {
  ensure(Array.isArray(headers), 'headers are an array')
  let length: number | undefined
  let hasType = false
  for (const header of headers as readonly Header[]) {
    ensure(Array.isArray(header) && header.length === 2, 'a header is [name, value]')
    const [name, value] = header
    ensure(typeof name === 'string' && TOKEN.test(name), `'${name}' is no header name`)
    ensure(typeof value === 'string' && TEXT.test(value), `the value of '${name}' is latin-1 text`)
    const lower = name.toLowerCase()
    ensure(!FORBIDDEN.has(lower), `'${name}' is the server's business`)
    if (lower === 'content-type') hasType = true
    if (lower === 'content-length') length = Number(value)
  }
  ensure(!(bodiless && hasType), 'a status without a body has no Content-Type')
  return length
}
