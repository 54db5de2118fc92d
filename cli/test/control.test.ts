import { existsSync, mkdtempSync, readdirSync, rmSync, unlinkSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withControl } from '../control.ts'
import { createPidfile, type Pidfile } from '../pidfile.ts'

interface Context {
  folder: string
  pidfile: Pidfile
}

const control = suite<Context>('control socket')
const commands = { reload: async () => ({ ok: true }) as const }
const never = (error: Error) => assert.unreachable(error.message)

control.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'wsgi-core-control-'))
  const pidfile = createPidfile(join(context.folder, 'a.pid'))
  context.pidfile = withControl(pidfile, commands, never)
})
control.after.each(({ folder, pidfile }) => {
  pidfile.unlink()
  rmSync(folder, { recursive: true })
})

/** What is answered there to a request to reload. */
async function ask(path: string): Promise<string> {
  const socket = connect(path)
  socket.write('{"command": "reload"}\n')
  return text(socket)
}

const ANSWER = `{"pid":${process.pid}}\n{"ok":true}\n`

control('says who it is, and answers', async ({ folder }) => {
  assert.is(await ask(join(folder, 'a.pid.ctl')), ANSWER)
})

control('goes where the pid file goes', async ({ folder, pidfile }) => {
  pidfile.rename(join(folder, 'b.pid'))
  assert.equal(readdirSync(folder).sort(), ['b.pid', 'b.pid.ctl'])
  assert.is(await ask(join(folder, 'b.pid.ctl')), ANSWER)
  pidfile.unlink()
  assert.equal(readdirSync(folder), [])
})

control('does not go where the pid file cannot', async ({ folder, pidfile }) => {
  assert.throws(() => pidfile.rename(folder))
  assert.is(await ask(join(folder, 'a.pid.ctl')), ANSWER)
})

control('is done without where it cannot be opened', async ({ folder }) => {
  const path = join(folder, 'none', 'a.pid')
  const failed = new Promise<Error & { code?: string }>((resolve) => {
    withControl({ path, unlink() {}, rename() {} }, commands, resolve).unlink()
  })
  assert.is((await failed).code, 'WSGI_CORE_CONTROL_FAILED')
})

control('leaves the socket of another server that has taken its place', async (context) => {
  const path = join(context.folder, 'a.pid.ctl')
  unlinkSync(path)
  const other = createServer().listen(path)
  context.pidfile.unlink()
  assert.ok(existsSync(path))
  other.close()
})

control.run()
