import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { definePlugin } from 'wsgi-core'

const name = 'maintenance'
/** Milliseconds between two looks for the file. */
const LOOK_EVERY = 500

/** While a file is there, every request gets a 503 that says so; `touch` and `rm` are the switch. */
export default definePlugin({
  name,
  config: {
    file: {
      doc: 'The file that switches maintenance on.',
      format: 'text',
      default: 'maintenance',
      arg: 'maintenance-file',
      metavar: 'FILE',
    },
    retryAfter: {
      doc: 'Seconds after which clients are asked to come back.',
      format: 'positive',
      default: 300,
      arg: 'maintenance-retry-after',
    },
    except: {
      doc: 'Paths that are served all the same, such as those of health checks. Repeatable.',
      format: 'texts',
      default: ['/-/'],
      arg: 'maintenance-except',
      metavar: 'PATHS',
    },
  },
  apply(core, { file, retryAfter, except }) {
    const path = resolve(core.cwd, file)
    let isOn = false
    const look = () => {
      const wasOn = isOn
      isOn = existsSync(path)
      if (isOn !== wasOn) core.logger(name).warn({ file: path }, isOn ? 'begins' : 'is over')
    }
    core.hooks.beforeListen.tap(name, () => {
      look()
      const timer = setInterval(look, LOOK_EVERY)
      core.defer(name, () => clearInterval(timer))
    })
    core.hooks.server.tap(name, (fastify) => {
      fastify.addHook('onRequest', async (request, reply) => {
        if (!isOn || except.some((start) => request.url.startsWith(start))) return
        reply.code(503).header('retry-after', retryAfter).type('text/plain; charset=utf-8')
        return reply.send('Maintenance: please come back in a few minutes.\n')
      })
    })
  },
})
