import { createHash, timingSafeEqual } from 'node:crypto'
import { SyncHook } from 'tapable'
import { definePlugin } from 'wsgi-core'

const name = 'api-key'

/**
 * Hooks of this plugin, for others to tap: `core.service('api-key').accepted.tap(...)`, from a plugin that has 'api-key'
 * among its dependencies.
 */
const createHooks = () => ({
  /** A request has brought a valid key: its number in the list, from 0. */
  accepted: new SyncHook(['request', 'number'], 'api-key.accepted'),
  /** A request is refused: 'missing' or 'unknown'. */
  rejected: new SyncHook(['request', 'reason'], 'api-key.rejected'),
})

/** Requests need a key in a header; without, the answer is 401, with a wrong one 403. */
export default definePlugin({
  name,
  config: {
    keys: {
      doc: 'The keys. Repeatable.',
      format: 'texts',
      default: [],
      arg: 'api-key',
      metavar: 'KEYS',
      sensitive: true,
    },
    header: {
      doc: 'The header that carries the key.',
      format: 'text',
      default: 'x-api-key',
      arg: 'api-key-header',
    },
    publicPaths: {
      doc: 'Paths that need no key. Repeatable.',
      format: 'texts',
      default: ['/-/'],
      arg: 'api-key-public',
      metavar: 'PATHS',
    },
  },
  apply(core, { keys, header, publicPaths }) {
    if (keys.length === 0) throw new Error("there are no keys; set 'api-key.keys' or --api-key")
    const hooks = createHooks()
    core.provide(name, hooks)
    const digests = keys.map(digest)
    const field = header.toLowerCase()
    core.hooks.server.tap(name, (fastify) => {
      fastify.addHook('onRequest', async (request, reply) => {
        if (publicPaths.some((start) => request.url.startsWith(start))) return
        const number = findKey(digests, request.headers[field])
        if (number >= 0) return hooks.accepted.call(request, number)
        const reason = request.headers[field] === undefined ? 'missing' : 'unknown'
        hooks.rejected.call(request, reason)
        reply.code(reason === 'missing' ? 401 : 403)
        return reply.send({ error: `the key in ${field} is ${reason}` })
      })
    })
  },
})

const digest = (key) => createHash('sha256').update(key).digest()

/** Takes the same time for each key, be it right or wrong. */
function findKey(digests, given) {
  if (typeof given !== 'string') return -1
  const wanted = digest(given)
  return digests.reduce((found, key, at) => (timingSafeEqual(key, wanted) ? at : found), -1)
}
