// Mutates the corpus of raw requests and compares what the engine makes of each with node:http's parser.
//
//   npm run fuzz -- --seconds 60 --seed 1
//   npm run fuzz -- --seed 1 --from 1234 --iterations 1    one of them again
//
// Where the engine takes a request, both must agree on method, target, fields, body and trailers, and where the
// next one begins. What the engine refuses and node:http takes is its strictness (the corpus has the clauses). What
// it takes on purpose and node:http refuses is in LENIENCIES, what it presents otherwise in `seenByNode`. How the
// bytes are cut must make no difference.
import { createRequire } from 'node:module'
import { parseArgs } from 'node:util'
import { Engine } from '../core/http/engine.ts'
import { readCases } from '../core/http/test/corpus.ts'
import { get, MemorySocket, settled } from '../core/http/test/wire.ts'
import { isProgram, main } from './project.mjs'

const { HTTPParser, methods } = createRequire(import.meta.url)('_http_common')

const BATCH = 50
const MAX_FAILURES = 10
const MAX_HEAD = 65_536
const AFTER = get('/after')

/**
 * What the engine takes on purpose and node:http does not: each finds the place where node:http stopped and says
 * what to put there, so that all the rest is still compared.
 */
const LENIENCIES = [
  {
    reason: 'node:http has a list of methods; here the application decides',
    codes: ['HPE_INVALID_METHOD', 'HPE_INVALID_CONSTANT', 'HPE_INVALID_VERSION'],
    repair(raw, at, { method }) {
      const start = raw.lastIndexOf(`${method} `, at)
      const isThere = start >= 0 && !raw.slice(start, at).trimEnd().includes('\n')
      if (!isThere || (methods.includes(method) && method !== 'SOURCE')) return undefined
      return { start, end: start + method.length, text: 'PROPFIND' }
    },
  },
  {
    reason: 'a tab is white space, too (RFC 9110 §5.6.3); node:http takes none after these values',
    codes: [
      'HPE_INVALID_CONTENT_LENGTH',
      'HPE_INVALID_TRANSFER_ENCODING',
      'HPE_CLOSED_CONNECTION', // 'keep-alive' with a tab is none to node:http
      'HPE_INVALID_METHOD', // nor is 'chunked' where an upgrade is asked for, too: the body would be the next request
    ],
    repair(raw, at) {
      const end = raw.indexOf('\r', at - 2)
      const lines =
        /^(?:content-length:[ \t]*\d+|transfer-encoding:[ \t]*chunked|connection:.*\t)[ \t]*$/gim
      const last = [...raw.slice(0, end).matchAll(lines)].findLast(([line]) => line.includes('\t'))
      if (last === undefined) return undefined
      const [line] = last
      const start = last.index
      return { start, end: start + line.length, text: line.replaceAll('\t', ' ') }
    },
  },
]

const TOKENS = [
  ...'\r\n\0\t\v\f\x01\x7f\x80\xa0\xff :,;=_-+*/?#%"\\()<>@[]{}.0159afAFxXgG',
  ...[
    '\r\n',
    '\n\n',
    '\r\r\n',
    '\r\n ',
    '\r\n\t',
    '\r\n\r\n',
    '0\r\n\r\n',
    '5\r\n',
    '1;a="\\""\r\n',
  ],
  ...[
    'GET ',
    'POST ',
    'OPTIONS * ',
    'CONNECT a:80 ',
    'PRI * HTTP/2.0\r\n',
    'HEAD ',
    'http://a/',
    'https://a:443',
  ],
  ...[
    'HTTP/1.1',
    'HTTP/1.0',
    'HTTP/0.9',
    'HTTP/2.0',
    ' HTTP/1.1\r\n',
    'chunked',
    'gzip, ',
    'identity',
    '0x',
    '%00',
  ],
  ...[
    'Host: a\r\n',
    'Host: b\r\n',
    'Content-Length: 5\r\n',
    'Content_Length: 9\r\n',
    'Content-Length: 0\r\n',
  ],
  ...[
    'Transfer-Encoding: chunked\r\n',
    'Transfer-Encoding:',
    'Transfer_Encoding: chunked\r\n',
    'TE: trailers\r\n',
  ],
  ...[
    'Connection: close\r\n',
    'Connection: keep-alive\r\n',
    'Connection: upgrade\r\nUpgrade: x\r\n',
    'Upgrade: h2c\r\n',
  ],
  ...[
    'Connection: Content-Length\r\n',
    'Expect: 100-continue\r\n',
    'Trailer: X\r\n',
    'X: y\r\n',
    'Cookie: a=b\r\n',
  ],
  ...[
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
    get('/x'),
  ],
]

/** @returns the sums, after so many iterations or seconds, or when there are failures enough. */
export async function fuzz({ seed, from = 0, iterations = Infinity, seconds = Infinity }, report) {
  const seeds = { valid: rawOf('valid'), all: [...rawOf('valid'), ...rawOf('invalid')] }
  const totals = { cases: 0, accepted: 0, refused: 0, stricter: 0, lenient: 0, failures: 0 }
  const reasons = new Map()
  const rig = new Rig()
  const stop = performance.now() + seconds * 1000
  for (let next = from; next < from + iterations && performance.now() < stop; ) {
    const size = Math.min(BATCH, from + iterations - next)
    const cases = Array.from({ length: size }, (_, index) => makeCase(seed, next + index, seeds))
    next += size
    for (const result of await runBatch(rig, cases)) {
      count(totals, reasons, result)
      if (result.problem === undefined) continue
      totals.failures++
      report(result)
      if (totals.failures >= MAX_FAILURES) return { totals, reasons }
    }
  }
  return { totals, reasons }
}

const rawOf = (kind) =>
  readCases(kind)
    .map(({ raw }) => raw)
    .filter((raw) => raw.length < 2000)

function count(totals, reasons, { ours, theirs, isLenient }) {
  totals.cases++
  totals.accepted += ours.requests.filter(({ complete }) => complete).length
  if (isLenient) totals.lenient++
  if (ours.status === 0) return
  totals.refused++
  if (theirs.error !== undefined) return
  totals.stricter++
  reasons.set(ours.reason, (reasons.get(ours.reason) ?? 0) + 1)
}

/** All that is random comes from seed and iteration, so that each case can be made again by itself. */
function makeCase(seed, iteration, seeds) {
  const random = createRandom(Math.imul(seed, 0x9e3779b1) ^ Math.imul(iteration + 1, 0x85ebca6b))
  const pick = (list) => list[random(list.length)]
  let raw = pick(random(8) ? seeds.valid : seeds.all)
  for (let times = random(3); times >= 0; times--) raw = mutate(raw, random, pick, seeds)
  if (random(4)) raw += AFTER
  const cuts = Array.from({ length: 1 + random(4) }, () => random(raw.length))
  return { iteration, raw, cuts: cuts.sort((a, b) => a - b) }
}

function mutate(raw, random, pick, seeds) {
  const at = random(raw.length + 1)
  const end = Math.min(raw.length, at + 1 + random(random(2) ? 3 : 40))
  switch (random(14)) {
    case 0:
      return raw.slice(0, at) + String.fromCharCode(random(256)) + raw.slice(at + 1)
    case 1:
    case 2:
      return raw.slice(0, at) + pick(TOKENS) + raw.slice(at)
    case 3:
      return raw.slice(0, at) + pick(TOKENS) + raw.slice(end)
    case 4:
      return raw.slice(0, at) + raw.slice(end)
    case 5:
      return raw.slice(0, end) + raw.slice(at)
    case 6:
      return pick(seeds.valid) + raw
    case 7:
      return raw.slice(0, at) + pick(seeds.all).slice(random(20))
    case 8:
      return mutateNumber(raw, random)
    case 9:
      return raw + pick(seeds.all)
    default:
      return mutateLine(raw, random, pick)
  }
}

/** Moves, doubles or removes a line, puts one in, or turns its case. */
function mutateLine(raw, random, pick) {
  const lines = raw.split('\r\n')
  const at = random(lines.length)
  const line = lines[at]
  const field = pick(TOKENS.filter((token) => token.endsWith('\r\n'))).slice(0, -2)
  const turned = random(2) ? line.toUpperCase() : line.toLowerCase()
  const changes = [[], [line, line], [field, line], [turned], [line, lines[random(lines.length)]]]
  lines.splice(at, 1, ...pick(changes))
  return lines.join('\r\n')
}

function mutateNumber(raw, random) {
  const numbers = [...raw.matchAll(/\d+/g)]
  if (numbers.length === 0) return raw
  const { 0: digits, index } = numbers[random(numbers.length)]
  const number = Number(digits)
  const values = [
    number + 1,
    Math.max(0, number - 1),
    number * 10,
    `0${digits}`,
    number.toString(16),
    `+${digits}`,
    `-${digits}`,
    ` ${digits}`,
    `${digits} `,
    `0x${digits}`,
    `${digits}, ${digits}`,
  ]
  return raw.slice(0, index) + values[random(values.length)] + raw.slice(index + digits.length)
}

/** mulberry32. @returns a function for a whole number below its argument. */
function createRandom(seed) {
  let state = seed | 0
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

/** Our engine, on sockets in memory. */
class Rig {
  #runs = new WeakMap()
  #engine = new Engine(
    {
      keepAlive: 60_000,
      serve: (request, response) => this.#serve(request, response),
      takesUpgrades: () => false,
      upgrade: () => {},
      refused: (_, reason, socket) => {
        this.#runs.get(socket).reason = reason
      },
    },
    { connectionsPerAddress: 0 },
  )

  start(pieces) {
    const socket = new MemorySocket()
    const run = { socket, requests: [], reason: '' }
    this.#runs.set(socket, run)
    this.#engine.accept(socket)
    for (const piece of pieces) socket.receive(piece)
    return run
  }

  #serve(request, response) {
    const { method, url, httpVersionMinor: minor, rawHeaders: fields } = request
    const seen = { method, url, minor, fields, body: '', trailers: [], complete: false }
    this.#runs.get(request.socket).requests.push(seen)
    request.on('data', (chunk) => {
      seen.body += chunk.toString('latin1')
    })
    request.on('end', () => {
      seen.trailers = request.rawTrailers
      seen.complete = true
      response.end('ok')
    })
  }
}

async function runBatch(rig, cases) {
  const runs = cases.map(({ raw, cuts }) => ({
    whole: rig.start([raw]),
    cut: rig.start(cutAt(raw, cuts)),
  }))
  await settled()
  const results = cases.map((each, index) => {
    const ours = finish(runs[index].whole)
    const cut = finish(runs[index].cut)
    const verdict = compare(ours, each.raw)
    // a line that has no end yet may be looked at only when it has
    const isPostponed = cut.reason === '' && cut.open && !each.raw.endsWith('\n')
    if (!isPostponed && outline(cut) !== outline(ours)) {
      verdict.problem ??= `cut at ${each.cuts}, it is taken otherwise: ${outline(cut)}`
    }
    return { ...each, ours, ...verdict }
  })
  await settled()
  return results
}

const cutAt = (raw, cuts) =>
  [0, ...cuts].map((from, index) => raw.slice(from, cuts[index])).filter(Boolean)

function finish({ socket, requests, reason }) {
  const statuses = socket.text.match(/(?<=HTTP\/1\.1 )(?!100)\d{3}/g) ?? []
  const open = !socket.writableEnded && !socket.destroyed
  const status = reason === '' ? 0 : Number(statuses.at(-1))
  socket.destroy()
  return { requests, reason, status, open, answers: statuses.length }
}

/** Of a body that is refused in its middle, how much came before is a matter of the pieces. */
const outline = ({ requests, reason, open }) =>
  JSON.stringify([
    requests.map((each) => (each.complete ? each : { ...each, body: '' })),
    reason,
    open,
  ])

/** What node:http's parser makes of it. */
function askNode(raw) {
  const requests = []
  let seen
  let early = { fields: [], url: '' }
  const parser = new HTTPParser()
  parser.initialize(HTTPParser.REQUEST, {}, MAX_HEAD, 0)
  parser[HTTPParser.kOnMessageBegin | 0] = () => {
    seen = undefined
    early = { fields: [], url: '' }
  }
  // more than 32 fields come in pieces; trailers come so, too
  parser[HTTPParser.kOnHeaders | 0] = (fields, url) => {
    if (seen) seen.trailers.push(...fields)
    else early = { fields: [...early.fields, ...fields], url: early.url + url }
  }
  parser[HTTPParser.kOnHeadersComplete | 0] = (_major, minor, fields, method, url) => {
    seen = {
      method: methods[method],
      url: url ?? early.url,
      minor,
      fields: fields ?? early.fields,
      body: '',
      trailers: [],
      complete: false,
    }
    requests.push(seen)
    return 0
  }
  parser[HTTPParser.kOnBody | 0] = (bytes) => {
    seen.body += bytes.toString('latin1')
  }
  parser[HTTPParser.kOnMessageComplete | 0] = () => {
    seen.complete = true
  }
  const { error, at } = execute(parser, Buffer.from(raw, 'latin1'))
  parser.remove()
  return { requests, error, at }
}

/** Where somebody asks for an upgrade the parser stops, and goes on where nobody takes it. */
function execute(parser, bytes) {
  let at = 0
  while (at < bytes.length) {
    const result = parser.execute(bytes.subarray(at))
    if (result instanceof Error) return { error: result.code, at: at + (result.bytesParsed ?? 0) }
    if (result === 0) return { error: 'nothing read', at }
    at += result
    // or errors after this would not be told
    parser.initialize(HTTPParser.REQUEST, {}, MAX_HEAD, 0)
  }
  return { error: undefined, at }
}

function compare(ours, raw) {
  const applied = new Map()
  let text = raw
  for (;;) {
    const theirs = askNode(text)
    for (const [index, method] of applied) {
      if (theirs.requests[index]) theirs.requests[index].method = method
    }
    const problem = findProblem(ours, theirs)
    const complete = theirs.requests.filter((each) => each.complete).length
    const request = ours.requests[complete] ?? ours.requests.at(-1)
    const repair = problem && request && findRepair(text, theirs, request)
    if (!repair || repair.text === text.slice(repair.start, repair.end))
      return { problem, theirs, isLenient: text !== raw }
    text = text.slice(0, repair.start) + repair.text + text.slice(repair.end)
    applied.set(complete, request.method)
  }
}

function findRepair(text, { error, at }, request) {
  for (const { codes, repair } of LENIENCIES) {
    const repaired = codes.includes(error) ? repair(text, at, request) : undefined
    if (repaired) return repaired
  }
  return undefined
}

function findProblem({ requests, status, open, answers }, theirs) {
  for (const [index, mine] of requests.entries()) {
    const other = theirs.requests[index] && seenByNode(theirs.requests[index])
    const label = `request ${index + 1}`
    if (other === undefined) return `${label}: node:http refuses it (${theirs.error})`
    for (const key of ['method', 'url', 'minor', 'fields']) {
      if (String(mine[key]) !== String(other[key])) return `${label}: its ${key} differs`
    }
    if (mine.complete && !other.complete)
      return `${label}: ends, not for node:http (${theirs.error})`
    if (!mine.complete && other.complete && status === 0 && open)
      return `${label}: ends for node:http`
    if (!mine.complete) continue
    if (mine.body !== other.body) return `${label}: its body differs`
    if (String(mine.trailers) !== String(other.trailers)) return `${label}: its trailers differ`
  }
  if (status === 0 && open && theirs.requests.length > requests.length)
    return 'node:http finds one more request'
  const complete = requests.filter((each) => each.complete).length
  if (answers !== complete + (status ? 1 : 0))
    return `${answers} answers to ${complete} requests, status ${status}`
  return undefined
}

/** As the engine presents it: names with an underscore dropped, the target in origin form. */
function seenByNode(request) {
  const { method, url, fields, trailers } = request
  return {
    ...request,
    url: originForm(url, method),
    fields: dropped(fields),
    trailers: dropped(trailers),
  }
}

const dropped = (fields) => fields.filter((_, index) => !fields[index - (index % 2)].includes('_'))

function originForm(url, method) {
  const rest = url.replace(/^https?:\/\/[^/?]*/i, '')
  if (rest === url) return url
  if (rest === '') return method === 'OPTIONS' ? '*' : '/'
  return rest.startsWith('/') ? rest : `/${rest}`
}

const LETTERS = { '\\': '\\\\', '\r': '\\r', '\n': '\\n\n', '\t': '\\t', '\0': '\\0' }

/** As a file of the corpus has it. */
const asCase = (raw) => Array.from(raw, (char) => LETTERS[char] ?? visible(char)).join('')

function visible(char) {
  if (char >= ' ' && char <= '~') return char
  return `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`
}

function print(seed, { iteration, raw, problem, ours, theirs }) {
  console.log(`\nFAIL  seed ${seed}, iteration ${iteration}: ${problem}`)
  console.log(
    `again: npm run fuzz -- --seed ${seed} --from ${iteration} --iterations 1\n---\n${asCase(raw)}\n---`,
  )
  console.log(`engine:    ${JSON.stringify(ours)}\nnode:http: ${JSON.stringify(theirs)}`)
}

async function run() {
  const names = ['seconds', 'seed', 'from', 'iterations']
  const options = Object.fromEntries(names.map((name) => [name, { type: 'string' }]))
  const { values } = parseArgs({ options })
  const given = Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, Number(value)]),
  )
  if (!given.iterations) given.seconds ??= 60
  given.seed ??= Date.now() % 1_000_000
  console.log(`seed ${given.seed}`)
  const { totals, reasons } = await fuzz(given, (failure) => print(given.seed, failure))
  console.log('\nrefused by the engine, taken by node:http:')
  for (const [reason, count] of [...reasons].sort((a, b) => b[1] - a[1]))
    console.log(`${count}\t${reason}`)
  console.log(
    Object.entries(totals)
      .map(([name, value]) => `${value} ${name}`)
      .join(', '),
  )
  return totals.failures > 0 ? 1 : 0
}

if (isProgram(import.meta.url)) await main(run)
