import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Engine } from '../engine.ts'
import type { LeanResponse } from '../lean-response.ts'
import { type Case, type Expected, readCases } from './corpus.ts'
import { get, MemorySocket, Stage, settled, TestDoor } from './wire.ts'

interface Seen {
  method: string | undefined
  url: string | undefined
  version: string
  headers: IncomingMessage['headers']
  body: string
  complete: boolean
}

/** Keeps what arrives; answers when the body is read. */
function recorder(seen: Seen[]) {
  return (request: IncomingMessage, response: LeanResponse) => {
    const { method, url, httpVersion: version, headers } = request
    const entry: Seen = { method, url, version, headers, body: '', complete: false }
    seen.push(entry)
    request.on('data', (chunk: Buffer) => {
      entry.body += chunk.toString('latin1')
    })
    request.on('end', () => {
      entry.complete = true
      response.end('ok')
    })
  }
}

/** Feeds the pieces, one turn of the loop each, to an engine without a network. */
async function feed(pieces: Iterable<string>): Promise<{ seen: Seen[]; text: string }> {
  const seen: Seen[] = []
  const engine = new Engine(new TestDoor(recorder(seen)), { connectionsPerAddress: 0 })
  const socket = new MemorySocket()
  engine.accept(socket as unknown as Socket)
  for (const piece of pieces) socket.receive(piece)
  await settled()
  await settled()
  const { text } = socket
  socket.destroy()
  await settled()
  return { seen, text }
}

function* halves(raw: string): Iterable<[string, string]> {
  // long ones are there for a limit: the places where they can be cut are many and alike
  const step = Math.max(1, Math.floor(raw.length / 200))
  for (let at = 1; at < raw.length; at += step) yield [raw.slice(0, at), raw.slice(at)]
}

function checkSeen(seen: readonly Seen[], requests: readonly Expected[], label: string): void {
  assert.is(seen.length, requests.length, `${label}: ${seen.length} requests arrived`)
  requests.forEach((expected, index) => {
    const { method, url, version, headers, body, complete } = seen[index] as Seen
    assert.equal(
      { method, url, version, body, complete },
      {
        method: expected.method,
        url: expected.url,
        version: expected.version ?? '1.1',
        body: expected.body,
        complete: true,
      },
      label,
    )
    for (const [name, value] of Object.entries(expected.headers ?? {})) {
      assert.equal(headers[name], value, `${label}: ${name}`)
    }
    for (const name of expected.absent ?? []) assert.not.ok(Object.hasOwn(headers, name), label)
  })
}

/** The application may have begun with a request whose body turned out to be bad, but never got all of one. */
function checkRefused(
  { seen, text }: { seen: readonly Seen[]; text: string },
  { status, name }: Case,
  before = 0,
): void {
  const answers = text.match(/HTTP\/1\.1 \d{3}/g) ?? []
  assert.is(answers.at(-1), `HTTP/1.1 ${status}`, `${name}: ${JSON.stringify(text)}`)
  assert.is(answers.length, before + 1, name)
  assert.match(text.slice(text.lastIndexOf('HTTP/1.1')), '\r\nConnection: close\r\n', name)
  assert.is(seen.filter(({ complete }) => complete).length, before, name)
}

const valid = readCases('valid')
const invalid = readCases('invalid')

const whole = suite('corpus, whole')

whole('has hundreds of cases', () => {
  assert.ok(valid.length >= 100, String(valid.length))
  assert.ok(invalid.length >= 350, String(invalid.length))
})

for (const each of valid) {
  whole(`takes ${each.name}`, async () => {
    checkSeen((await feed([each.raw])).seen, each.requests, each.name)
  })
}

for (const each of invalid) {
  whole(`refuses ${each.name} with ${each.status} and reads nothing after it`, async () => {
    checkRefused(await feed([each.raw, get('/after')]), each)
    checkRefused(await feed([each.raw + get('/after')]), each)
  })
}
whole.run()

const split = suite('corpus, split')

for (const each of valid) {
  split(`takes ${each.name} cut anywhere`, async () => {
    for (const pieces of halves(each.raw)) {
      checkSeen(
        (await feed(pieces)).seen,
        each.requests,
        `${each.name} cut after ${pieces[0].length}`,
      )
    }
    checkSeen((await feed(each.raw)).seen, each.requests, `${each.name} byte by byte`)
  })
}

for (const each of invalid) {
  split(`refuses ${each.name} cut anywhere`, async () => {
    for (const pieces of halves(each.raw))
      checkRefused(await feed([...pieces, get('/after')]), each)
    checkRefused(await feed(each.raw + get('/after')), each)
  })
}
split.run()

const pipelined = suite('corpus, behind a valid request')

for (const each of valid) {
  pipelined(`takes ${each.name}`, async () => {
    const first: Expected = { method: 'GET', url: '/first', body: '' }
    const { seen } = await feed([get('/first') + each.raw])
    checkSeen(seen, [first, ...each.requests], each.name)
  })
}

for (const each of invalid) {
  pipelined(`refuses ${each.name} and answers what came before`, async () => {
    checkRefused(await feed([get('/first') + each.raw + get('/after')]), each, 1)
  })
}
pipelined.run()

const sockets = suite<{ stage: Stage; seen: Seen[] }>('corpus, through a socket')

sockets.before(async (context) => {
  context.seen = []
  context.stage = await Stage.open(recorder(context.seen), { lingerTime: 100 })
})

sockets.after(async ({ stage }) => {
  await stage.close()
})

sockets('takes what is valid', async ({ stage, seen }) => {
  for (const each of valid) {
    seen.length = 0
    const client = await stage.connect()
    client.send(each.raw)
    for (const { method } of each.requests)
      await client.until(method === 'HEAD' ? '\r\n\r\n' : '\r\n\r\nok')
    client.socket.destroy()
    checkSeen(seen, each.requests, each.name)
  }
})

sockets('refuses what is invalid; the answer arrives and the connection ends', async (context) => {
  const { stage, seen } = context
  for (const each of invalid) {
    seen.length = 0
    const text = await stage.exchange(each.raw + get('/after'))
    checkRefused({ seen, text }, each)
  }
})
sockets.run()
