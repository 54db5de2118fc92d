import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Address, addressKey, formatAddress, parseBind } from '../address.ts'
import { BadAddress } from '../errors.ts'

const tcp = (host: string, port: number): Address => ({ kind: 'tcp', host, port })
const unix = (path: string): Address => ({ kind: 'unix', path })

const refuses = (text: string, reason: RegExp) =>
  assert.throws(
    () => parseBind(text),
    (error: Error) => {
      assert.instance(error, BadAddress)
      assert.match(error.message, `address '${text}' is not valid`)
      assert.match(error.message, reason)
      assert.match(error.message, 'write HOST, HOST:PORT, :PORT, [IPV6]:PORT, unix:PATH or fd://N')
      return true
    },
  )

const parsing = suite('parseBind')

const valid: [string, Address][] = [
  ['127.0.0.1', tcp('127.0.0.1', 8000)],
  ['127.0.0.1:9000', tcp('127.0.0.1', 9000)],
  ['localhost', tcp('localhost', 8000)],
  ['LocalHost:80', tcp('localhost', 80)],
  ['my_host.example.:80', tcp('my_host.example.', 80)],
  ['a-b.c:1', tcp('a-b.c', 1)],
  ['x', tcp('x', 8000)],
  [':9000', tcp('0.0.0.0', 9000)],
  ['0.0.0.0:0', tcp('0.0.0.0', 0)],
  ['[::1]', tcp('::1', 8000)],
  ['[::1]:9000', tcp('::1', 9000)],
  ['[0:0:0:0:0:0:0:1]:9000', tcp('::1', 9000)],
  ['[2001:DB8::A]:1', tcp('2001:db8::a', 1)],
  ['[fe80::1%eth0]:1', tcp('fe80::1%eth0', 1)],
  ['[::]:0', tcp('::', 0)],
  ['tcp://127.0.0.1:9000', tcp('127.0.0.1', 9000)],
  ['tcp://[::1]', tcp('::1', 8000)],
  ['tcp://:9000', tcp('0.0.0.0', 9000)],
  ['unix:app.sock', unix('app.sock')],
  ['unix:/run/app.sock', unix('/run/app.sock')],
  ['unix:///run/app.sock', unix('/run/app.sock')],
  ['unix://run/app.sock', unix('run/app.sock')],
  ['unix:/run/a:b c.sock', unix('/run/a:b c.sock')],
  ['fd://0', { kind: 'fd', fd: 0 }],
  ['fd://3', { kind: 'fd', fd: 3 }],
]
for (const [text, address] of valid) {
  parsing(`reads ${text}`, () => assert.equal(parseBind(text), address))
}

const invalid: [string, RegExp][] = [
  ['', /it is empty/],
  ['tcp://', /it is empty/],
  ['8000', /a port is written ':8000'/],
  ['::1', /needs brackets/],
  ['::1:8000', /needs brackets/],
  ['[::1', /'\[' is not a host name/],
  ['[::1]9000', /is not a host name/],
  ['[]:1', /'' is not an IPv6 address/],
  ['[127.0.0.1]:1', /not an IPv6 address/],
  ['[::1]:', /'' is not a port/],
  ['host:', /'' is not a port/],
  ['host:http', /'http' is not a port/],
  ['host:-1', /'-1' is not a port/],
  ['host:+80', /'\+80' is not a port/],
  ['host: 80', /' 80' is not a port/],
  ['host:80:90', /'80:90' is not a port/],
  ['host:8_000', /is not a port/],
  ['host:٣', /is not a port/],
  ['http://host:80', /'\/\/host:80' is not a port/],
  ['300.0.0.1:80', /not an IPv4 address/],
  ['127.1', /not an IPv4 address/],
  ['*:80', /'\*' is not a host name/],
  ['a b:80', /not a host name/],
  ['-a:80', /not a host name/],
  ['host/path', /not a host name/],
  ['unix:', /the path is missing/],
  ['unix://', /the path is missing/],
  ['unix:/a\0b', /NUL/],
  ['fd://', /descriptor is not a number/],
  ['fd://-1', /descriptor is not a number/],
  ['fd://3x', /descriptor is not a number/],
  ['fd://12345678', /descriptor is not a number/],
]
for (const [text, reason] of invalid) {
  parsing(`refuses ${JSON.stringify(text)}`, () => refuses(text, reason))
}

parsing('takes port 65535 and refuses 65536', () => {
  assert.equal(parseBind('h:65535'), tcp('h', 65535))
  refuses('h:65536', /'65536' is not a port from 0 to 65535/)
  refuses('h:100000', /not a port/)
})

parsing('takes the longest path that the system allows and refuses one byte more', () => {
  const longest = process.platform === 'linux' ? 107 : 103
  const path = `/${'é'.repeat((longest - 1) / 2)}`
  assert.is(Buffer.byteLength(path), longest)
  assert.equal(parseBind(`unix:${path}`), unix(path))
  refuses(`unix:${path}a`, new RegExp(`has ${longest + 1} bytes, the system allows ${longest}`))
})

parsing('takes a host name of 253 characters and refuses 254', () => {
  assert.equal(parseBind('a'.repeat(253)), tcp('a'.repeat(253), 8000))
  refuses('a'.repeat(254), /not a host name/)
})
parsing.run()

const formatting = suite('formatAddress')

formatting('writes http by default, with brackets around IPv6', () => {
  assert.is(formatAddress(tcp('127.0.0.1', 8000)), 'http://127.0.0.1:8000')
  assert.is(formatAddress(tcp('::1', 8000)), 'http://[::1]:8000')
  assert.is(formatAddress(tcp('localhost', 443), 'https'), 'https://localhost:443')
})

formatting('writes no scheme for a Unix socket or a descriptor', () => {
  assert.is(formatAddress(unix('/run/a.sock'), 'https'), 'unix:/run/a.sock')
  assert.is(formatAddress({ kind: 'fd', fd: 3 }), 'fd://3')
})

formatting('writes what parseBind reads back', () => {
  for (const [, address] of valid) {
    assert.equal(parseBind(formatAddress(address, 'tcp')), address)
  }
})
formatting.run()

const identity = suite('addressKey')

const sameKey = (one: string, other: string) =>
  addressKey(parseBind(one)) === addressKey(parseBind(other))

identity('is one for all spellings of an address', () => {
  assert.ok(sameKey('LOCALHOST', 'tcp://localhost:8000'))
  assert.ok(sameKey(':80', '0.0.0.0:80'))
  assert.ok(sameKey('[::1]:80', '[0:0::0:1]:80'))
  assert.ok(sameKey('unix:a.sock', `unix:${process.cwd()}/./a.sock`))
})

identity('differs for other ports, hosts, paths and kinds', () => {
  assert.not(sameKey('a:80', 'a:81'))
  assert.not(sameKey('a:80', 'b:80'))
  assert.not(sameKey('unix:/a', 'unix:/b'))
  assert.not(sameKey('unix:/fd:/3', 'fd://3'))
})
identity.run()
