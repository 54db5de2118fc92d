import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { errorPage, type Origin, type ParsedHead, setOrigin } from '../../core/index.ts'
import { Found, removeFields } from './request-fields.ts'
import { type Sender, senderOf } from './sender.ts'
import type { Settings } from './settings.ts'
import { CONTRADICTION, Testimony } from './testimony.ts'
import { Unvouched } from './unvouched.ts'

type Request = IncomingMessage & { readonly droppedHeaders?: readonly string[] }
type Verdict = Origin | typeof CONTRADICTION | undefined

const SENDER = Symbol('sender')
/** As for http and https, each with and without a body. */
const MAX_HEARD = 4

/** Who sends on a connection, as one gate sees it. */
interface Seen {
  readonly gate: Gate
  readonly sender: Sender
}

type Carrier = Socket & { [SENDER]?: Seen }

/** Stands before routing: decides for each request whom it is from, and which fields the application sees. */
export class Gate {
  readonly #settings: Settings
  readonly #found = new Found()
  readonly #unvouched: Unvouched
  #hasWarned = false

  constructor(settings: Settings) {
    this.#settings = settings
    this.#unvouched = new Unvouched(settings)
  }

  admit(request: Request, response: ServerResponse): void {
    const sender = this.#senderOf(request.socket)
    const origin = sender.isTrusted ? this.#hear(request, sender) : this.#strip(request, sender)
    if (origin === CONTRADICTION) return refuse(response)
    if (request.droppedHeaders) return this.#takeDropped(request, response, sender, origin)
    if (origin) setOrigin(request, origin)
  }

  /** Whether there is anything to believe, to remove or to refuse: whom it is from changes nothing else. */
  minds({ fields, dropped }: ParsedHead): boolean {
    const { spoken, suspects } = this.#settings
    if (dropped !== undefined || this.#found.search(fields, spoken)) return true
    return this.#found.search(fields, suspects)
  }

  #senderOf(socket: Carrier): Sender {
    const seen = socket[SENDER]
    if (seen?.gate === this) return seen.sender
    const sender = senderOf(socket, this.#settings)
    socket[SENDER] = { gate: this, sender }
    return sender
  }

  /** A proxy says much the same of all requests of a connection. */
  #hear(request: Request, sender: Sender): Verdict {
    const found = this.#found
    if (!found.search(request.rawHeaders, this.#settings.spoken)) return sender.origin
    for (const heard of sender.heard) {
      if (heard.retell(found, request)) return heard.origin
    }
    const testimony = new Testimony(request, found, sender, this.#settings)
    const origin = testimony.read()
    for (const name of testimony.unvouched) this.#unvouched.tell(name, sender.name)
    const { heard } = testimony
    if (heard) sender.heard = [heard, ...sender.heard].slice(0, MAX_HEARD)
    return origin
  }

  /** What only proxies say is removed. */
  #strip(request: Request, sender: Sender): Origin | undefined {
    if (this.#found.search(request.rawHeaders, this.#settings.suspects))
      this.#remove(request, sender)
    return sender.origin
  }

  #remove(request: Request, { name: peer }: Sender): void {
    const { log } = this.#settings
    const { names, places, count } = this.#found
    const fields = names.slice(0, count).map(({ name }) => name)
    removeFields(request, places.slice(0, count))
    log.debug({ fields, peer }, 'fields removed: their sender is not trusted')
    if (this.#hasWarned || !fields.some((name) => name.includes('forwarded'))) return
    this.#hasWarned = true
    log.info({ peer }, 'forwarded headers removed; if a proxy is there, see --forwarded-allow-ips')
  }

  /** Names with an underscore, which the engine has dropped: of somebody trusted, some count (gunicorn). */
  #takeDropped(
    request: Request,
    response: ServerResponse,
    sender: Sender,
    origin: Origin | undefined,
  ): void {
    const dropped = request.droppedHeaders as readonly string[]
    const { forwarders, refusesUnderscores } = this.#settings
    const taken = new Map<string, string>()
    for (let index = 0; index < dropped.length; index += 2) {
      const name = dropped[index] as string
      const isTaken = sender.isTrusted && forwarders.has(name)
      if (isTaken) taken.set(name, dropped[index + 1] as string)
      else if (refusesUnderscores) return refuse(response)
    }
    const made = taken.size > 0 ? withForwarders(origin ?? plainOrigin(sender), taken) : origin
    if (made) setOrigin(request, made)
  }
}

function plainOrigin({ node, scheme, variables }: Sender): Origin {
  return { ...node, scheme, hops: [node.address], variables }
}

const ROOT_PATH = /^(?:\/[!"$-.0->@-~]+)*$/

function withForwarders(origin: Origin, taken: ReadonlyMap<string, string>): Origin {
  const variables = [...origin.variables]
  let { rootPath } = origin
  for (const [name, value] of taken) {
    const path = value.replace(/\/+$/, '')
    if (name !== 'SCRIPT_NAME') variables.push([`HTTP_${name}`, value])
    else if (ROOT_PATH.test(path)) rootPath = path
  }
  return { ...origin, rootPath, variables, text: undefined }
}

function refuse(response: ServerResponse): void {
  const headers = { 'content-type': 'text/html; charset=utf-8' }
  response.writeHead(400, headers).end(errorPage(400))
}
