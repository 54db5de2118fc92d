// The templates of examples/deploy: sound by the tools of those they are for, and by the server that they start.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parse } from 'yaml'

const root = fileURLToPath(new URL('..', import.meta.url))
const path = (name: string) => join(root, 'examples/deploy', name)
const read = (name: string) => readFileSync(path(name), 'utf8')

/** Where the workers that have not ended are killed. */
const KILL_AFTER = 2

const test = suite('examples/deploy')

/** A tool of the tests' Python environment, or of the system. */
function find(tool: string): string | undefined {
  const own = join(root, '.venv-test/bin', tool)
  if (existsSync(own)) return own
  return (
    spawnSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).stdout.trim() || undefined
  )
}

/** A test that runs a tool over files; skipped where the tool is not there. */
function lint(name: string, tool: string, check: (run: (...args: string[]) => void) => void): void {
  const program = find(tool)
  if (program === undefined) {
    console.log(`skipped: there is no ${tool}`)
    test.skip(name)
    return
  }
  test(name, () =>
    check((...args) => {
      const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' })
      assert.is(status, 0, stdout + stderr)
      assert.not.match(stdout + stderr, /warning|ignoring/i)
    }),
  )
}

lint('Dockerfile satisfies hadolint', 'hadolint', (run) => run(path('Dockerfile')))

lint('compose.yaml is what the Compose specification allows', 'check-jsonschema', (run) =>
  run('--builtin-schema', 'vendor.compose-spec', path('compose.yaml')),
)

lint('kubernetes/ is what the API of Kubernetes allows', 'kubernetes-validate', (run) =>
  run('--strict', ...readdirSync(path('kubernetes')).map((name) => path(`kubernetes/${name}`))),
)

lint('systemd/ is what systemd understands', 'systemd-analyze', (run) => {
  const folder = mkdtempSync(join(tmpdir(), 'wsgi-core-units-'))
  try {
    for (const name of readdirSync(path('systemd'))) {
      // It looks whether the program is there.
      const unit = read(`systemd/${name}`).replaceAll('/usr/bin/node', process.execPath)
      writeFileSync(join(folder, name), unit)
    }
    run('verify', '--man=no', join(folder, 'shop.service'), join(folder, 'shop.socket'))
  } finally {
    rmSync(folder, { recursive: true })
  }
})

/** What comes behind the program of the server, by the template that has it. */
const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  Dockerfile: JSON.parse(/^CMD (.*)$/m.exec(read('Dockerfile'))?.[1] as string),
  'compose.yaml': parse(read('compose.yaml')).services.shop.command,
  'kubernetes/deployment.yaml': podSpec().containers[0].args,
  'systemd/shop.service': words(unitValue('ExecStart')),
}

function podSpec() {
  return parse(read('kubernetes/deployment.yaml')).spec.template.spec
}

function unitValue(key: string): string {
  const text = read('systemd/shop.service').replaceAll('\\\n', ' ')
  return new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1] as string
}

/** Without the interpreter and the program. */
function words(line: string): string[] {
  return line.split(/\s+/).slice(2)
}

/** The settings that the server has with the arguments of a template. */
function settingsOf(name: string) {
  const known = SETTINGS.get(name) ?? readSettings(COMMANDS[name] as string[])
  SETTINGS.set(name, known)
  return known
}

const SETTINGS = new Map<string, ReturnType<typeof readSettings>>()

function readSettings(args: readonly string[]) {
  const program = [join(root, 'bin/wsgi-core.js'), ...args, '--print-config']
  const { status, stdout, stderr } = spawnSync(process.execPath, program, { encoding: 'utf8' })
  assert.is(status, 0, stderr)
  return JSON.parse(stdout)
}

for (const name of Object.keys(COMMANDS)) {
  test(`the arguments in ${name} are the server's`, () => {
    const settings = settingsOf(name)
    assert.is(settings.wsgi.app, 'shop:app')
    assert.ok(settings.plugins.includes('health'))
  })
}

/** Seconds that a stop takes at most. */
function stopTime(name: string): number {
  const { shutdownDelay, gracefulTimeout } = settingsOf(name)
  return shutdownDelay + gracefulTimeout + KILL_AFTER
}

test('whoever stops the server waits until it has stopped by itself', () => {
  const { terminationGracePeriodSeconds } = podSpec()
  assert.ok(terminationGracePeriodSeconds > stopTime('kubernetes/deployment.yaml'))
  const { stop_grace_period } = parse(read('compose.yaml')).services.shop
  assert.match(stop_grace_period, /^\d+s$/)
  assert.ok(Number.parseInt(stop_grace_period, 10) > stopTime('compose.yaml'))
  assert.ok(Number(unitValue('TimeoutStopSec')) > stopTime('systemd/shop.service'))
})

test('Kubernetes has noticed before the server accepts nothing more', () => {
  const { periodSeconds, failureThreshold, timeoutSeconds } = podSpec().containers[0].readinessProbe
  const { shutdownDelay } = settingsOf('kubernetes/deployment.yaml')
  assert.ok(shutdownDelay >= periodSeconds * failureThreshold + timeoutSeconds)
})

test('probes ask at the paths and the port of the server', () => {
  const { health, bind } = settingsOf('kubernetes/deployment.yaml')
  const [{ startupProbe, readinessProbe, livenessProbe, ports }] = podSpec().containers
  const paths = [startupProbe, readinessProbe, livenessProbe].map(({ httpGet }) => httpGet.path)
  assert.equal(paths, [health.readyPath, health.readyPath, health.livePath])
  assert.equal(bind, [`0.0.0.0:${ports[0].containerPort}`])
  assert.match(read('Dockerfile'), `http://127.0.0.1:${ports[0].containerPort}${health.readyPath}`)
  assert.match(read('Dockerfile'), `EXPOSE ${ports[0].containerPort}`)
})

test('the image runs as the user that Kubernetes expects, and is not root', () => {
  const { runAsUser, runAsGroup } = podSpec().securityContext
  assert.ok(runAsUser > 0)
  assert.match(read('Dockerfile'), `USER ${runAsUser}:${runAsGroup}`)
})

test.run()
