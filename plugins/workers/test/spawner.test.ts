import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Spawner, type SpawnerEvent } from '../spawner.ts'

const test = suite('the spawner')

/** Reads its configuration, says why it cannot go on, and ends. */
const FAILING = `import os, sys
os.read(3, 65536)
os.write(3, b'{"event": "failed", "worker": null, "pid": 1, "exit": 4, "reason": "no app", "traceback": ""}\\n')
os._exit(4)`

test('is heard to its last word, whatever it is sent after its end', async () => {
  const events: SpawnerEvent[] = []
  const error = await new Promise<Error>((resolve) => {
    const runtime = { command: 'python3', args: ['-c', FAILING], cwd: '/', env: process.env }
    const more = { app: {}, environ: {} }
    const receive = (event: SpawnerEvent) => void events.push(event)
    const spawner = new Spawner({ ...runtime, ...more }, { version: 1 }, receive, resolve)
    const stat = () => readFileSync(`/proc/${spawner.pid}/stat`, 'latin1')
    while (!stat().includes(') Z ')); // nothing of what it says is read meanwhile
    spawner.send({ command: 'spawn', worker: 0 })
  })
  assert.equal(
    events.map(({ event }) => event),
    ['failed'],
  )
  assert.match(error.message, /exit code 4/)
})

test.run()
