import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, mkdirSync, openSync, readSync, writeSync } from 'node:fs'
import { connect } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { until } from '../../../test/helpers/server-process.ts'
import { Dispatcher } from '../dispatcher.ts'
import { FRAME, PACE_SHIFT } from '../frames.ts'
import { RuntimeDirectory } from '../runtime-directory.ts'
import { KIND } from '../slot.ts'
import { frame, NotingJob, readSlot, type Slot, turns } from './fakes.ts'

interface Context {
  directory: RuntimeDirectory
  dispatcher: Dispatcher
  warnings: string[]
  queue: number
  answers: number
}

type Jobs = [NotingJob, NotingJob, NotingJob, NotingJob]

const test = suite<Context>('the dispatcher')

test.before.each((context) => {
  context.directory = new RuntimeDirectory()
  const { directory } = context
  execFileSync('mkfifo', [directory.file('queue'), directory.file('answers-0')])
  context.warnings = []
  const log = { warn: (_: object, text: string) => context.warnings.push(text) }
  context.dispatcher = new Dispatcher(directory, {
    limit: 3,
    entries: 8,
    retrySafe: true,
    quickLane: true,
    log: log as never,
  })
  context.dispatcher.open()
  context.queue = openSync(directory.file('queue'), 'r+')
  context.answers = openSync(directory.file('answers-0'), 'r+')
})

test.after.each(({ directory, dispatcher, queue, answers }) => {
  closeSync(queue)
  closeSync(answers)
  dispatcher.close()
  directory.remove()
})

/** The next slot, once there is one: a blocking read, as a worker does it. */
const take = async ({ queue }: Context): Promise<Slot> => {
  await turns()
  return readSlot(queue) as Slot
}

/** What a worker writes into its scoreboard entry when it begins. */
function begin({ directory }: Context, entry: number, id: number): void {
  const board = openSync(directory.file('scoreboard'), 'r+')
  const fields = Buffer.alloc(16)
  fields.writeBigUInt64LE((1n << 63n) | BigInt(id))
  fields.writeBigUInt64LE(process.hrtime.bigint(), 8)
  writeSync(board, fields, 0, 16, entry * 64 + 16)
  closeSync(board)
}

/** A worker that takes one slot and dies before it notes that. */
async function takeAndDie({ directory }: Context): Promise<void> {
  const worker = spawn('dd', [
    `if=${directory.file('queue')}`,
    'of=/dev/null',
    'bs=4096',
    'count=1',
  ])
  await once(worker, 'close')
}

test('goes on where workers cannot connect to it, and says so', async ({ directory, warnings }) => {
  mkdirSync(directory.file('front-1.sock'))
  const log = { warn: (_: object, text: string) => warnings.push(text) }
  const options = { limit: 3, entries: 8, retrySafe: true, quickLane: true, log: log as never }
  const other = new Dispatcher(directory, { ...options, front: 1, fronts: 2 })
  await until('it said so', () => warnings.includes('workers cannot connect to the front'))
  other.close()
})

test('gives a request whose worker died before it noted it to another', async (context) => {
  const { dispatcher, answers } = context
  dispatcher.readers = 1
  const job = new NotingJob()
  dispatcher.dispatch(job)
  const first = job.id
  await takeAndDie(context)
  dispatcher.searchLost()
  const mark = await take(context)
  assert.is(mark.kind, KIND.mark)
  writeSync(answers, frame(FRAME.mark, mark.id))
  while (job.id === first) await turns()
  const again = await take(context)
  assert.is(again.kind, KIND.request)
  assert.is(again.id, job.id)
  writeSync(answers, frame(FRAME.response, first, '200 OK', 'of the dead')) // nobody waits for it
  writeSync(answers, frame(FRAME.response, again.id, '200 OK', 'here'))
  while (job.id !== 0) await turns()
  assert.is(job.received, 'here')
})

test('a slow request whose worker died goes on, though others of its kind wait', async (context) => {
  const { dispatcher } = context
  dispatcher.readers = 2 // one of them is kept free of slow requests
  const jobs = [1, 2, 3].map(() => Object.assign(new NotingJob(), { url: '/slow' }))
  const [slow, lost, waiting] = jobs as [NotingJob, NotingJob, NotingJob]
  for (let count = 0; count < 12; count++) {
    const quick = new NotingJob()
    dispatcher.dispatch(quick)
    const { id } = await take(context)
    writeSync(context.answers, frame(FRAME.response, id, '200 OK', '', 1 << PACE_SHIFT))
    while (quick.id !== 0) await turns()
  }
  dispatcher.dispatch(slow)
  dispatcher.fail((await take(context)).id, 'timeout')
  lost.isRepeatable = true
  dispatcher.dispatch(lost)
  dispatcher.dispatch(waiting)
  assert.is(dispatcher.waiting, 1)
  const first = (await take(context)).id
  dispatcher.fail(first, 'died')
  const again = await take(context)
  assert.is(again.id, lost.id)
  assert.is(lost.wasRepeated, true)
  assert.is(dispatcher.waiting, 1)
})

test('leaves alone what is noted, what has begun to answer, and what still stands in the pipe', async (context) => {
  const { dispatcher, directory, answers } = context
  dispatcher.readers = 3
  const [noted, begun, lost, standing] = [1, 2, 3, 4].map(() => new NotingJob()) as Jobs
  for (const job of [noted, begun, lost]) dispatcher.dispatch(job)
  for (let count = 0; count < 3; count++) await take(context)
  begin(context, 1, noted.id)
  const worker = connect(directory.file('front-0.sock'))
  worker.write(frame(FRAME.head, begun.id, '200 OK', 'first')) // noted no more; its end is still to be read
  while (begun.received === '') await turns()
  dispatcher.searchLost()
  const mark = await take(context)
  dispatcher.dispatch(standing)
  const before = [noted, begun, standing].map(({ id }) => id)
  const lostId = lost.id
  writeSync(answers, frame(FRAME.mark, mark.id))
  while (lost.id === lostId) await turns() // the review is over
  assert.equal(
    [noted, begun, standing].map(({ id }) => id),
    before,
  )
  worker.destroy()
})

test('what is lent to a job that has to wait is kept', () => {
  const directory = new RuntimeDirectory()
  const options = { limit: 9, entries: 8, retrySafe: false, quickLane: true, log: console }
  const dispatcher = new Dispatcher(directory, options)
  const bytes = Buffer.alloc(9000, 'b')
  const job = new NotingJob(undefined, { kind: 'lent', bytes })
  dispatcher.dispatch(job) // no pipe yet
  bytes.fill('c') // what came next
  assert.equal(job.body, { kind: 'memory', bytes: Buffer.alloc(9000, 'b') })
  dispatcher.close()
  directory.remove()
})

test('refuses past the limit; what stands in the pipe without a worker counts', (context) => {
  const { dispatcher } = context
  dispatcher.readers = 1
  const jobs = Array.from({ length: 6 }, () => new NotingJob())
  for (const job of jobs) dispatcher.dispatch(job)
  assert.equal(
    jobs.map(({ events }) => events),
    [[], [], [], [], ['fail overloaded'], ['fail overloaded']],
  )
  assert.equal(context.warnings, ['the queue is full; more is refused with 503'])
})

test('tells a worker that begins a request whose client has left', async (context) => {
  const { dispatcher, directory } = context
  dispatcher.readers = 1
  const job = new NotingJob()
  dispatcher.dispatch(job)
  dispatcher.cancel(job)
  await take(context)
  begin(context, 2, job.id)
  dispatcher.tellLeft()
  const board = openSync(directory.file('scoreboard'), 'r')
  const gone = Buffer.alloc(8)
  readSync(board, gone, 0, 8, 2 * 64 + 40)
  closeSync(board)
  assert.is(gone.readBigUInt64LE(), (1n << 63n) | BigInt(job.id))
})

test('fails all that waits and is under way when it closes, and what comes later', (context) => {
  const directory = new RuntimeDirectory()
  const dispatcher = new Dispatcher(directory, {
    limit: 9,
    entries: 8,
    retrySafe: false,
    quickLane: true,
    log: console,
  })
  const [waiting, late] = [new NotingJob(), new NotingJob()]
  dispatcher.dispatch(waiting) // no pipe yet: it waits
  dispatcher.close()
  dispatcher.dispatch(late)
  directory.remove()
  assert.equal([waiting.events, late.events], [['fail stopping'], ['fail stopping']])
  assert.equal(context.warnings, [])
})

test('a round for which the pipe has no room goes on once it has', async ({
  dispatcher,
  directory,
}) => {
  const queue = openSync(directory.file('queue'), constants.O_RDONLY | constants.O_NONBLOCK)
  for (const _ of [1, 2]) dispatcher.control(KIND.wake, 1000) // more than pipe and stage hold
  let isTaken = false
  dispatcher.wakeAll(KIND.stop, () => {
    isTaken = true
  })
  let mark: Slot | undefined
  await until('the mark comes', () => {
    const slot = readSlot(queue)
    if (slot?.kind === KIND.mark) mark = slot
    return mark !== undefined
  })
  assert.is(isTaken, false, 'nobody has answered it')
  closeSync(queue)
})

test.run()
