import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Engine } from '../engine.ts'
import type { LeanResponse } from '../lean-response.ts'
import { type Case, type Expected, readCases } from './corpus.ts'
import { get, MemorySocket, type Refusal, Stage, settled, TestDoor } from './wire.ts'

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

interface Outcome {
  readonly seen: readonly Seen[]
  readonly text: string
  readonly refusals: readonly Refusal[]
}

/** Feeds the pieces, one turn of the loop each, to an engine without a network. */
async function feed(pieces: Iterable<string>): Promise<Outcome> {
  const seen: Seen[] = []
  const door = new TestDoor(recorder(seen))
  const engine = new Engine(door, { connectionsPerAddress: 0 })
  const socket = new MemorySocket()
  engine.accept(socket as unknown as Socket)
  for (const piece of pieces) socket.receive(piece)
  await settled()
  await settled()
  const { text } = socket
  socket.destroy()
  await settled()
  return { seen, text, refusals: door.refusals }
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

const FRAMING = 'bare (?:CR|LF)|invalid (?:method|request target|HTTP version|field name)'
const FIELDS = `${FRAMING}|control byte in a field value|obsolete line folding|white space before the colon`

/** Why those of a group are refused: for the clause that they break, and not because something else is wrong with them. */
const REASONS: Record<string, string> = {
  limits:
    'too many fields|(?:field|request line|chunk extensions) too long|(?:head|trailers) too large',
  'rfc9110-10.1.1-expect': 'unknown expectation',
  'rfc9110-6.5.1-trailers': `forbidden field in trailers|${FIELDS}|trailers too large|too many fields`,
  'rfc9110-9.3.6-connect': 'invalid target for CONNECT|CONNECT is not implemented',
  'rfc9112-2.2-line-ends': `${FRAMING}|bare CR before the request line`,
  'rfc9112-2.3-version': 'invalid HTTP version|HTTP version not supported|invalid request target',
  'rfc9112-3-request-line': `${FRAMING}|method not implemented`,
  'rfc9112-3.2-host': '(?:invalid|no|more than one) Host|control byte in a field value',
  'rfc9112-3.2-target': 'invalid request target|target \\* without OPTIONS|invalid HTTP version',
  'rfc9112-3.2.2-authority-and-host':
    'Host and target disagree|(?:invalid|no|more than one) Host|invalid request target',
  'rfc9112-5-fields': FIELDS,
  'rfc9112-6.1-transfer-encoding':
    'invalid Transfer-Encoding|(?:Content-Length with )?Transfer-Encoding(?: in HTTP/1.0)?|' +
    'transfer coding not implemented|more than one Content-Length|white space before the colon|control byte in a field value',
  'rfc9112-6.3-content-length':
    '(?:invalid|more than one) Content-Length|Content-Length too large|body too large|control byte in a field value',
  'rfc9112-7.1-chunks':
    'bare (?:CR|LF)(?: in chunk framing)?|invalid chunk (?:size|extension)|chunk size too large|chunk extensions too long|' +
    'chunk data does not end where its size says',
  'rfc9113-3.4-preface': 'HTTP/2 preface|HTTP version not supported',
}

/** Whether what is wrong stands behind the head, so that the application has begun by then, though it never gets all. */
const isOfBody = ({ name }: Case) =>
  /^rfc911[02]-(?:6.5.1|7.1)|^limits\/(?:trailers|extensions)/.test(name)

function checkRefused({ seen, text, refusals }: Outcome, each: Case, before = 0): void {
  const { status, name } = each
  const answers = text.match(/HTTP\/1\.1 \d{3}/g) ?? []
  assert.is(answers.at(-1), `HTTP/1.1 ${status}`, `${name}: ${JSON.stringify(text)}`)
  assert.is(answers.length, before + 1, name)
  const last = text.slice(text.lastIndexOf('HTTP/1.1'))
  assert.match(last, '\r\nConnection: close\r\n', name)
  assert.match(last, /\r\nDate: [^\r]+ GMT\r\n/, name)
  assert.is(seen.filter(({ complete }) => complete).length, before, name)
  assert.is(seen.length, before + (isOfBody(each) ? 1 : 0), `${name}: the application was called`)
  assert.is(refusals.length, 1, name)
  const reason = refusals[0]?.reason as string
  const group = name.slice(0, name.indexOf('/'))
  assert.match(reason, new RegExp(`^(?:${REASONS[group]})$`), `${name}: ${reason}`)
}

const valid = readCases('valid')
const invalid = readCases('invalid')

const whole = suite('corpus, whole')

whole('has hundreds of cases', () => {
  assert.ok(valid.length >= 100, String(valid.length))
  assert.ok(invalid.length >= 350, String(invalid.length))
})

whole('has each case once', () => {
  const names = new Map<string, string>()
  for (const { name, raw } of [...valid, ...invalid]) {
    assert.not.ok(names.has(raw), `${name} is ${names.get(raw)}`)
    names.set(raw, name)
  }
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
    const { refusals } = stage.door
    refusals.length = 0
    const text = await stage.exchange(each.raw + get('/after'))
    checkRefused({ seen, text, refusals }, each)
  }
})
sockets.run()
