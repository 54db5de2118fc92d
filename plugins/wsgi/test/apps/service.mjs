// For the tests of Node workers: an app of each kind.
import { existsSync } from 'node:fs'

const PLAIN = [['Content-Type', 'text/plain']]
const text = (value) => [Buffer.from(String(value))]
const after = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

let running = 0
let most = 0

/** Waits for the file that the test leaves. */
async function waited({ QUERY_STRING: path }) {
  most = Math.max(most, ++running)
  while (!existsSync(path)) await after(10)
  running--
  return text(most)
}

const ROUTES = {
  '/pid': () => text(process.pid),
  '/busy': () => {
    for (;;);
  },
  '/never': () => new Promise(() => {}),
  '/wait': waited,
  '/running': () => text(running),
  '/crash': () => {
    setImmediate(() => {
      throw new Error('nobody catches this')
    })
    return new Promise(() => {})
  },
  '/exit': () => process.exit(7),
  '/echo': (environ) => environ['wsgi.input'],
  '/sizes': async (environ) => text((await environ['wsgi.input'].read()).length),
  '/big': () => [Buffer.alloc(3_000_000, 'x')],
  '/circle': () => {
    const error = new Error('goes in a circle')
    error.cause = error
    throw error
  },
  '/blank': () => {
    throw Object.create(null)
  },
  '/fail': () => {
    throw new Error('the app says no')
  },
}

export const app = (environ, startResponse) => {
  const size = Number(environ.HTTP_HEAD_SIZE ?? 0)
  startResponse('200 OK', size > 0 ? [['X', 'x'.repeat(size)]] : PLAIN)
  return (ROUTES[environ.PATH_INFO] ?? (() => text('service')))(environ)
}

export const create =
  async (name, { loud }) =>
  (_environ, startResponse) => {
    startResponse('200 OK', PLAIN)
    return text(loud ? name.toUpperCase() : name)
  }

export const inner = { handler: (request, response) => response.end(`node ${request.url}`) }
export const number = 5
export default async (request) => new Response(`fetch ${new URL(request.url).pathname}`)
