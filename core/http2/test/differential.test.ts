import { once } from 'node:events'
import { type ClientHttp2Session, connect, constants } from 'node:http2'
import { buffer } from 'node:stream/consumers'
import * as assert from 'uvu/assert'
import { ask as askOne, type Handler, http2Suite } from './harness.ts'

const isCI = !['', '0', 'false'].includes(process.env.CI ?? '')
const SESSIONS = isCI ? 100 : 30
const REQUESTS = 60

/** Numbers that look random and are the same each time. */
function dice(seed: number): (limit: number) => number {
  let state = Math.imul(seed, 0x9e37_79b1) | 1
  return (limit) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % limit
  }
}

/** What a request asks the application to do; the client knows what must come of it. */
interface Plan {
  readonly status: number
  readonly fields: [string, string][]
  readonly pieces: number[]
  readonly isWhole: boolean
  readonly hasLength: boolean
  readonly hasTrailers: boolean
  readonly hints: boolean
}

const pattern = (size: number) => Buffer.alloc(size, 'abcdefghijklmnopqrstuvwxyz0123456789')

const LETTERS = Array.from({ length: 255 - 0x21 }, (_, at) => String.fromCharCode(0x21 + at))
  .filter((letter) => letter !== '\x7f' && (letter <= '~' || letter >= '\x80'))
  .join('')

const application: Handler = async (request, response) => {
  request.on('error', () => {}) // it was given up
  const body = await buffer(request).catch(() => undefined)
  if (body === undefined) return
  const plan = JSON.parse(request.headers['x-plan'] as string) as Plan
  if (plan.hints) response.writeEarlyHints({ link: '</a.css>; rel=preload' })
  const sum = plan.pieces.reduce((all, size) => all + size, 0)
  const length = plan.hasLength ? { 'content-length': sum } : {}
  const trailer = plan.hasTrailers ? { trailer: 'x-sum' } : {}
  for (const [name, value] of plan.fields) response.setHeader(name, value)
  response.writeHead(plan.status, { ...length, ...trailer, 'x-body': String(body.length) })
  if (plan.hasTrailers) response.addTrailers({ 'x-sum': String(sum) })
  if (plan.isWhole && plan.pieces.length === 1) return void response.end(pattern(sum))
  for (const size of plan.pieces) {
    if (response.destroyed) return
    if (!response.write(pattern(size)))
      await Promise.race([once(response, 'drain'), gone(response)])
  }
  response.end()
}

const gone = (response: object) =>
  new Promise((done) => (response as NodeJS.EventEmitter).once('close', done))

function makePlan(roll: (limit: number) => number, most: number): Plan {
  const count = roll(4)
  const sizes = [0, 1, 100, 5000, 16_384, 16_385, 40_000, 100_000].filter((size) => size <= most)
  const size = () => sizes[roll(sizes.length)] as number
  const start = roll(LETTERS.length - 40)
  const fields = Array.from({ length: roll(6) }, (_, at): [string, string] => [
    `X-Field-${at}`,
    LETTERS.slice(start, start + roll(40)),
  ])
  return {
    status: [200, 200, 201, 302, 404, 418, 500][roll(7)] as number,
    fields,
    pieces: Array.from({ length: count }, size),
    isWhole: roll(2) === 0,
    hasLength: roll(2) === 0,
    hasTrailers: roll(5) === 0,
    hints: roll(8) === 0,
  }
}

const random = http2Suite('requests and answers of all kinds')

async function ask(session: ClientHttp2Session, seed: number, most: number): Promise<void> {
  const roll = dice(seed)
  const plan = makePlan(roll, most)
  const method = ['GET', 'HEAD', 'POST', 'PUT'][roll(4)] as string
  const upload = method === 'POST' || method === 'PUT' ? pattern(roll(most)) : undefined
  const text = `seed ${seed}: ${method} ${upload?.length} ${JSON.stringify(plan)}`
  const length = upload && roll(2) === 0 ? { 'content-length': String(upload.length) } : {}
  const stream = session.request(
    {
      ':method': method,
      ':path': `/${'x'.repeat(roll(200))}`,
      'x-plan': JSON.stringify(plan),
      ...length,
    },
    { endStream: upload === undefined },
  )
  if (upload) stream.end(upload)
  const isGivenUp = roll(10) === 0
  if (isGivenUp) {
    stream.on('error', () => {}).resume() // nothing more of it is wanted
    const wait = roll(3)
    for (let turn = 0; turn < wait; turn++) await new Promise((done) => setImmediate(done))
    stream.close(constants.NGHTTP2_CANCEL)
    return
  }
  const trailers = plan.hasTrailers && method !== 'HEAD' ? once(stream, 'trailers') : undefined
  const [headers] = await once(stream, 'response')
  const body = await buffer(stream)
  const sum = plan.pieces.reduce((all, size) => all + size, 0)
  assert.is(headers[':status'], plan.status, text)
  assert.is(headers['x-body'], String(upload?.length ?? 0), text)
  for (const [name, value] of plan.fields) assert.is(headers[name.toLowerCase()], value, text)
  if (method === 'HEAD') return assert.is(body.length, 0, text)
  assert.ok(body.equals(Buffer.concat(plan.pieces.map(pattern))), text)
  if (headers['content-length'] !== undefined) {
    assert.is(headers['content-length'], String(sum), text)
  }
  if (trailers) assert.is((await trailers)[0]['x-sum'], String(sum), text)
}

random('are to node:http2 what they were to the application', async ({ serve }) => {
  const { port, refusals } = await serve(application)
  for (let number = 1; number <= SESSIONS; number++) {
    const roll = dice(number)
    const window = [1, 10, 100, 1000, 65_535, 1_000_000][roll(6)] as number
    const most = window < 1000 ? 20 * window : 100_001
    const session = connect(`http://127.0.0.1:${port}`, {
      settings: { initialWindowSize: window, headerTableSize: [0, 100, 4096][roll(3)] as number },
      maxReservedRemoteStreams: 100,
    })
    session.on('error', () => {})
    await once(session, 'connect')
    const together = 1 + roll(30)
    for (let at = 0; at < REQUESTS; at += together) {
      const seeds = Array.from({ length: together }, (_, each) => 1000 * number + at + each)
      await Promise.all(seeds.map((seed) => ask(session, seed, most)))
    }
    session.close()
    await once(session, 'close')
  }
  assert.equal(refusals, [])
})

const odd = http2Suite('what is unusual')

odd('heads of answers may need several frames', async ({ serve }) => {
  const { open } = await serve((_request, response) => {
    response.writeHead(200, { 'x-long': 'y'.repeat(40_000), 'x-other': 'z'.repeat(10_000) })
    response.end('good')
  })
  const { headers, body } = await askOne(await open())
  assert.is((headers['x-long'] as string).length, 40_000)
  assert.is((headers['x-other'] as string).length, 10_000)
  assert.is(body, 'good')
})

odd('cookies in pieces are one, in their order', async ({ serve }) => {
  const { open } = await serve(({ headers, rawHeaders }, response) => {
    response.end(JSON.stringify([headers.cookie, rawHeaders.filter((each) => each === 'cookie')]))
  })
  const cookie = Array.from({ length: 150 }, (_, at) => `a${at}=${at}`)
  const { body } = await askOne(await open(), { cookie: cookie.join('; '), b: 'c' })
  assert.equal(JSON.parse(body), [cookie.join('; '), ['cookie']])
  const pieces = await askOne(await open(), { cookie })
  assert.equal(JSON.parse(pieces.body), [cookie.join('; '), ['cookie']])
})

random.run()
odd.run()
