import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readClientHello } from '../client-hello.ts'
import { helloOf } from './client.ts'

/** The same message in records of so many bytes. */
function split(hello: Buffer, size: number): Buffer {
  const pieces: Buffer[] = []
  for (let at = 5; at < hello.length; at += size) {
    const piece = hello.subarray(at, at + size)
    const header = Buffer.from([0x16, 3, 1, piece.length >> 8, piece.length & 255])
    pieces.push(header, piece)
  }
  return Buffer.concat(pieces)
}

const hello = suite('the name in a ClientHello')

hello('is found, in all versions', async () => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const bytes = await helloOf({ servername: 'shop.test', maxVersion })
    assert.equal(readClientHello(bytes), { name: 'shop.test' })
  }
})

hello('is empty where the client names none', async () => {
  assert.equal(readClientHello(await helloOf({ servername: '' })), { name: '' })
})

hello('is found as soon as all bytes are there, however they come', async () => {
  const bytes = await helloOf({ servername: 'shop.test' })
  for (let size = 0; size < bytes.length; size++) {
    const needed = readClientHello(bytes.subarray(0, size))
    assert.type(needed, 'number')
    assert.ok((needed as number) > size && (needed as number) <= bytes.length, String(size))
  }
})

hello('is found in up to sixteen records', async () => {
  const bytes = await helloOf({ servername: 'shop.test' })
  const length = bytes.length - 5
  const few = split(bytes, Math.ceil(length / 16))
  assert.equal(readClientHello(few), { name: 'shop.test' })
  assert.is(readClientHello(split(bytes, Math.ceil(length / 17) - 1)), 'too large')
})

hello('is not looked for in more than 16 KiB', () => {
  const header = (record: number, message: number) =>
    Buffer.from([0x16, 3, 1, record >> 8, record & 255, 1, 0, message >> 8, message & 255])
  assert.is(readClientHello(header(200, 16_380)), 205)
  assert.is(readClientHello(Buffer.concat([header(200, 16_381), Buffer.alloc(196)])), 'too large')
  assert.is(readClientHello(header(16_380, 100)), 'too large')
})

hello('is empty where the message is none, or damaged: OpenSSL says so', async () => {
  const bytes = await helloOf({ servername: 'shop.test' })
  const { length } = bytes
  for (let at = 9; at < length; at++) {
    const damaged = Buffer.from(bytes)
    damaged[at] = 255 - (damaged[at] as number)
    const result = readClientHello(damaged)
    assert.type(result, 'object', String(at)) // whatever it says, it does not throw
  }
  assert.equal(readClientHello(Buffer.from([0x16, 3, 1, 0, 5, 2, 0, 0, 1, 0])), { name: '' })
})

hello.run()
