import { isIPv6 } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { addressBytes, canonicalAddress, formatV6 } from '../ip-address.ts'

const address = suite('canonicalAddress')

const SPELLINGS: readonly (readonly [sent: string, canonical: string | undefined])[] = [
  ['203.0.113.9', '203.0.113.9'],
  ['::', '::'],
  ['::1', '::1'],
  ['1::', '1::'],
  ['2001:db8::7', '2001:db8::7'],
  ['2001:DB8::7', '2001:db8::7'],
  ['2001:0db8::7', '2001:db8::7'],
  ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['2001:db8::1:0:0:1', '2001:db8::1:0:0:1'],
  ['2001:db8:0:0:1::1', '2001:db8::1:0:0:1'],
  ['1:0:0:2::3', '1:0:0:2::3'],
  ['1:0:0:0:2::3', '1::2:0:0:3'],
  ['1:0::2', '1::2'],
  ['1::0:2', '1::2'],
  ['10::20', '10::20'],
  ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
  ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
  ['::ffff:cb00:7109', '203.0.113.9'],
  ['::ffff:0:1', '0.0.0.1'],
  ['::1.2.3.4', '::102:304'],
  ['1:2:3:4:5:6:7', undefined],
  ['1:2:3:4:5:6:7:8:9', undefined],
  ['1:2:3:4::5:6:7:8', undefined],
  ['1::2::3', undefined],
  [':::', undefined],
  [':1::2', undefined],
  ['1::2:', undefined],
  ['12345::', undefined],
  ['g::', undefined],
  ['fe80::1%eth0', undefined],
  ['', undefined],
]

for (const [sent, canonical] of SPELLINGS) {
  address(`of '${sent}' is ${canonical ?? 'none'}`, () =>
    assert.is(canonicalAddress(sent), canonical),
  )
}

address('of any IPv6 address is as its bytes are written', () => {
  const pieces = [...Array.from('01afA'), '0', '0', ':', ':', '::', ':0', '1.2.3.4']
  for (let round = 0; round < 50_000; round++) {
    const count = 2 + Math.floor(Math.random() * 16)
    const text = Array.from({ length: count }, () => pieces[Math.floor(Math.random() * 12)]).join(
      '',
    )
    const bytes = isIPv6(text) ? (addressBytes(text) as Uint8Array) : undefined
    const expected = bytes && (bytes.length === 4 ? bytes.join('.') : formatV6(bytes))
    if (text.includes(':')) assert.is(canonicalAddress(text), expected, text)
  }
})

address.run()
