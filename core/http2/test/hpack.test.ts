import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { prepareHead } from '../../http/prepared-head.ts'
import { HpackDecoder } from '../hpack-decoder.ts'
import { encoder } from '../hpack-encoder.ts'
import { decodedSize, decodeHuffman } from '../hpack-huffman.ts'

const bytes = (hex: string) => Buffer.from(hex.replace(/\s/g, ''), 'hex')

function decode(decoder: HpackDecoder, block: Buffer, maxSize = 65_536, maxCount = 1000) {
  if (!decoder.decode(block, 0, block.length, maxSize, maxCount)) return undefined
  return decoder.fields.map(({ name, value }) => `${name}: ${value}`)
}

const huffman = (hex: string) => {
  const coded = bytes(hex)
  const out = Buffer.alloc(decodedSize(coded.length))
  const size = decodeHuffman(coded, 0, coded.length, out)
  return size < 0 ? undefined : out.toString('latin1', 0, size)
}

const vectors = suite('HPACK')

vectors('RFC 7541 C.2: decodes each kind of field', () => {
  const one = (hex: string) => decode(new HpackDecoder(), bytes(hex))
  assert.equal(one('400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572'), [
    'custom-key: custom-header',
  ])
  assert.equal(one('040c 2f73 616d 706c 652f 7061 7468'), [':path: /sample/path'])
  assert.equal(one('1008 7061 7373 776f 7264 0673 6563 7265 74'), ['password: secret'])
  assert.equal(one('82'), [':method: GET'])
})

const REQUESTS = [
  [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com'],
  [
    ...[':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com'],
    'cache-control: no-cache',
  ],
  [
    ...[':method: GET', ':scheme: https', ':path: /index.html', ':authority: www.example.com'],
    'custom-key: custom-value',
  ],
]

vectors('RFC 7541 C.3: decodes requests one after the other', () => {
  const decoder = new HpackDecoder()
  const blocks = [
    '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
    '8286 84be 5808 6e6f 2d63 6163 6865',
    '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
  ]
  assert.equal(
    blocks.map((block) => decode(decoder, bytes(block))),
    REQUESTS,
  )
})

vectors('RFC 7541 C.4: decodes requests with Huffman code', () => {
  const decoder = new HpackDecoder()
  const blocks = [
    '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
    '8286 84be 5886 a8eb 1064 9cbf',
    '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
  ]
  assert.equal(
    blocks.map((block) => decode(decoder, bytes(block))),
    REQUESTS,
  )
})

const ANSWERS = [
  [
    ...[':status: 302', 'cache-control: private', 'date: Mon, 21 Oct 2013 20:13:21 GMT'],
    'location: https://www.example.com',
  ],
  [
    ...[':status: 307', 'cache-control: private', 'date: Mon, 21 Oct 2013 20:13:21 GMT'],
    'location: https://www.example.com',
  ],
  [
    ...[':status: 200', 'cache-control: private', 'date: Mon, 21 Oct 2013 20:13:22 GMT'],
    ...['location: https://www.example.com', 'content-encoding: gzip'],
    'set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
  ],
]
/** The examples have a table of 256 bytes. */
const SMALL = '3fe101'

vectors('RFC 7541 C.5: lets go of the oldest entries', () => {
  const decoder = new HpackDecoder()
  const blocks = [
    `${SMALL} 4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133
     2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
    '4803 3330 37c1 c0bf',
    `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04
     677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49
     553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31`,
  ]
  assert.equal(
    blocks.map((block) => decode(decoder, bytes(block))),
    ANSWERS,
  )
})

vectors('RFC 7541 C.6: the same with Huffman code', () => {
  const decoder = new HpackDecoder()
  const blocks = [
    `${SMALL} 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6
     2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3`,
    '4883 640e ffc1 c0bf',
    `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7
     821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed
     4ee5 b106 3d50 07`,
  ]
  assert.equal(
    blocks.map((block) => decode(decoder, bytes(block))),
    ANSWERS,
  )
})

vectors('knows the code of symbols of all lengths', () => {
  // '0' 'X' '?' '\'' '#' '~' '}' '<' '\\' and bytes of 20, 21, 22, 23, 24, 25, 26, 27, 28 and 30 bits
  assert.is(huffman('07'), '0')
  assert.is(huffman('fc'), 'X')
  assert.is(huffman('ff3f'), '?')
  assert.is(huffman('ff5f'), "'")
  assert.is(huffman('ffaf'), '#')
  assert.is(huffman('ffef'), '~')
  assert.is(huffman('fff7'), '}')
  assert.is(huffman('fff9'), '<')
  assert.is(huffman('fffe1f'), '\\')
  assert.is(huffman('fffe6f'), '\x80')
  assert.is(huffman('fffffff3'), '\n')
  assert.is(huffman('ffffffff'), undefined)
})

const tables = suite('the table of HPACK')

tables('is emptied by an entry that is larger', () => {
  const decoder = new HpackDecoder()
  decode(decoder, bytes('4001 6101 62'))
  assert.equal(decode(decoder, bytes('be')), ['a: b'])
  const large = Buffer.concat([bytes('4001 637f e11f'), Buffer.alloc(4192, 'x')])
  assert.equal(decode(decoder, large)?.length, 1)
  assert.is(decode(decoder, bytes('be')), undefined)
})

tables('takes entries up to its size and no further', () => {
  const decoder = new HpackDecoder()
  // 32 + 1 + 31 bytes each: 64 of them
  const entry = Buffer.concat([bytes('4001 61 1f'), Buffer.alloc(31, 'x')])
  decode(decoder, Buffer.concat(Array.from({ length: 100 }, () => entry)))
  assert.is(decode(decoder, bytes('fd'))?.length, 1)
  assert.is(decode(decoder, bytes('fe')), undefined)
})

tables('takes the smaller size that the client has chosen', () => {
  const decoder = new HpackDecoder()
  decode(decoder, bytes('4001 6101 62'))
  assert.equal(decode(decoder, bytes('20 82')), [':method: GET'])
  assert.is(decode(decoder, bytes('be')), undefined)
})

tables('is kept up to date by blocks that are too large', () => {
  const decoder = new HpackDecoder()
  assert.equal(decode(decoder, bytes('82 4001 6101 62'), 50), [':method: GET'])
  assert.is(decoder.isTooLarge, true)
  assert.equal(decode(decoder, bytes('be')), ['a: b'])
  assert.is(decoder.isTooLarge, false)
})

tables('makes no bomb: a block is not kept beyond its limit', () => {
  const decoder = new HpackDecoder()
  const entry = Buffer.concat([bytes('4001 617f a11e'), Buffer.alloc(4000, 'x')])
  decode(decoder, entry)
  decode(decoder, Buffer.alloc(65_536, 0xbe), 65_536)
  assert.is(decoder.isTooLarge, true)
  assert.ok(decoder.fields.length <= 16)
})

const answers = suite('heads of answers')

const encoded = () => encoder.bytes.subarray(0, encoder.size)
const readBack = () => decode(new HpackDecoder(), Buffer.from(encoded()))

answers('have lower-case names, values without white space around, no field of connections', () => {
  encoder.begin(true)
  encoder.status(200)
  encoder.fields('X-One:  a b\t\r\nConnection: x\r\nKeep-Alive: 5\r\nserver: s\r\nX-Two: \r\n', 0)
  encoder.length(1234)
  assert.equal(readBack(), [
    ':status: 200',
    ...['x-one: a b', 'server: s', 'x-two: ', 'content-length: 1234'],
  ])
  assert.is(encoded()[0], 0x20)
})

answers('say each status', () => {
  for (const status of [100, 103, 200, 201, 204, 206, 301, 304, 400, 404, 418, 500, 503, 999]) {
    encoder.begin(false)
    encoder.status(status)
    assert.equal(readBack(), [`:status: ${status}`])
  }
})

answers('are never put into a table where they hold secrets, nor in any other', () => {
  encoder.begin(false)
  encoder.fields('Set-Cookie: a=b\r\n', 0)
  assert.is((encoded()[0] as number) & 0xf0, 0x10)
  encoder.begin(false)
  encoder.fields('X-Other: a\r\n', 0)
  assert.is((encoded()[0] as number) & 0xf0, 0)
})

answers('may be as long as they like', () => {
  const value = 'x'.repeat(100_000)
  encoder.begin(false)
  encoder.fields(`A: ${value}\r\n${'B: é\r\n'.repeat(3000)}`, 0)
  const fields = decodeAll(encoded())
  assert.is(fields.length, 3001)
  assert.is(fields[0], `a: ${value}`)
  assert.is(fields[3000], 'b: é')
})

const decodeAll = (block: Buffer) =>
  decode(new HpackDecoder(), Buffer.from(block), 10_000_000, 100_000) as string[]

answers('that were prepared are the same each time', () => {
  const head = prepareHead(404, ['Content-Type', 'text/plain', 'X-A', '1'])
  for (let time = 0; time < 2; time++) {
    encoder.begin(time === 0)
    encoder.prepared(head)
    encoder.date()
    assert.equal(readBack()?.slice(0, 3), [':status: 404', 'content-type: text/plain', 'x-a: 1'])
    assert.match(readBack()?.[3] as string, /^date: \w{3}, \d\d .* GMT$/)
  }
})

vectors.run()
tables.run()
answers.run()
