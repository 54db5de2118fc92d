import { STATUS_CODES } from 'node:http'
import type { Application, Environ, FetchHandler } from './application.ts'

const BODILESS = new Set(['GET', 'HEAD'])

/** An application of a `(Request) => Response` function. */
export const fromFetch =
  (handler: FetchHandler): Application =>
  async (environ, startResponse) => {
    const response = await handler(createRequest(environ))
    const reason = response.statusText || STATUS_CODES[response.status]
    startResponse(`${response.status} ${reason ?? ''}`, fieldsOf(response.headers))
    return (response.body as AsyncIterable<Uint8Array> | null) ?? []
  }

function createRequest(environ: Environ): Request {
  const method = environ.REQUEST_METHOD
  const input = environ['wsgi.input']
  const hasBody = !BODILESS.has(method)
  return new Request(urlOf(environ), {
    method,
    headers: headersOf(environ),
    signal: environ['wsgi_core.signal'](),
    ...(hasBody && { body: ReadableStream.from(input), duplex: 'half' }),
  } as RequestInit)
}

function urlOf(environ: Environ): string {
  const host = (environ.HTTP_HOST as string) || `${environ.SERVER_NAME}:${environ.SERVER_PORT}`
  const target = environ.RAW_URI.startsWith('/') ? environ.RAW_URI : '/'
  return `${environ['wsgi.url_scheme']}://${host}${target}`
}

function headersOf(environ: Environ): Headers {
  const headers = new Headers()
  for (const [name, value] of fieldsOfEnviron(environ)) headers.append(name, value)
  return headers
}

/** The header fields of a request, by lower-case name. */
export function fieldsOfEnviron(environ: Environ): [name: string, value: string][] {
  const fields: [string, string][] = []
  for (const key in environ) {
    const value = environ[key]
    if (typeof value !== 'string') continue
    if (key.startsWith('HTTP_')) fields.push([nameOf(key.slice(5)), value])
    else if (key === 'CONTENT_TYPE' || key === 'CONTENT_LENGTH') fields.push([nameOf(key), value])
  }
  return fields
}

const nameOf = (key: string) => key.toLowerCase().replaceAll('_', '-')

const fieldsOf = (headers: Headers): [string, string][] => {
  const fields = [...headers].filter(([name]) => name !== 'set-cookie')
  for (const cookie of headers.getSetCookie()) fields.push(['set-cookie', cookie])
  return fields
}
