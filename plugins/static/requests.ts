import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Core, type EngineResponse, isTapped, reportFailure } from '../../core/index.ts'
import type { Question } from './answer.ts'
import { deliver, deliverByFastify, type Place } from './deliver.ts'
import type { FastLane } from './fast-lane.ts'
import type { Outcome, Site } from './site.ts'
import type { Target } from './target.ts'

/** Takes the requests for files that have come through the router, and lets those in the fast lane that may. */
export class Requests {
  readonly #core: Core
  readonly #site: Site
  readonly #lane: FastLane
  #isLaneOpen = false

  constructor(core: Core, site: Site, lane: FastLane) {
    this.#core = core
    this.#site = site
    this.#lane = lane
  }

  /** Fastify is built, and no plugin can add to it any more. */
  openLane(name: string): void {
    this.#isLaneOpen = canPassBy(this.#core, name)
  }

  get isLaneOpen(): boolean {
    return this.#isLaneOpen
  }

  isOurs(url: string): boolean {
    return this.#site.locate(url) !== undefined
  }

  /** `done` is told true where the request has its answer, and undefined where the application is to give it. */
  handle(
    request: FastifyRequest,
    reply: FastifyReply,
    done: (error?: Error | null, taken?: true) => void,
  ): void {
    const url = targetOf(request)
    const located = this.#site.locate(url)
    if (located === undefined) return done()
    const { target, location } = located
    const question = { method: request.method, fields: request.headers }
    const settle = async (outcome: Outcome | undefined) => {
      if (outcome === undefined) return undefined
      const { stored, isCertain } = outcome
      const isPassable = this.#isLaneOpen && isCertain && isPlain(question, url, target)
      if (stored && isPassable) this.#lane.admit(url, stored)
      await this.send(outcome, placeOf(reply))
      return true as const
    }
    const answered = this.#site.answer(target, location, question).then(settle)
    answered.then((taken) => done(null, taken), done)
  }

  /** Past Fastify, but where somebody there wants to see answers. */
  async send({ answer, stored }: Outcome, place: Place): Promise<void> {
    const { reply, response } = place
    stored?.hold(response)
    const isSeen = this.#core.fastifyHooks.seeAnswers
    const broken = (error: Error) => this.#breakOff(error, place)
    if (isSeen && reply && !reply.sent) await deliverByFastify(answer, reply, broken)
    else await deliver(answer, place, this.#core.hooks, broken)
  }

  /** The client must see that the answer is not whole. */
  #breakOff(error: Error, { request, response }: Place): void {
    reportFailure(error, request, this.#core.hooks, this.#core.logger('static'))
    response.destroy()
  }
}

/** The path of the request as it came: the router may have been given another one. */
const targetOf = ({ raw }: FastifyRequest): string =>
  (raw as { originalUrl?: string }).originalUrl ?? raw.url ?? ''

/** Whether nobody but us would see a request for a file, or could answer it. */
function canPassBy({ hooks, fastifyHooks }: Core, name: string): boolean {
  const isFirst = hooks.handle.taps[0]?.name === name
  const { areThere, isConstrained } = fastifyHooks
  return isFirst && !areThere && !isConstrained && !isTapped(hooks.response)
}

/** Whether the request is one of those that the fast lane may take: of all spellings of a path, one. */
const isPlain = ({ method }: Question, url: string, { segments, isFolder }: Target): boolean =>
  method === 'GET' && url === `/${segments.join('/')}${isFolder && segments.length > 0 ? '/' : ''}`

const placeOf = (reply: FastifyReply): Place => ({
  request: reply.request.raw,
  response: reply.raw as EngineResponse,
  reply,
})
