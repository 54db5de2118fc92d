import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { PreambleCollector } from '../../../core/http/preamble.ts'
import type { Introduction } from '../../../core/index.ts'
import { PeerSet } from '../../../core/index.ts'
import { crc32c } from '../proxy-protocol/crc32c.ts'
import { proxyPreamble, type Version } from '../proxy-protocol/preamble.ts'
import type { Relay } from '../relay.ts'
import { SIGNATURE, ssl, summed, TCP4, TCP6, tlv, v2 } from './proxy-headers.ts'
import { socketFrom } from './support.ts'

const PEERS = new PeerSet(['10.0.0.1'])
const SOCKET = socketFrom('10.0.0.1')

type Result = ReturnType<PreambleCollector['add']>

/** Read whole, and with `rest` behind it. */
function read(bytes: Buffer | string, version: Version = 'auto', rest = 'GET'): Result {
  const all = Buffer.concat([Buffer.from(bytes), Buffer.from(rest)])
  const collector = new PreambleCollector(proxyPreamble(version, PEERS), SOCKET)
  const result = collector.add(all)
  if (result && 'length' in result) assert.is(collector.surplus, all.length - result.length)
  return result
}

const introduced = (bytes: Buffer | string, version?: Version) => {
  const result = read(bytes, version)
  assert.ok(result && 'length' in result, JSON.stringify(result))
  return result as Introduction & { info: Relay }
}

const isRefused = (bytes: Buffer | string, version?: Version) => {
  const result = read(bytes, version, '')
  assert.ok(result && 'refused' in result, JSON.stringify(result))
}

const variablesOf = (bytes: Buffer) => new Map(introduced(bytes).info.variables)

const FROM = { address: '203.0.113.9', port: 50_123 }
const TO = { address: '192.0.2.80', port: 443 }
const FROM_V6 = { address: '2001:db8::7', port: 50_123 }
const TO_V6 = { address: '2001:db8::8', port: 443 }

const good = suite('a PROXY header')

for (const [name, bytes, ends] of [
  ['of version 1 over IPv4', 'PROXY TCP4 203.0.113.9 192.0.2.80 50123 443\r\n', [FROM, TO]],
  [
    'of version 1 over IPv6',
    'PROXY TCP6 2001:db8::7 2001:DB8:0::8 50123 443\r\n',
    [FROM_V6, TO_V6],
  ],
  ['of version 2 over IPv4', v2(), [FROM, TO]],
  ['of version 2 over IPv6', v2({ family: 0x21, addresses: TCP6 }), [FROM_V6, TO_V6]],
  ['of version 2 with a checksum', summed({ tlvs: [tlv(4, 'padding')] }), [FROM, TO]],
] as const) {
  good(`${name} names both ends`, () => {
    const { ends: found, info, length } = introduced(bytes as never)
    assert.equal([found?.remote, found?.local], ends)
    assert.is(length, bytes.length)
    assert.equal([info.isUnknown, info.peer], [false, '10.0.0.1'])
  })
  good(`${name} is read however it is split`, () => {
    const all = Buffer.concat([Buffer.from(bytes as string), Buffer.from('GET / HTTP/1.1')])
    for (let at = 1; at < bytes.length + 3; at++) {
      const collector = new PreambleCollector(proxyPreamble('auto', PEERS), SOCKET)
      const first = collector.add(all.subarray(0, at))
      const result = first ?? collector.add(all.subarray(at))
      assert.ok(result && 'ends' in result, `at ${at}`)
      assert.equal(result.ends?.remote, ends[0])
      assert.is(first === undefined, at < bytes.length)
    }
  })
  good(`${name} is read byte by byte`, () => {
    const collector = new PreambleCollector(proxyPreamble('auto', PEERS), SOCKET)
    const all = Buffer.from(bytes as string)
    let result: Result
    for (let at = 0; at < all.length; at++) {
      assert.is(result, undefined)
      result = collector.add(all.subarray(at, at + 1))
    }
    assert.ok(result && 'ends' in result)
    assert.is(collector.surplus, 0)
  })
}

good('of IPv4 in IPv6 names IPv4', () => {
  const mapped = Buffer.from(TCP6)
  Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 203, 0, 113, 9]).copy(mapped)
  const { ends } = introduced(v2({ family: 0x21, addresses: mapped }))
  assert.is(ends?.remote?.address, '203.0.113.9')
})

for (const [name, bytes] of [
  ['UNKNOWN', 'PROXY UNKNOWN\r\n'],
  ['UNKNOWN with addresses', 'PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n'],
  ['of version 2 without a family', v2({ family: 0, addresses: Buffer.alloc(0) })],
] as const) {
  good(`${name} leaves the addresses, and nobody is believed`, () => {
    const { ends, info } = introduced(bytes as never)
    assert.equal([ends, info.isUnknown], [undefined, true])
  })
}

good('LOCAL is of the proxy itself, whatever it says', () => {
  for (const options of [
    { command: 0x20 },
    { command: 0x20, family: 0, addresses: Buffer.alloc(0) },
  ]) {
    const { ends, info } = introduced(v2(options))
    assert.equal([ends, info.isUnknown, info.variables], [undefined, false, []])
  }
})

good('of a Unix socket has no address, and nobody is believed', () => {
  const { ends, info } = introduced(v2({ family: 0x31, addresses: Buffer.alloc(216) }))
  assert.equal(ends, { remote: undefined, local: undefined })
  assert.ok(info.isUnknown)
})

good.run()

const extra = suite('what a PROXY header says besides')

extra('is in the environ, by names of gunicorn', () => {
  const seen = variablesOf(v2())
  assert.is(seen.get('PROXY_PROTOCOL'), 'TCP4')
  assert.is(seen.get('PROXY_ADDR'), '192.0.2.80')
  assert.is(seen.get('PROXY_PORT'), '443')
  assert.is(seen.get('wsgi_core.peer_addr'), '10.0.0.1')
})

extra('is authority, protocol and unique id', () => {
  const id = Buffer.from([0, 1, 254])
  const seen = variablesOf(
    v2({ tlvs: [tlv(2, 'shop.example'), tlv(1, 'h2'), tlv(5, id), tlv(0xea, 'aws')] }),
  )
  assert.is(seen.get('PROXY_AUTHORITY'), 'shop.example')
  assert.is(seen.get('PROXY_ALPN'), 'h2')
  assert.is(seen.get('PROXY_UNIQUE_ID'), '0001fe')
  assert.is(variablesOf(v2({ tlvs: [tlv(5, 'id-7')] })).get('PROXY_UNIQUE_ID'), 'id-7')
})

extra('without control bytes: such a value is left out', () => {
  assert.not.ok(variablesOf(v2({ tlvs: [tlv(2, 'a\0HTTP_X\0b')] })).has('PROXY_AUTHORITY'))
})

extra('is the TLS that the proxy has ended', () => {
  const inner = [tlv(0x21, 'TLSv1.3'), tlv(0x22, 'ann'), tlv(0x23, 'TLS_AES_128_GCM_SHA256')]
  const header = v2({ tlvs: [ssl(0x07, 0, ...inner)] })
  assert.is(introduced(header).info.scheme, 'https')
  const seen = variablesOf(header)
  assert.is(seen.get('SSL_PROTOCOL'), 'TLSv1.3')
  assert.is(seen.get('SSL_CIPHER'), 'TLS_AES_128_GCM_SHA256')
  assert.is(seen.get('SSL_CLIENT_S_DN_CN'), 'ann')
  assert.is(seen.get('SSL_CLIENT_VERIFY'), 'SUCCESS')
})

extra('is whether the client has shown a certificate, and a good one', () => {
  assert.is(variablesOf(v2({ tlvs: [ssl(0x01, 0)] })).get('SSL_CLIENT_VERIFY'), 'NONE')
  assert.is(variablesOf(v2({ tlvs: [ssl(0x03, 18)] })).get('SSL_CLIENT_VERIFY'), 'FAILED:18')
  const plain = introduced(v2({ tlvs: [ssl(0x00, 1)] }))
  assert.is(plain.info.scheme, undefined)
  assert.not.ok(new Map(plain.info.variables).has('SSL_CLIENT_VERIFY'))
})

extra.run()

const bad = suite('refused as a PROXY header')

for (const [name, bytes, version] of [
  ['a request', 'GET / HTTP/1.1\r\n'],
  ['the beginning of a request', 'G'],
  ['a handshake of TLS', Buffer.from([22, 3, 1, 2, 0])],
  ['other letters', 'proxy TCP4 203.0.113.9 192.0.2.80 1 2\r\n'],
  ['another protocol', 'PROXY TCP5 203.0.113.9 192.0.2.80 1 2\r\n'],
  ['UDP', 'PROXY UDP4 203.0.113.9 192.0.2.80 1 2\r\n'],
  ['two spaces', 'PROXY  TCP4 203.0.113.9 192.0.2.80 1 2\r\n'],
  ['a tab', 'PROXY TCP4\t203.0.113.9 192.0.2.80 1 2\r\n'],
  ['a bare LF', 'PROXY TCP4 203.0.113.9 192.0.2.80 1 2\n'],
  ['a bare CR', 'PROXY TCP4 203.0.113.9 192.0.2.80 1 2\r \r\n'],
  ['too few words', 'PROXY TCP4 203.0.113.9 192.0.2.80 1\r\n'],
  ['too many words', 'PROXY TCP4 203.0.113.9 192.0.2.80 1 2 3\r\n'],
  ['IPv6 as IPv4', 'PROXY TCP4 2001:db8::7 2001:db8::8 1 2\r\n'],
  ['IPv4 as IPv6', 'PROXY TCP6 203.0.113.9 192.0.2.80 1 2\r\n'],
  ['no address', 'PROXY TCP4 203.0.113.999 192.0.2.80 1 2\r\n'],
  ['a port too large', 'PROXY TCP4 203.0.113.9 192.0.2.80 65536 2\r\n'],
  ['a port with a zero in front', 'PROXY TCP4 203.0.113.9 192.0.2.80 01 2\r\n'],
  ['a port with a sign', 'PROXY TCP4 203.0.113.9 192.0.2.80 +1 2\r\n'],
  ['a line of 108 bytes', `PROXY UNKNOWN ${'x'.repeat(92)}\r\n`],
  ['a line without end', `PROXY UNKNOWN ${'x'.repeat(200)}`],
  ['version 2 where 1 is wanted', v2(), 'v1'],
  ['version 1 where 2 is wanted', 'PROXY UNKNOWN\r\n', 'v2'],
  ['a signature that goes wrong', Buffer.concat([SIGNATURE.subarray(0, 11), Buffer.from('X')])],
  ['version 1 in the binary form', v2({ command: 0x11 })],
  ['version 3', v2({ command: 0x31 })],
  ['an unknown command', v2({ command: 0x22 })],
  ['datagrams', v2({ family: 0x12 })],
  ['an unknown family', v2({ family: 0x41 })],
  ['an unknown transport', v2({ family: 0x13 })],
  ['addresses cut short', v2({ addresses: TCP4.subarray(0, 11) })],
  ['addresses of IPv6 cut short', v2({ family: 0x21, addresses: TCP4 })],
  ['a TLV without length', v2({ tlvs: [Buffer.from([2, 0])] })],
  ['a TLV cut short', v2({ tlvs: [Buffer.from([2, 0, 5, 1])] })],
  ['a TLV for TLS cut short', v2({ tlvs: [tlv(0x20, 'abc')] })],
  ['a TLV for TLS whose parts are cut short', v2({ tlvs: [ssl(1, 0, Buffer.from([0x21, 0, 9]))] })],
  ['a wrong checksum', v2({ tlvs: [tlv(3, 'abcd')] })],
  ['a checksum of three bytes', v2({ tlvs: [tlv(3, 'abc')] })],
  ['a checksum twice', v2({ tlvs: [summed().subarray(-7), summed().subarray(-7)] })],
  ['more than 4096 bytes', v2({ tlvs: [tlv(4, Buffer.alloc(4090))] })],
] as [string, string | Buffer, Version?][]) {
  bad(name, () => isRefused(bytes, version))
}

bad('but not a line of 107 bytes', () => {
  introduced(`PROXY UNKNOWN ${'x'.repeat(91)}\r\n`)
})

bad('but not 4096 bytes', () => {
  introduced(v2({ tlvs: [tlv(4, Buffer.alloc(4096 - 12 - 3))] }))
})

bad('at its first wrong byte, not later', () => {
  for (const bytes of ['PROXX', '\r\n\r\nX', 'Q']) isRefused(bytes)
})

bad('from peers that are not named', () => {
  const preamble = proxyPreamble('auto', PEERS)
  const reason = preamble.refuses(socketFrom('10.0.0.2'))
  assert.match(reason ?? '', /not taken from this peer/)
  assert.is(
    preamble.refuses(socketFrom('10.0.0.3')),
    reason,
    'one for all of them: it is logged once',
  )
  assert.is(preamble.refuses(socketFrom('::ffff:10.0.0.1')), undefined)
  assert.is(preamble.refuses(socketFrom('unix')), undefined)
})

bad.run()

const sums = suite('CRC-32C')

sums('is that of RFC 3720, appendix B.4', () => {
  assert.is(crc32c(Buffer.alloc(32)), 0x8a9136aa)
  assert.is(crc32c(Buffer.alloc(32, 255)), 0x62a8ab43)
  assert.is(crc32c(Buffer.from('1234'), Buffer.from('56789')), 0xe3069283)
})

sums.run()
