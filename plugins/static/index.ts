import type { FastifyReply, FastifyRequest } from 'fastify'
import {
  type Core,
  definePlugin,
  type EngineResponse,
  isTapped,
  reportFailure,
} from '../../core/index.ts'
import type { Question } from './answer.ts'
import { parseAccepted } from './codings.ts'
import { CompressedAnswer } from './compress/compressed-answer.ts'
import { deliver, deliverByFastify, type Place } from './deliver.ts'
import { FastLane } from './fast-lane.ts'
import { FileStore } from './file-store.ts'
import { createHandOver } from './hand-over.ts'

export type { FileHandOver } from './hand-over.ts'

import { hiddenLocation, resolveLocations } from './locations.ts'
import { type StaticOptions, schema } from './options.ts'
import { type Outcome, Site } from './site.ts'
import type { Target } from './target.ts'

const name = 'static'
/** Behind all others in the order of taps. */
const LAST = 1_000_000

/** Serves files: nginx's alias, root and try_files in front of the application. */
export default definePlugin({
  name,
  config: schema,
  apply(core, given) {
    const options = given as StaticOptions
    const store = new FileStore(options.cache, options.compress)
    const lane = new FastLane(store.memory)
    const locations = resolveLocations(options, core.cwd)
    const site = new Site(locations, store, () => core.hooks.handle.taps.at(-1)?.name !== name)
    let isLaneOpen = false
    core.hooks.beforeListen.tap({ name, stage: LAST }, () => {
      isLaneOpen = canPassBy(core)
    })
    if (options.compress) compressAnswers(core)
    core.hooks.request.tap({ name, stage: LAST }, (request, response) => {
      if (isLaneOpen) lane.offer(request, response as EngineResponse)
    })
    core.hooks.handleRaw.tap(name, ({ url = '' }) => (site.locate(url) ? false : undefined))
    core.hooks.handle.tapAsync(name, (request, reply, done) => {
      const url = targetOf(request)
      const located = site.locate(url)
      if (located === undefined) return done()
      const { target, location } = located
      const question = { method: request.method, fields: request.headers }
      const settle = async (outcome: Outcome | undefined) => {
        if (outcome === undefined) return undefined
        const { stored, isCertain } = outcome
        const isPassable = isLaneOpen && isCertain && isPlain(question, url, target)
        if (stored && isPassable) lane.admit(url, stored)
        await send(outcome, placeOf(reply))
        return true as const
      }
      const answered = site.answer(target, location, question).then(settle)
      answered.then((taken) => done(null, taken), done)
    })
    const send = ({ answer, stored }: Outcome, place: Place) => {
      const { reply, response } = place
      stored?.hold(response)
      if (core.fastifyHooks.seeAnswers && reply && !reply.sent) {
        return deliverByFastify(answer, reply)
      }
      return deliver(answer, place, core.hooks, (error) => breakOff(core, error, place))
    }
    const folders = options.xSendfile.map((folder) => hiddenLocation(folder, options, core.cwd))
    core.provide(name, createHandOver(site, folders, send, core.logger(name)))
  },
})

/** Whoever answers, and by whichever lane. */
function compressAnswers(core: Core): void {
  core.hooks.request.tap({ name, stage: LAST - 1 }, (request, response) => {
    const accepted = parseAccepted(request.headers['accept-encoding'] as string | undefined)
    new CompressedAnswer(response, accepted, request.method === 'HEAD')
  })
}

/** The path of the request as it came: the router may have been given another one. */
const targetOf = ({ raw }: FastifyRequest): string =>
  (raw as { originalUrl?: string }).originalUrl ?? raw.url ?? ''

/** Whether nobody but us would see a request for a file, or could answer it. */
function canPassBy({ hooks, fastifyHooks: { areThere, isConstrained } }: Core): boolean {
  const isFirst = hooks.handle.taps[0]?.name === name
  return isFirst && !areThere && !isConstrained && !isTapped(hooks.response)
}

/** Whether the request is one of those that the fast lane may take: of all spellings of a path, one. */
const isPlain = ({ method }: Question, url: string, { segments, isFolder }: Target): boolean =>
  method === 'GET' && url === `/${segments.join('/')}${isFolder && segments.length > 0 ? '/' : ''}`

/** The client must see that the answer is not whole. */
function breakOff(core: Core, error: Error, { request, response }: Place): void {
  reportFailure(error, request, core.hooks, core.logger(name))
  response.destroy()
}

const placeOf = (reply: FastifyReply): Place => ({
  request: reply.request.raw,
  response: reply.raw as EngineResponse,
  reply,
})
