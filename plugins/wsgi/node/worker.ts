/** A worker: reads slots, executes the application, answers in frames. Started by the spawner. */
import { openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Interface } from '../javascript/kind.ts'
import { AnswerPipes } from './answer-pipes.ts'
import { Board, STATE } from './board.ts'
import { emit, log } from './control.ts'
import { EXIT, GATE, PASSED_OVER, type WorkerConfig } from './protocol.ts'
import { loadApp, TargetError } from './target.ts'
import { watchFiles } from './watch-files.ts'
import { WorkerLife } from './worker-life.ts'

interface Order {
  readonly config: WorkerConfig
  readonly worker: number
}

/** What the spawner tells once the front knows of us. Nothing: it has died, and nobody does. */
function readOrder(): Order {
  const text = readFileSync(GATE, 'utf8')
  return text === '' ? process.exit(EXIT.failure) : JSON.parse(text)
}

async function boot({ config, worker }: Order): Promise<void> {
  const { directory, threads, app: settings } = config
  const first = worker * threads
  const board = new Board(directory, first)
  board.boot(threads)
  const files = config.report_files ? watchFiles(worker) : undefined
  process.chdir(settings.chdir)
  const app = await loadApp(settings.target, settings.chdir, settings.interface as Interface)
  const pipes = new AnswerPipes(directory)
  for (const front of config.fronts) if (!(await pipes.open(front))) process.exit(EXIT.ok)
  const bodies = openSync(join(directory, 'bodies'), 'r')
  const life = new WorkerLife({ config, worker, board, pipes, bodies, app, files })
  process.on('SIGTERM', () => life.leave('signal'))
  board.setState(threads, STATE.serving)
  files?.report()
  emit('ready', { worker, pid: process.pid })
  life.serve()
}

function quit(error: unknown, worker: number): never {
  if (!(error instanceof TargetError)) {
    log('error', 'worker could not start', error)
    process.exit(EXIT.failure)
  }
  const { exit, message: reason, traceback } = error
  emit('failed', { worker, pid: process.pid, exit, reason, traceback })
  process.exit(exit)
}

for (const signal of PASSED_OVER) process.on(signal, () => {})
for (const signal of ['SIGINT', 'SIGQUIT'] as const) process.on(signal, () => process.exit(EXIT.ok))
// A promise or a callback of the app that nobody watches: its state is unknown from now on.
process.on('uncaughtException', (error) => {
  log('error', 'worker failed', error)
  process.exit(EXIT.failure)
})
const [, , name] = process.argv
if (name) process.title = name
process.argv.length = 2
const order = readOrder()
await boot(order).catch((error) => quit(error, order.worker))
