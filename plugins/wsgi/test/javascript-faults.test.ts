import type { ServerResponse } from 'node:http'
import { setTimeout as after } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createTestServer, type TestServer } from '../../../testing/index.ts'
import wsgi, { type Application } from '../index.ts'

interface Context {
  server: TestServer | undefined
  /** What would end the process. */
  ends: unknown[]
  note(error: unknown): void
}

const faults = suite<Context>('faults of applications in JavaScript, in the front')

faults.before.each((context) => {
  context.ends = []
  context.note = (error) => void context.ends.push(error)
  process.on('uncaughtException', context.note)
})
faults.after.each(async ({ server, note }) => {
  await server?.close()
  process.off('uncaughtException', note)
})

async function start(context: Context, app: unknown, kind: 'wsgi' | 'node' = 'wsgi') {
  const plugin = wsgi(app as Application, { interface: kind } as never)
  context.server = await createTestServer({ plugins: [plugin] })
  return context.server
}

/** Everything that has been set off has happened. */
const settled = () => after(10)

const hello = Buffer.from('hello')
/** It cannot be made a text of. */
const bare = Object.create(null)
type Start = (status: string, headers: unknown[]) => (chunk: unknown) => Promise<void>
const begin = (startResponse: Start) => startResponse('200 OK', [['Content-Type', 'text/plain']])

for (const [what, thrown] of [
  ['nothing', undefined],
  ['null', null],
  ['what is no text', bare],
] as const) {
  faults(`an app that throws ${what} is a 500`, async (context) => {
    const apps = [
      () => {
        throw thrown
      },
      async () => {
        throw thrown
      },
      // biome-ignore lint/correctness/useYield: it throws before
      async function* () {
        throw thrown
      },
      () => ({
        // biome-ignore lint/suspicious/noThenProperty: that is what is tested
        then: () => {
          throw thrown
        },
      }),
    ]
    for (const app of apps) {
      const server = await start(context, app)
      assert.is((await server.request('/')).status, 500)
      assert.match(server.log(), 'Error handling request')
      await server.close()
    }
    assert.equal(context.ends, [])
  })
}

faults('what the app returns may not be looked at: the answer goes out', async (context) => {
  const body = {
    get close() {
      throw bare
    },
    [Symbol.iterator]: () => [hello][Symbol.iterator](),
  }
  const server = await start(context, (_environ: unknown, startResponse: Start) => {
    begin(startResponse)
    return body
  })
  assert.is((await server.request('/')).body, 'hello')
  await settled()
  assert.equal(context.ends, [])
  assert.match(server.log(), 'close() of the application failed')
})

faults('who does not wait for write() loses nothing but its answer', async (context) => {
  let isOver = false
  const server = await start(context, async (_environ: unknown, startResponse: Start) => {
    const write = begin(startResponse)
    while (!isOver) {
      void write(hello)
      await after(1)
    }
    void write(hello)
    return []
  })
  const connection = await server.connect()
  connection.send('GET / HTTP/1.1\r\nHost: test\r\n\r\n')
  await connection.receive(/hello/)
  connection.destroy()
  await settled()
  isOver = true
  await settled()
  assert.equal(context.ends, [])
})

faults('a chunk of another kind fails the answer, though nobody waits', async (context) => {
  const server = await start(context, (_environ: unknown, startResponse: Start) => {
    void begin(startResponse)('text')
    return after(50, [hello])
  })
  assert.is((await server.request('/')).status, 500)
  assert.match(server.log(), 'must be made of Uint8Array')
  assert.equal(context.ends, [])
})

faults('a body that nobody waits for ends nothing where its client leaves', async (context) => {
  let begun = () => {}
  const beginning = new Promise<void>((resolve) => {
    begun = resolve
  })
  const server = await start(context, (environ: Record<string, { read(): unknown }>) => {
    environ['wsgi.input']?.read()
    begun()
    return new Promise(() => {})
  })
  const connection = await server.connect()
  connection.send('POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\nhalf')
  await beginning
  connection.destroy()
  await settled()
  assert.equal(context.ends, [])
})

faults('reads of a body at the same time get one part after the other', async (context) => {
  const server = await start(
    context,
    async (
      environ: Record<string, { read(size: number): Promise<Buffer> }>,
      startResponse: Start,
    ) => {
      begin(startResponse)
      const read = () => environ['wsgi.input']?.read(2) as Promise<Buffer>
      const [one, two, three] = await Promise.all([read(), read(), read()])
      return [two, one, three]
    },
  )
  const { body } = await server.request('/', { method: 'POST', body: 'abcde' })
  assert.is(body, 'cdabe')
})

faults('next() of a handler that has answered does nothing', async (context) => {
  const handler = (_request: unknown, response: ServerResponse, next: () => void) => {
    response.end('answered')
    setTimeout(next)
  }
  const server = await start(context, handler, 'node')
  assert.is((await server.request('/')).body, 'answered')
  await settled()
  assert.equal(context.ends, [])
})

faults('the page for a handler that fails has no fields of its answer', async (context) => {
  const handler = async (_request: unknown, response: ServerResponse) => {
    response.setHeader('Content-Encoding', 'gzip').setHeader('Content-Length', 3)
    throw new Error('no')
  }
  const server = await start(context, handler, 'node')
  const { status, headers, body } = await server.request('/')
  assert.equal([status, headers['content-encoding']], [500, undefined])
  assert.match(body, '500 Internal Server Error')
})

faults.run()
