import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { allocateForReads } from '../read-memory.ts'

const memory = suite('memory for reads')

memory('has the size that was asked for, and is shared with nobody', () => {
  const buffers = [1, 4096, 262_144].map((size) => allocateForReads(size).fill(size & 0xff))
  assert.equal(
    buffers.map(({ length }) => length),
    [1, 4096, 262_144],
  )
  assert.is(new Set(buffers.map(({ buffer }) => buffer)).size, 3)
  assert.is(buffers[0]?.[0], 1)
})

memory('begins 16 bytes short of a page, from where malloc has it', () => {
  assert.is((allocateForReads(262_144).byteOffset + 16) % 4096, 0)
})

memory.run()
