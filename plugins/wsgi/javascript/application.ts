/** The application interface of PEP 3333 in JavaScript: docs/javascript-apps.md. */

/** A request's body. */
export interface Input extends AsyncIterable<Uint8Array> {
  /** The next bytes, at most `size`; all that are left without it. Empty at the end. */
  read(size?: number): Promise<Uint8Array>
}

/** Where an application writes about its faults. */
export interface Errors {
  write(text: string): void
  flush(): void
}

export type Header = readonly [name: string, value: string]

/** What an application knows of its request. Text is latin-1, as in PEP 3333: a character for each byte. */
export interface Environ {
  REQUEST_METHOD: string
  SCRIPT_NAME: string
  PATH_INFO: string
  QUERY_STRING: string
  /** The target as it was sent. */
  RAW_URI: string
  SERVER_NAME: string
  SERVER_PORT: string
  SERVER_PROTOCOL: string
  CONTENT_TYPE?: string
  CONTENT_LENGTH?: string
  'wsgi.version': readonly [1, 0]
  'wsgi.url_scheme': 'http' | 'https'
  'wsgi.input': Input
  'wsgi.errors': Errors
  /** The worker executes several requests at a time. */
  'wsgi.multithread': boolean
  'wsgi.multiprocess': boolean
  'wsgi.run_once': boolean
  'wsgi.input_terminated': true
  /** Sends `103 Early Hints` (RFC 8297); without effect once the head is out. */
  'wsgi.early_hints': (headers: readonly Header[]) => void
  /** Whether nobody waits for the answer any more. */
  'wsgi_core.client_gone': () => boolean
  /** Aborted when the client leaves before the answer is complete. Made when it is first called. */
  'wsgi_core.signal': () => AbortSignal
  'wsgi_core.generation': number
  /** `HTTP_` and the field's name in capitals, and whatever plugins add. */
  [name: string]: unknown
}

/** Hands bytes to the client at once, before the application returns. Resolves when there is room for more. */
export type Write = (chunk: Uint8Array) => Promise<void>

/**
 * Begins the answer; nothing goes out before the first byte of the body, or the end. With `error`, the head that was
 * given before is replaced; where that is out already, `error` is thrown.
 */
export type StartResponse = (status: string, headers: readonly Header[], error?: unknown) => Write

/** What an application may return; `close()`, where there is one, is called in any case. */
export type Body = Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>

/** An application: called once for each request. */
export type Application = (environ: Environ, startResponse: StartResponse) => Body | Promise<Body>

/** A handler as node:http, Connect and Express have it. */
export type NodeHandler = (
  request: import('node:http').IncomingMessage,
  response: import('node:http').ServerResponse,
  next?: (error?: unknown) => void,
) => unknown

/** A handler as the Fetch API's servers have it. */
export type FetchHandler = (request: Request) => Response | Promise<Response>
