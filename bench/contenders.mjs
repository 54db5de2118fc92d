// The servers that the benchmark knows, and how each is started: one or more commands.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const HERE = dirname(fileURLToPath(import.meta.url))
const OURS = join(HERE, '..', 'bin', 'wsgi-core.js')
export const APPS = join(HERE, 'apps')

export const python = process.env.PYTHON ?? shebang(which('gunicorn')) ?? 'python3'
// All serve with one Python: the one that gunicorn is installed for.
const path = [python.includes('/') && dirname(python), process.env.PATH].filter(Boolean)
export const env = { ...process.env, PATH: path.join(delimiter), PYTHONPATH: APPS }
export const temporary = mkdtempSync(join(tmpdir(), 'wsgi-core-bench-'))

const gunicorn = (app, bind, workers) => [
  'gunicorn',
  '-w',
  workers,
  '-b',
  bind,
  '--log-level',
  'error',
  app,
]
export const CONTENDERS = [
  {
    name: 'wsgi-core',
    needs: ['node'],
    version: () => JSON.parse(readFileSync(join(HERE, '..', 'package.json'), 'utf8')).version,
    commands: (app, port, workers) => [
      [process.execPath, OURS, '-w', workers, '-b', `127.0.0.1:${port}`, '--chdir', APPS, app],
    ],
  },
  {
    name: 'nginx+gunicorn',
    needs: ['nginx', 'gunicorn'],
    version: () => `${firstVersion('nginx', '-v')} + ${firstVersion('gunicorn', '--version')}`,
    commands: (app, port, workers) => [
      gunicorn(app, `unix:${temporary}/app.sock`, workers),
      ['nginx', '-p', temporary, '-c', writeNginxConfig(port)],
    ],
  },
  {
    name: 'gunicorn',
    needs: ['gunicorn'],
    version: () => firstVersion('gunicorn', '--version'),
    commands: (app, port, workers) => [gunicorn(app, `127.0.0.1:${port}`, workers)],
  },
  {
    name: 'uwsgi',
    needs: ['uwsgi'],
    version: () => firstVersion('uwsgi', '--version'),
    // It closes each connection, but does not say so by itself.
    commands: (app, port, workers) => [
      `uwsgi --plugin python3 --http-socket 127.0.0.1:${port} --master --die-on-term --need-app
        --workers ${workers} --disable-logging --module ${app} --add-header Connection:close`.split(
        /\s+/,
      ),
    ],
  },
  {
    name: 'granian',
    needs: ['granian'],
    version: () => firstVersion('granian', '--version'),
    commands: (app, port, workers) => [
      `granian --interface wsgi --host 127.0.0.1 --port ${port} --workers ${workers} --no-ws
        --log-level error ${app}`.split(/\s+/),
    ],
  },
]

export function which(program) {
  const folders = (process.env.PATH ?? '').split(delimiter)
  return folders.map((folder) => join(folder, program)).find((file) => existsSync(file))
}

function shebang(file) {
  return file && /^#!(\/\S*python[\d.]*)$/m.exec(readFileSync(file, 'latin1').slice(0, 200))?.[1]
}

export function firstVersion(program, flag) {
  const { stdout, stderr } = spawnSync(program, [flag], { env, encoding: 'utf8' })
  return /\d+\.\d[\w.]*/.exec(stdout + stderr)?.[0] ?? 'unknown'
}

function writeNginxConfig(port) {
  const user = process.getuid?.() === 0 ? 'user root;' : ''
  const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  const paths = folders.map((name) => `${name}_temp_path ${temporary}/${name};`).join(' ')
  const file = join(temporary, 'nginx.conf')
  writeFileSync(
    file,
    `${user} daemon off; worker_processes auto; pid ${temporary}/nginx.pid; error_log stderr;
     events { worker_connections 1024; }
     http { access_log off; ${paths}
       server { listen 127.0.0.1:${port} backlog=2048;
         location / { proxy_pass http://unix:${temporary}/app.sock; proxy_set_header Host $http_host; } } }`,
  )
  return file
}
