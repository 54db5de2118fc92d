import type { FastifyReply } from 'fastify'
import { type Core, definePlugin, type EngineResponse, type OptionsOf } from '../../core/index.ts'
import type {} from '../workers/index.ts'

const name = 'health'

/** Why no more requests should be sent here; undefined: they should. */
type Obstacle = 'starting' | 'stopping' | 'no worker is alive' | undefined

/** Answers the probes of load balancers and container platforms. */
const health = definePlugin({
  name,
  dependencies: ['workers'],
  config: {
    livePath: {
      doc: 'Path that answers 200 while the process lives.',
      format: 'urlPath',
      default: '/-/live',
      arg: 'health-live-path',
    },
    readyPath: {
      doc: 'Path that answers 200 while requests are welcome, else 503.',
      format: 'urlPath',
      default: '/-/ready',
      arg: 'health-ready-path',
    },
    accessLog: {
      doc: 'Probes have their lines in the access log too.',
      format: 'flag',
      default: false,
      arg: 'health-access-log',
    },
  },
  apply(core, { livePath, readyPath, accessLog }) {
    const obstacle = observe(core)
    const answer = (reply: FastifyReply, status: number, body: object) => {
      if (!accessLog) (reply.raw as EngineResponse).isUnlogged = true
      return reply.code(status).header('cache-control', 'no-store').send(body)
    }
    core.hooks.server.tap(name, (fastify) => {
      fastify.get(livePath, (_request, reply) => answer(reply, 200, { status: 'live' }))
      fastify.get(readyPath, (_request, reply) => {
        const reason = obstacle()
        if (reason === undefined) return answer(reply, 200, { status: 'ready' })
        return answer(reply, 503, { status: 'not ready', reason })
      })
    })
  },
})

export default health

declare module '../../core/index.ts' {
  interface Sections {
    health?: OptionsOf<typeof health>
  }
}

/** Follows the generation's life. @returns what stands in the way of requests at the moment. */
function observe(core: Core): () => Obstacle {
  let phase: Obstacle = 'starting'
  core.hooks.afterListen.tap(name, () => {
    phase = undefined
  })
  const stop = () => {
    phase = 'stopping'
  }
  core.hooks.beforeClose.tap(name, stop)
  core.hooks.beforeRetire.tap(name, stop)
  return () => phase ?? (core.service('workers').areServing ? undefined : 'no worker is alive')
}
