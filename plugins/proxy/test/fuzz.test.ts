// Random words of clients and proxies. WSGI_CORE_FUZZ_SECONDS makes it longer, WSGI_CORE_FUZZ_SEED repeats a run.
import { isIP } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { PreambleCollector } from '../../../core/http/preamble.ts'
import { PeerSet } from '../../../core/index.ts'
import { parseElement } from '../forwarded.ts'
import { proxyPreamble } from '../proxy-protocol/preamble.ts'
import { uwsgiPreamble } from '../uwsgi/preamble.ts'
import { ssl, summed, TCP6, tlv, v2 } from './proxy-headers.ts'
import { connectAs, environOf, socketFrom } from './support.ts'
import { request } from './uwsgi-packets.ts'

const SECONDS = Number(process.env.WSGI_CORE_FUZZ_SECONDS ?? 0.5)
const SEED = Number(process.env.WSGI_CORE_FUZZ_SEED ?? Date.now() % 2 ** 31)
const CLIENT = '203.0.113.9'

let state = SEED
/** A number below `limit`; a small generator is enough, and can be repeated. */
function random(limit: number): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
  return Math.floor((state / 2 ** 32) * limit)
}
const pick = <Item>(items: readonly Item[]): Item => items[random(items.length)] as Item
const times = <Item>(count: number, make: () => Item) => Array.from({ length: count }, make)

/** Goes on for its time, and at least some rounds; a failure tells how to have it again. */
function repeat(check: () => void): void {
  const end = performance.now() + SECONDS * 1000
  let round = 0
  try {
    do {
      check()
      round++
    } while (round < 200 || performance.now() < end)
  } catch (error) {
    const { message, details } = error as { message: string; details?: string }
    throw new Error(`WSGI_CORE_FUZZ_SEED=${SEED}, round ${round}: ${message}\n${details}`)
  }
}

const PIECES = [
  'for=', 'For=', 'by=', 'host=', 'proto=', 'https', '"', '\\', '\\"', ',', ';', '=', ' ', '\t', '[', ']', ':', '::1',
  '127.0.0.1', '10.0.0.1', '6.6.6.6', 'unknown', '_x', '"[2001:db8::1]:80"', '%', '/', '\xff', '0', '9'.repeat(20), ', ',
] // biome-ignore format: a bag of pieces

const junk = () => times(random(30), () => pick(PIECES)).join('')

/** Empty elements may stand before those that count. */
const withoutBlanks = (text = '') => text.replace(/^[\s,]+/, '')

const words = suite('whatever a client has written before')

words('Forwarded, the client is whom the proxy names', () => {
  repeat(() => {
    const lie = junk()
    const said = `for=${CLIENT}${pick(['', ';proto=https', ';host="a\\",b"', ';by="[::1]"'])}`
    const Forwarded = random(2) ? `${lie}, ${said}` : [lie, said]
    const options = { forwardedParts: ['for', 'proto', 'host'] }
    const seen = environOf({ name: '', send: { Forwarded }, options, sees: {} })
    assert.is(seen.get('REMOTE_ADDR'), CLIENT, lie)
    assert.is(withoutBlanks(seen.get('HTTP_FORWARDED')), said)
  })
})

words('X-Forwarded-For, the client is whom the proxy names', () => {
  repeat(() => {
    const lie = junk()
    const field = random(2) ? `${lie}, ${CLIENT}` : [lie, CLIENT]
    const seen = environOf({ name: '', send: { 'X-Forwarded-For': field }, sees: {} })
    assert.is(seen.get('REMOTE_ADDR'), CLIENT, lie)
    assert.is(withoutBlanks(seen.get('HTTP_X_FORWARDED_FOR')), CLIENT)
  })
})

words.run()

const junkAlone = suite('words without sense')

junkAlone('never throw, and never make an address of what is none', () => {
  repeat(() => {
    const send = Object.fromEntries(
      [
        'Forwarded',
        'X-Forwarded-For',
        'X-Forwarded-Proto',
        'X-Forwarded-Host',
        'X-Forwarded-Prefix',
      ]
        .filter(() => random(2))
        .map((name) => [name, random(3) ? junk() : [junk(), junk()]]),
    )
    const options = {
      forwardedAllowIps: ['127.0.0.1', '10.0.0.0/8'],
      forwardedParts: random(2) ? [] : ['for', 'proto', 'host', 'prefix'],
    }
    const seen = environOf({ name: '', send, options, sees: {} })
    if (seen.has('status')) return
    assert.ok(isIP(seen.get('REMOTE_ADDR') as string) > 0)
    assert.ok(['http', 'https'].includes(seen.get('wsgi.url_scheme') as string))
    assert.match(seen.get('SCRIPT_NAME') as string, /^(?:\/[^/?#]+)*$/)
  })
})

junkAlone('are none of Forwarded, unless each parameter is one', () => {
  repeat(() => {
    const parameters = times(
      1 + random(4),
      () => [`p${random(1e6)}`, times(random(8), () => pick([...'ab,;="\\ \t'])).join('')] as const,
    )
    const unique = new Map(parameters)
    const text = [...unique]
      .map(([name, value]) => `${name}="${value.replace(/["\\]/g, '\\$&')}"`)
      .join(pick([';', '; ', ' ;']))
    assert.equal(parseElement(text), unique, text)
  })
})

junkAlone.run()

const remembered = suite('requests of one connection')

const SENT: Readonly<Record<string, readonly string[]>> = {
  'X-Forwarded-For': [
    CLIENT, '2001:db8::7', '127.0.0.1', '10.0.0.1', 'unknown', 'x', '', `${CLIENT}:80`, `${CLIENT}, 10.0.0.1`,
    '203.0.113.7, 10.0.0.1', '10.0.0.2, 10.0.0.1', `6.6.6.6, ${CLIENT}`, `6.6.6.6, ${CLIENT}, 10.0.0.1`, `, ${CLIENT}`,
    `${CLIENT},`, `${CLIENT} , 10.0.0.1`, 'x, 10.0.0.1', 'unknown, 10.0.0.1', '203.0.113.7,,10.0.0.1',
  ],
  'X-Forwarded-Proto': ['https', 'http', 'x', 'http, https'],
  'X-Forwarded-Host': ['a.example', 'b.example'],
  'X-Forwarded-Prefix': ['/a', 'b'],
  'X-Forwarded-Server': ['a'],
  'X-Real-IP': [CLIENT, '203.0.113.7', '10.0.0.1', '127.0.0.1', '2001:DB8::7'],
  'CF-Connecting-IP': [CLIENT, '6.6.6.6'],
  Forwarded: [`for=${CLIENT}`, 'for=203.0.113.7;host=a', `for=${CLIENT}, for=10.0.0.1;proto=https`],
  Proxy: ['x'],
  'X-Other': ['x'],
} // biome-ignore format: a table

function randomFields() {
  const names = Object.keys(SENT).filter(() => random(3) === 0)
  if (random(4)) names.unshift('X-Forwarded-For')
  const one = (name: string) => pick(SENT[name] as readonly string[])
  const some = (name: string) => (random(12) ? one(name) : [one(name), one(name)])
  return Object.fromEntries(names.map((name) => [name, some(name)]))
}

remembered('are each seen as one of a connection of its own', () => {
  repeat(() => {
    const options = {
      forwardedAllowIps: ['127.0.0.1', '10.0.0.0/8'],
      forwardedHeaders: pick(['auto', 'auto', 'x-forwarded', 'forwarded']),
      forwardedParts: pick([[], ['for'], ['proto'], ['for', 'proto', 'host', 'prefix']]),
      passForwarded: random(8) === 0,
      forwarderHeaders: pick([[], ['X-REAL-IP'], ['X-FORWARDED-SERVER']]),
    }
    const connection = connectAs({ options })
    let send = randomFields()
    for (let count = 0; count < 12; count++) {
      if (random(3) === 0) send = randomFields()
      else for (const name of Object.keys(send)) if (random(2)) send[name] = pick(SENT[name] ?? [])
      const each = { name: '', options, send, sees: {} }
      assert.equal(environOf(each, connection), environOf(each), JSON.stringify([options, send]))
    }
  })
})

remembered.run()

const preambles = suite('a preamble with some bytes changed')

const WHOLE = [
  Buffer.from('PROXY TCP4 203.0.113.9 192.0.2.80 50123 443\r\n'),
  v2(),
  v2({ family: 0x21, addresses: TCP6 }),
  summed({
    tlvs: [tlv(2, 'shop.example'), tlv(5, 'id'), ssl(7, 0, tlv(0x21, 'TLSv1.3'), tlv(0x22, 'ann'))],
  }),
  v2({ family: 0x31, addresses: Buffer.alloc(216) }),
]

function mutate(bytes: Buffer): Buffer {
  const changed = Buffer.from(bytes)
  for (let count = random(4); count > 0; count--) changed[random(changed.length)] = random(256)
  if (random(4) === 0) return changed.subarray(0, random(changed.length + 1))
  return random(4) === 0 ? Buffer.concat([changed, Buffer.from('GET / HTTP/1.1')]) : changed
}

const peers = new PeerSet(['10.0.0.1'])
const socket = socketFrom('10.0.0.1')

/** The same, whole and in pieces: nothing, a refusal, or an introduction. */
function readBothWays(preamble: ReturnType<typeof uwsgiPreamble>, bytes: Buffer) {
  const whole = new PreambleCollector(preamble, socket).add(bytes)
  const collector = new PreambleCollector(preamble, socket)
  let inPieces: typeof whole
  for (let at = 0; at < bytes.length && inPieces === undefined; ) {
    const size = 1 + random(12)
    inPieces = collector.add(bytes.subarray(at, at + size))
    at += size
  }
  assert.equal(inPieces, whole)
  return whole
}

preambles('is refused, or names addresses; in the PROXY protocol', () => {
  repeat(() => {
    const result = readBothWays(proxyPreamble('auto', peers), mutate(pick(WHOLE)))
    if (!result || 'refused' in result || !result.ends) return
    for (const end of [result.ends.remote, result.ends.local]) {
      if (end) assert.ok(isIP(end.address) > 0 && end.port >= 0 && end.port < 65_536)
    }
  })
})

preambles('is refused, or makes one head of one request; in uwsgi', () => {
  repeat(() => {
    const result = readBothWays(
      uwsgiPreamble(peers),
      mutate(request({ HTTP_X: 'y', REMOTE_USER: 'ann' })),
    )
    if (!result || 'refused' in result) return
    const head = (result.head as Buffer).toString('latin1')
    assert.match(head, /^[!-~]+ [!-~]+ HTTP\/1\.0\r\n(?:[!-9;-~]+: [\t -~\x80-\xff]*\r\n)*\r\n$/)
  })
})

preambles.run()
