import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Body } from '../job.ts'
import { MAX_DEPTH, Queue } from '../queue.ts'
import { BLOCK_SIZE, BODY, ENVIRON_IN_BLOCK, KIND, SLOT_ROOM } from '../slot.ts'
import { NotingJob, PipeFolder, readSlot, type Slot, turns } from './fakes.ts'

interface Context {
  folder: PipeFolder
  queue: Queue
  pipe: number
}

const test = suite<Context>('the queue')

test.before.each((context) => {
  context.folder = new PipeFolder()
  context.pipe = context.folder.open('queue')
  context.queue = new Queue(context.folder.path, 0)
  context.queue.open()
})

test.after.each(({ folder, queue }) => {
  queue.close()
  folder.remove()
})

const environOf = (length: number) => `A\0${'e'.repeat(length - 3)}\0`
const bodyOf = (length: number): Body => ({ kind: 'memory', bytes: Buffer.alloc(length, 'b') })

/** Pushes a job of these sizes. @returns the slot that arrives, and its block. */
function send({ queue, pipe, folder }: Context, environ: number, body: Body) {
  const job = new NotingJob(environOf(environ), body)
  queue.push(job)
  queue.flush()
  const slot = readSlot(pipe) as Slot
  const block = readFileSync(folder.file('bodies')).subarray(slot.block * BLOCK_SIZE)
  assert.is(slot.id, job.id)
  assert.is(slot.kind, KIND.request)
  assert.is(slot.environLength, environ)
  return { job, slot, block: block.toString('latin1') }
}

test('an environ of exactly the room of a slot travels in it', (context) => {
  const { slot } = send(context, SLOT_ROOM, { kind: 'none' })
  assert.is(slot.flags, 0)
  assert.is(slot.body, BODY.none)
  assert.is(slot.rest.toString('latin1'), environOf(SLOT_ROOM))
})

test('an environ one byte longer goes into the block', (context) => {
  const { slot, block } = send(context, SLOT_ROOM + 1, { kind: 'none' })
  assert.is(slot.flags, ENVIRON_IN_BLOCK)
  assert.is(block, environOf(SLOT_ROOM + 1))
})

test('a body that just fits behind the environ travels in the slot, one byte more goes into the block', (context) => {
  const fits = send(context, 100, bodyOf(SLOT_ROOM - 100))
  assert.is(fits.slot.body, BODY.inline)
  assert.is(fits.slot.rest.toString('latin1', 100), 'b'.repeat(SLOT_ROOM - 100))
  const more = send(context, 100, bodyOf(SLOT_ROOM - 99))
  assert.is(more.slot.body, BODY.block)
  assert.is(more.slot.bodyLength, SLOT_ROOM - 99)
  assert.is(more.block, 'b'.repeat(SLOT_ROOM - 99))
})

test('a body of a whole block goes into the block', (context) => {
  const { slot, block } = send(context, 100, bodyOf(BLOCK_SIZE))
  assert.is(slot.body, BODY.block)
  assert.is(block.slice(0, BLOCK_SIZE), 'b'.repeat(BLOCK_SIZE))
})

test('a body that just fits behind an environ in the block is there', (context) => {
  const environ = SLOT_ROOM + 1
  const fits = send(context, environ, bodyOf(BLOCK_SIZE - environ)) // one more: the adapter makes a file of it
  assert.is(fits.slot.flags, ENVIRON_IN_BLOCK)
  assert.is(fits.slot.body, BODY.inline)
  assert.is(fits.block.slice(0, BLOCK_SIZE), environOf(environ) + 'b'.repeat(BLOCK_SIZE - environ))
})

test('a body in a file gets the name that the worker looks for, and is removed with the job', async (context) => {
  const path = context.folder.file('spool')
  writeFileSync(path, 'large')
  const { job, slot } = send(context, 100, { kind: 'file', path, length: 5 })
  assert.is(slot.body, BODY.file)
  assert.is(slot.bodyLength, 5)
  const named = context.folder.file(`body-0-${job.id}`)
  assert.is(readFileSync(named, 'utf8'), 'large')
  context.queue.settle(job.id)
  while (existsSync(named)) await turns()
})

test('ids are never 0, never given twice in a row, and an old one finds nothing', ({
  queue,
  pipe,
}) => {
  const ids = new Set<number>()
  for (let round = 0; round < 2000; round++) {
    const job = new NotingJob()
    queue.push(job)
    const { id } = job
    assert.is.not(id, 0)
    assert.is(queue.find(id), job)
    queue.flush()
    assert.is(readSlot(pipe)?.id, id)
    assert.is(queue.settle(id), job)
    assert.is(job.id, 0)
    assert.is(queue.find(id), undefined)
    assert.is(queue.settle(id), undefined)
    ids.add(id)
  }
  assert.is(ids.size, 2000)
})

test('a full pipe is tried again; no slot is torn, lost or out of order', async ({
  queue,
  pipe,
}) => {
  const jobs = Array.from({ length: MAX_DEPTH }, (_, index) => new NotingJob(`N\0${index}\0`))
  for (const job of jobs) queue.push(job) // many more than the pipe's 16
  queue.flush()
  const seen: (string | undefined)[] = []
  while (seen.length < jobs.length) {
    for (let slot = readSlot(pipe); slot; slot = readSlot(pipe)) {
      seen.push(slot.rest.toString('latin1', 0, slot.environLength).split('\0')[1])
    }
    await turns()
  }
  assert.equal(
    seen,
    jobs.map((_, index) => String(index)),
  )
  assert.is(readSlot(pipe), undefined)
})

test('control slots keep their order among requests', async ({ queue, pipe }) => {
  queue.push(new NotingJob())
  queue.control(KIND.wake, 2)
  queue.control(KIND.mark, 1, 77)
  queue.push(new NotingJob())
  await turns()
  const slots = Array.from({ length: 5 }, () => readSlot(pipe) as Slot)
  assert.equal(
    slots.map(({ kind }) => kind),
    [0, 2, 2, 3, 0],
  )
  assert.is(slots[3]?.id, 77)
})

test('a job whose body cannot be placed fails alone; the next takes its slot', async (context) => {
  const { folder, queue, pipe } = context
  const lost = new NotingJob('A\0b\0', { kind: 'file', path: folder.file('missing'), length: 9 })
  assert.is(queue.push(lost), false)
  assert.equal(lost.events, ['fail storage'])
  assert.is(lost.id, 0)
  assert.is(queue.depth, 0)
  const next = new NotingJob()
  assert.is(queue.push(next), true)
  await turns()
  assert.is(readSlot(pipe)?.id, next.id)
  assert.is(readSlot(pipe), undefined)
})

test('a job that is taken back has its body again, unless a worker has taken it', ({
  folder,
  queue,
}) => {
  const path = folder.file('spool-1')
  const job = new NotingJob('A\0b\0', { kind: 'file', path, length: 4 })
  writeFileSync(path, 'body')
  queue.push(job)
  assert.is(existsSync(path), false)
  assert.is(queue.reclaim(job.id), job)
  assert.is(readFileSync(path, 'utf8'), 'body')
  assert.is(queue.depth, 0)

  queue.push(job)
  rmSync(folder.file(`body-0-${job.id}`))
  assert.is(queue.reclaim(job.id), undefined)
  assert.is(queue.depth, 1, 'it is still on the books, to be failed')
})

for (const length of [5, 9000]) {
  for (const environ of [100, SLOT_ROOM + 1]) {
    const where = `${length} bytes beside an environ of ${environ}`
    test(`a lent body is needed no more once its job is pushed, and comes back with it: ${where}`, (context) => {
      const bytes = Buffer.alloc(length, 'b')
      const { job, slot } = send(context, environ, { kind: 'lent', bytes })
      assert.is(slot.bodyLength, length)
      bytes.fill('c') // what came next
      assert.is(context.queue.reclaim(job.id), job)
      assert.equal(job.body, { kind: 'memory', bytes: Buffer.alloc(length, 'b') })
      context.queue.push(job)
      context.queue.flush()
      const again = readSlot(context.pipe) as Slot
      assert.is(again.bodyLength, length)
    })
  }
}

test('a job whose body cannot be read back stays on the books, to be failed', (context) => {
  const { job } = send(context, 100, bodyOf(9000))
  truncateSync(context.folder.file('bodies'))
  assert.is(context.queue.reclaim(job.id), undefined)
  assert.is(context.queue.settle(job.id), job)
})

test('a closed queue writes nothing, whatever has its descriptor by then', async ({ folder }) => {
  const other = new PipeFolder()
  const pipe = other.open('queue')
  const queue = new Queue(other.path, 0)
  queue.open()
  for (let count = 0; count < 40; count++) queue.push(new NotingJob())
  queue.flush() // 16 go out, the others wait for a retry
  queue.close()
  const file = folder.file('other')
  const taken = [1, 2, 3].map(() => openSync(file, 'w')) // numbers that have become free
  while (readSlot(pipe));
  await turns(20)
  assert.is(fstatSync(taken[0] as number).size, 0)
  for (const fd of taken) closeSync(fd)
  other.remove()
})

test.run()
