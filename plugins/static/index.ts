import { definePlugin, type EngineResponse } from '../../core/index.ts'
import { parseAccepted } from './codings.ts'
import { CompressedAnswer } from './compress/compressed-answer.ts'
import { FastLane } from './fast-lane.ts'
import { FileStore } from './file-store.ts'
import { createHandOver } from './hand-over.ts'
import { hiddenLocation, resolveLocations } from './locations.ts'
import { type StaticOptions, schema } from './options.ts'
import { Requests } from './requests.ts'
import { Site } from './site.ts'

export type { FileHandOver } from './hand-over.ts'

const name = 'static'
/** Behind all others in the order of taps. */
const LAST = 1_000_000

/** Serves files: nginx's alias, root and try_files in front of the application. */
export default definePlugin({
  name,
  config: schema,
  apply(core, given) {
    const { hooks } = core
    const options = given as StaticOptions
    const store = new FileStore(options.cache, options.compress)
    const lane = new FastLane(store.memory)
    const locations = resolveLocations(options, core.cwd)
    const site = new Site(locations, store, () => hooks.handle.taps.at(-1)?.name !== name)
    const requests = new Requests(core, site, lane)

    hooks.beforeListen.tap({ name, stage: LAST }, () => requests.openLane(name))
    if (options.compress) {
      hooks.request.tap({ name, stage: LAST - 1 }, (request, response) => {
        const accepted = parseAccepted(request.headers['accept-encoding'] as string | undefined)
        new CompressedAnswer(response as EngineResponse, accepted, request.method === 'HEAD')
      })
    } else {
      hooks.ready.tap({ name, stage: LAST }, (head) =>
        requests.isLaneOpen ? lane.take(head) : undefined,
      )
    }
    hooks.request.tap({ name, stage: LAST }, (request, response) => {
      if (requests.isLaneOpen) lane.offer(request, response as EngineResponse)
    })
    // what may be a file comes through Fastify, whose hooks may want to see it
    hooks.handleRaw.tap(name, ({ url = '' }) => (requests.isOurs(url) ? false : undefined))
    hooks.handle.tapAsync(name, (request, reply, done) => requests.handle(request, reply, done))

    const folders = options.xSendfile.map((folder) => hiddenLocation(folder, options, core.cwd))
    const send: Requests['send'] = (outcome, place) => requests.send(outcome, place)
    core.provide(name, createHandOver(site, folders, send, core.logger(name)))
  },
})
