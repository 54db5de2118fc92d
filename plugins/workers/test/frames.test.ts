import { once } from 'node:events'
import {
  closeSync,
  constants,
  openSync,
  readdirSync,
  readlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Answers } from '../answers.ts'
import { ASKS_FREED, BODY_LAST, encodeFrame, FAILED, FRAME, TAKEN_REFUSED } from '../frames.ts'
import { WorkerLink } from '../link.ts'
import { frame, NotingJob, PipeFolder, turns } from './fakes.ts'

const HEAD = '200 OK\0Content-Type\0text/plain'

/** The books: jobs 1 to 9 are under way. */
class Books {
  readonly jobs = new Map<number, NotingJob>()
  readonly marks: number[] = []
  readonly begunIds: number[] = []
  strange = 0

  constructor() {
    for (let id = 1; id < 10; id++) this.jobs.set(id, Object.assign(new NotingJob(), { id }))
  }

  find(id: number): NotingJob | undefined {
    return this.jobs.get(id)
  }

  settle(id: number): NotingJob | undefined {
    const job = this.jobs.get(id)
    this.jobs.delete(id)
    return job
  }

  marked(id: number): void {
    this.marks.push(id)
  }

  begun(id: number): void {
    this.begunIds.push(id)
  }

  garbled(): void {
    this.strange++
  }
}

const answers = suite<{ folder: PipeFolder }>('frames from the answers pipe')

answers.before.each((context) => {
  context.folder = new PipeFolder()
})
answers.after.each(({ folder }) => folder.remove())

answers('cut at any byte give the same answers', async ({ folder }) => {
  const pipe = folder.open('answers-0')
  const stream = Buffer.concat([
    frame(FRAME.response, 1, HEAD, 'one'),
    frame(FRAME.mark, 5),
    frame(FRAME.response, 2, HEAD, ''),
    frame(FRAME.response, 3, '500 Internal Server Error', '', FAILED),
  ])
  for (let cut = 1; cut < stream.length; cut++) {
    const books = new Books()
    const jobs = [1, 2, 3].map((id) => books.find(id) as NotingJob)
    const reader = new Answers(folder.file('answers-0'), books)
    writeSync(pipe, stream, 0, cut)
    await turns(2)
    writeSync(pipe, stream, cut)
    while (books.jobs.size > 6) await turns(1)
    reader.close()
    assert.equal(
      jobs.map(({ events }) => events),
      [
        ['whole 200 OK|Content-Type|text/plain'],
        ['whole 200 OK|Content-Type|text/plain'],
        ['whole 500 Internal Server Error failed'],
      ],
    )
    assert.is(jobs[0]?.received, 'one')
    assert.equal(books.marks, [5])
  }
})

answers('for a request that is over are passed over', async ({ folder }) => {
  const pipe = folder.open('answers-0')
  const books = new Books()
  const reader = new Answers(folder.file('answers-0'), books)
  const job = books.find(2) as NotingJob
  writeSync(pipe, frame(FRAME.response, 99, HEAD, 'late'))
  writeSync(pipe, frame(FRAME.response, 2, HEAD, 'two'))
  while (books.find(2)) await turns(1)
  reader.close()
  assert.is(job.received, 'two')
})

/** What an application writes by mistake: text, zeros, what could be a very long frame, and what could be a late answer. */
const GARBAGE = [
  'a line\n',
  'What was meant for another file.\n'.repeat(300),
  '\0'.repeat(700),
  frame(FRAME.data, 1, '', 'x'.repeat(90)).toString('latin1'),
  `\xff\xff\xff\x7f\x01\0\0\0\x01\0\0\0\0\0\0\0${'\x01'.repeat(50)}`,
]

for (const garbage of GARBAGE) {
  answers(`are found behind ${garbage.length} bytes that are no frame`, async ({ folder }) => {
    const pipe = folder.open('answers-0')
    const [books, cut] = [new Books(), garbage.length >> 1]
    const jobs = [1, 2].map((id) => books.find(id) as NotingJob)
    const reader = new Answers(folder.file('answers-0'), books)
    writeSync(pipe, Buffer.from(garbage, 'latin1'))
    await turns(2)
    writeSync(pipe, frame(FRAME.response, 1, HEAD, 'one'))
    writeSync(pipe, Buffer.from(garbage.slice(cut), 'latin1'))
    writeSync(pipe, frame(FRAME.response, 2, HEAD, 'two'))
    writeSync(pipe, frame(FRAME.mark, 7))
    while (books.marks.length === 0) await turns(1)
    reader.close()
    assert.equal(
      jobs.map(({ received }) => received),
      ['one', 'two'],
    )
    assert.equal(books.marks, [7])
    assert.ok(books.strange > 0)
  })
}

answers.run()

interface LinkContext {
  folder: PipeFolder
  server: Server
  books: Books
  worker: Socket
  closed: boolean
}

const links = suite<LinkContext>("frames from a worker's socket")

links.before.each(async (context) => {
  context.folder = new PipeFolder()
  context.books = new Books()
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    new WorkerLink(socket, context.books, () => {
      if (context.server === server) context.closed = true // no straggler of the test before
    })
  })
  context.server = server
  context.closed = false
  context.server.listen(context.folder.file('front-0.sock'))
  await once(context.server, 'listening')
  await open(context)
})

links.after.each(({ folder, server, worker }) => {
  worker.destroy()
  server.close()
  folder.remove()
})

async function open(context: LinkContext): Promise<void> {
  context.worker?.destroy()
  context.worker = connect(context.folder.file('front-0.sock'))
  await once(context.worker, 'connect')
}

/** All kinds of answers, one after the other. */
const STREAM = Buffer.concat([
  frame(FRAME.hello, 0, '', '\x01\0\0\0\x07\0\0\0'),
  frame(FRAME.response, 1, HEAD, 'a whole answer'),
  frame(FRAME.information, 2, '103 Early Hints\0link\0</a>'),
  frame(FRAME.head, 2, HEAD, 'first,'),
  frame(FRAME.data, 2, '', 'second,'),
  frame(FRAME.data, 2, '', ''),
  frame(FRAME.data, 2, '', 'third'),
  frame(FRAME.end, 2),
  frame(FRAME.head, 3, HEAD),
  frame(FRAME.data, 3, '', 'half'),
  frame(FRAME.abort, 3),
  frame(FRAME.response, 4, '500 Internal Server Error', '', FAILED),
  frame(FRAME.head, 98, HEAD, 'of a request that is over'),
  frame(FRAME.data, 98, '', 'more of it'),
  frame(FRAME.end, 98),
  frame(FRAME.response, 5, HEAD, 'last'),
])

links('cut at any byte give the same answers', async (context) => {
  for (let cut = 1; cut < STREAM.length; cut++) {
    const books = new Books()
    context.books = books
    await open(context)
    const [one, two, three, four, five] = [1, 2, 3, 4, 5].map((id) => books.find(id) as NotingJob)
    context.worker.write(STREAM.subarray(0, cut))
    await turns(2)
    context.worker.write(STREAM.subarray(cut))
    while (books.find(5)) await turns(1)
    const seen = [one, two, three, four, five].map((job) => job?.received)
    assert.equal(
      seen,
      ['a whole answer', 'first,second,third', 'half', '', 'last'],
      `cut at ${cut}`,
    )
    assert.equal(two?.events, [
      'information 103 Early Hints\0link\0</a>',
      'head 200 OK|Content-Type|text/plain',
      'end',
    ])
    assert.is(three?.events.at(-1), 'abort')
    assert.equal(four?.events, ['whole 500 Internal Server Error failed'])
    // a whole answer that was cut comes as a stream
    assert.ok(['whole', 'head'].includes(one?.events[0]?.split(' ')[0] as string))
    assert.equal([...books.jobs.keys()], [6, 7, 8, 9])
    context.worker.destroy()
  }
})

for (const [name, strange] of Object.entries({
  'of a kind that there is not': frame(200, 1),
  'for the other pipe': frame(FRAME.mark, 1),
  'that asks for a body and does not say how much': frame(FRAME.pull, 1),
  'that names half a file': frame(FRAME.file, 1, '', 'x'.repeat(20)),
  'that offers nothing': frame(FRAME.memory, 0),
  'that names no place': frame(FRAME.stored, 1, '', 'x'),
  'with a head that is longer than itself': head(FRAME.response, 9, 100),
  'with a head that is longer than any': head(FRAME.head, 400_000, 300_000),
})) {
  links(`a frame ${name} ends the connection, and nothing else`, async (context) => {
    const { worker, books } = context
    const ended = once(worker, 'close')
    worker.resume().write(Buffer.concat([frame(FRAME.response, 1, HEAD, 'one'), strange]))
    await ended
    assert.is(books.find(1), undefined)
    assert.is(books.strange, 1)
  })
}

function head(type: number, length: number, headLength: number): Buffer {
  const bytes = frame(type, 2)
  bytes.writeUInt32LE(length, 0)
  bytes.writeUInt32LE(headLength, 12)
  return bytes
}

/** A job whose client does not keep up: what it is given stays where it is. */
function slowJob({ books }: LinkContext, id: number) {
  const pieces: Buffer[] = []
  const data = (bytes: Buffer) => pieces.push(bytes) > 0
  const job = Object.assign(new NotingJob(), { id, flushed: false, data })
  books.jobs.set(id, job)
  return { job, received: () => Buffer.concat(pieces).toString('latin1') }
}

links(
  'what a slow client waits for stays, though others were in the same read',
  async (context) => {
    const { books, worker } = context
    const { received } = slowJob(context, 1)
    const [quick, next] = [2, 3].map((id) => books.find(id)) as [NotingJob, NotingJob]
    const body = 'a'.repeat(5000)
    const read = [frame(FRAME.head, 1, HEAD), frame(FRAME.data, 1, '', body), frame(FRAME.end, 1)]
    worker.write(Buffer.concat([...read, frame(FRAME.response, 2, HEAD, 'quick')]))
    while (quick.received === '') await turns()
    worker.write(frame(FRAME.response, 3, HEAD, 'b'.repeat(9000)))
    while (next.received === '') await turns()
    assert.is(received(), body)
  },
)

links(
  'the start of a frame goes along when its buffer stays with a slow client',
  async (context) => {
    const { worker } = context
    const { received } = slowJob(context, 1)
    const read = Buffer.concat([
      frame(FRAME.head, 1, HEAD),
      frame(FRAME.data, 1, '', 'a'.repeat(5000)),
      frame(FRAME.data, 1, '', 'c'.repeat(100)),
    ])
    worker.write(read.subarray(0, -110)) // up to the middle of the last header
    while (received().length < 5000) await turns()
    worker.write(read.subarray(-110))
    while (received().length < 5100) await turns()
    assert.is(received(), `${'a'.repeat(5000)}${'c'.repeat(100)}`)
  },
)

links('one byte at a time give the same answers', async (context) => {
  const { books, worker } = context
  const two = books.find(2) as NotingJob
  const five = books.find(5) as NotingJob
  for (const byte of STREAM) {
    worker.write(Buffer.of(byte))
    await turns(1)
  }
  while (books.find(5)) await turns(1)
  assert.is(two.received, 'first,second,third')
  assert.is(five.received, 'last')
})

links(
  'of a whole answer that is not all there leave it under way, for its worker may die',
  async ({ books, worker }) => {
    const job = books.find(1) as NotingJob
    const whole = frame(FRAME.response, 1, HEAD, 'x'.repeat(1000))
    worker.write(whole.subarray(0, 500))
    while (job.received === '') await turns(1)
    assert.is(books.find(1), job)
    assert.equal(books.begunIds, [1])
    worker.write(whole.subarray(500))
    while (books.find(1)) await turns(1)
    assert.is(job.received.length, 1000)
    assert.is(job.events.at(-1), 'end')
  },
)

links('a file is opened, then TAKEN is answered', async ({ books, worker }) => {
  const job = books.find(1) as NotingJob
  const payload = Buffer.alloc(24)
  payload.writeUInt32LE(4242, 0)
  payload.writeUInt32LE(9, 4)
  payload.writeBigUInt64LE(5_000_000_000n, 8)
  payload.writeBigUInt64LE(17n, 16)
  worker.write(frame(FRAME.head, 1, HEAD))
  worker.write(frame(FRAME.file, 1, '', payload.toString('latin1')))
  const [answer] = await once(worker, 'data')
  assert.equal(answer, encodeFrame(FRAME.taken, 1, 0))
  assert.is(job.events.at(-1), 'file 4242 9 5000000000 17')
  assert.is(books.find(1), undefined)
})

links(
  'PULL is answered by BODY; for a request that is over, by its end',
  async ({ books, worker }) => {
    const max = '\x40\0\0\0'
    worker.write(frame(FRAME.pull, 1, '', max))
    const [answer] = await once(worker, 'data')
    assert.equal(answer, encodeFrame(FRAME.body, 1, BODY_LAST, Buffer.from('pulled')))
    assert.equal(books.find(1)?.events, ['pull 64'])
    worker.write(frame(FRAME.pull, 98, '', max))
    const [late] = await once(worker, 'data')
    assert.is(late[9], 3) // last, gone
  },
)

/** A frame that names a descriptor of this process. */
function offer(type: number, fd: number): Buffer {
  const payload = Buffer.alloc(8)
  payload.writeUInt32LE(process.pid, 0)
  payload.writeUInt32LE(fd, 4)
  return frame(type, 0, '', payload.toString('latin1'))
}

/** A worker's memory with these bytes. */
function memory(context: LinkContext, content: Buffer): number {
  const path = context.folder.file('memory')
  writeFileSync(path, content)
  return openSync(path, 'r')
}

function stored(id: number, offset: number, length: number): Buffer {
  const payload = Buffer.alloc(16)
  payload.writeBigUInt64LE(BigInt(offset), 0)
  payload.writeBigUInt64LE(BigInt(length), 8)
  return frame(FRAME.stored, id, '', payload.toString('latin1'))
}

function readlink(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return '' // that of the listing itself
  }
}

links('what is stored is read from the memory, then FREED is answered', async (context) => {
  const { books, worker } = context
  const content = Buffer.alloc(1_500_000)
  for (let at = 0; at < content.length; at++) content[at] = 97 + (at % 23)
  const fd = memory(context, content)
  worker.write(offer(FRAME.memory, fd))
  const [taken] = await once(worker, 'data')
  assert.equal(taken, encodeFrame(FRAME.taken, 0, 0))
  closeSync(fd) // the front has its own
  const job = books.find(1) as NotingJob
  worker.write(
    Buffer.concat([frame(FRAME.head, 1, HEAD), stored(1, 10, 1_400_000), frame(FRAME.end, 1)]),
  )
  const [freed] = await once(worker, 'data')
  assert.equal(freed, encodeFrame(FRAME.freed, 1, 0))
  assert.ok(job.received === content.toString('latin1', 10, 1_400_010))
  assert.is(job.events.at(-1), 'end')
  worker.write(stored(98, 0, 10)) // of a request that is over
  const [late] = await once(worker, 'data')
  assert.equal(late, encodeFrame(FRAME.freed, 98, 0))
})

function spliced(id: number, length: number, flags = 0): Buffer {
  const payload = Buffer.alloc(8)
  payload.writeBigUInt64LE(BigInt(length), 0)
  return frame(FRAME.spliced, id, '', payload.toString('latin1'), flags)
}

/** Offers a pipe. @returns its writing end, once the front has the other. */
async function handOver({ folder, worker }: LinkContext, type: number, name: string) {
  const fd = openSync(folder.file(name), constants.O_RDWR | constants.O_NONBLOCK)
  worker.write(offer(type, fd))
  const [taken] = await once(worker, 'data')
  assert.equal(taken, encodeFrame(FRAME.taken, 0, 0))
  return fd
}

const openPages = (context: LinkContext) => handOver(context, FRAME.splice, 'queue')

links('what is spliced is read from its pipe, as much as each frame says', async (context) => {
  const { books, worker } = context
  const pipe = await openPages(context)
  const [one, two] = [1, 2].map((id) => books.find(id) as NotingJob)
  writeSync(pipe, `${'1'.repeat(40_000)}${'2'.repeat(20_000)}`)
  worker.write(
    Buffer.concat([
      frame(FRAME.head, 1, HEAD),
      spliced(1, 30_000),
      spliced(1, 10_000),
      frame(FRAME.data, 1, '', 'end'),
      frame(FRAME.end, 1),
      frame(FRAME.head, 2, HEAD),
      spliced(2, 20_000),
      frame(FRAME.end, 2),
    ]),
  )
  while (books.find(2)) await turns(1)
  assert.ok(one?.received === `${'1'.repeat(40_000)}end`)
  assert.ok(two?.received === '2'.repeat(20_000))
  closeSync(pipe)
})

links(
  'what nobody wants is read all the same; FREED is answered where asked for',
  async (context) => {
    const { books, worker } = context
    const pipe = await openPages(context)
    const job = books.find(1) as NotingJob
    writeSync(pipe, 'of a request that is over, then another')
    worker.write(spliced(98, 25))
    worker.write(Buffer.concat([frame(FRAME.head, 1, HEAD), spliced(1, 14), frame(FRAME.end, 1)]))
    worker.write(spliced(0, 0, ASKS_FREED))
    const [freed] = await once(worker, 'data')
    assert.equal(freed, encodeFrame(FRAME.freed, 0, 0))
    assert.is(job.received, ', then another')
    closeSync(pipe)
  },
)

links('more than is in the pipe for pages ends the connection', async (context) => {
  const pipe = await openPages(context)
  writeSync(pipe, 'short')
  context.worker.write(Buffer.concat([frame(FRAME.head, 1, HEAD), spliced(1, 6)]))
  await once(context.worker, 'close')
  while (!context.closed) await turns(1)
  closeSync(pipe)
})

links('what is offered and cannot be opened is refused', async ({ books, worker }) => {
  for (const type of [FRAME.memory, FRAME.pipe, FRAME.splice]) {
    worker.write(offer(type, 1_000_000))
    const [answer] = await once(worker, 'data')
    assert.equal(answer, encodeFrame(FRAME.taken, 0, TAKEN_REFUSED))
  }
  worker.write(frame(FRAME.response, 1, HEAD, 'by the socket, then'))
  while (books.find(1)) await turns(1)
})

const openPipe = (context: LinkContext) => handOver(context, FRAME.pipe, 'answers-0')

links('frames come by the pipe from then on, cut at any byte', async (context) => {
  for (let cut = 1; cut < STREAM.length; cut += 7) {
    const books = new Books()
    context.books = books
    await open(context)
    const pipe = await openPipe(context)
    const jobs = [1, 2, 3, 4, 5].map((id) => books.find(id) as NotingJob)
    writeSync(pipe, STREAM, 0, cut)
    await turns(2)
    writeSync(pipe, STREAM, cut)
    while (books.find(5)) await turns(1)
    assert.equal(
      jobs.map(({ received }) => received),
      ['a whole answer', 'first,second,third', 'half', '', 'last'],
      `cut at ${cut}`,
    )
    closeSync(pipe)
  }
})

links('what a worker wrote before its end still lies in its pipe', async (context) => {
  const pipe = await openPipe(context)
  const job = context.books.find(1) as NotingJob
  job.takes = false
  writeSync(pipe, frame(FRAME.head, 1, HEAD))
  writeSync(pipe, frame(FRAME.data, 1, '', 'first,'))
  while (job.received === '') await turns(1) // not read on until the job has room
  writeSync(pipe, frame(FRAME.data, 1, '', 'last'))
  writeSync(pipe, frame(FRAME.end, 1))
  closeSync(pipe)
  context.worker.end()
  await once(context.worker, 'close')
  assert.is(job.received, 'first,')
  assert.not.ok(context.closed)
  job.takes = true
  job.source?.resume()
  while (!context.closed) await turns(1)
  assert.is(job.received, 'first,last')
  assert.is(job.events.at(-1), 'end')
})

links('the end of the pipe ends the connection', async (context) => {
  closeSync(await openPipe(context))
  await once(context.worker, 'close')
  while (!context.closed) await turns(1)
})

links(
  'a place outside the memory ends the connection, which closes the memory',
  async (context) => {
    const { worker } = context
    const fd = memory(context, Buffer.from('short'))
    worker.write(offer(FRAME.memory, fd))
    await once(worker, 'data')
    closeSync(fd)
    worker.write(Buffer.concat([frame(FRAME.head, 1, HEAD), stored(1, 0, 6)]))
    await once(worker, 'close')
    while (!context.closed) await turns(1)
    const path = context.folder.file('memory')
    const fds = readdirSync('/proc/self/fd').map((name) => readlink(`/proc/self/fd/${name}`))
    assert.not(fds.includes(path))
  },
)

links('a head of more than a megabyte ends the connection', async (context) => {
  const bad = frame(FRAME.head, 1)
  bad.writeUInt32LE(2_000_000, 0)
  bad.writeUInt32LE(2_000_000, 12)
  context.worker.write(bad)
  await once(context.worker, 'close')
  while (!context.closed) await turns(1)
})

links.run()
