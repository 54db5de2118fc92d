import type { IncomingMessage } from 'node:http'
import {
  clock,
  type EngineResponse,
  type ParsedHead,
  type PreparedAnswer,
} from '../../core/index.ts'
import { parseAccepted } from './codings.ts'
import type { Memory } from './memory.ts'
import type { ReadyForm, StoredFile } from './stored-file.ts'

/** What a request's fields ask for. */
interface Wishes {
  noneMatch: string | undefined
  modifiedSince: string | undefined
  encoding: string | undefined
}

const wishes: Wishes = { noneMatch: undefined, modifiedSince: undefined, encoding: undefined }

/**
 * Answers what is in memory before a request is routed. A path is in here only once it has come all the way through the
 * routes and hooks that it passes by from then on.
 */
export class FastLane {
  readonly #memory: Memory
  readonly #files = new Map<string, StoredFile>()

  constructor(memory: Memory) {
    this.#memory = memory
    memory.dropped = (file) => {
      for (const url of file.urls) if (this.#files.get(url) === file) this.#files.delete(url)
    }
  }

  /** This path, as it stands in the request, is this file from now on, as long as that is in memory. */
  admit(url: string, file: StoredFile): void {
    if (file.urls.includes(url) || !this.#memory.has(file)) return
    file.urls.push(url)
    this.#files.set(url, file)
  }

  /** @returns the answer, where it is in one piece. */
  take({ method, url, fields }: ParsedHead): PreparedAnswer | undefined {
    const file = this.#files.get(url)
    if (file === undefined || method !== 'GET' || !file.isBelieved(clock.now())) return
    if (!readWishes(fields)) return
    file.wasUsed = true
    const form = formOf(file)
    if (wantsAll()) return form.answer
    return hasAlready(form) ? form.notModifiedAnswer : undefined
  }

  /** Answers, or leaves the request as it is. */
  offer(request: IncomingMessage, response: EngineResponse): void {
    const file = this.#files.get(request.url as string)
    if (file === undefined || request.method !== 'GET' || !request.complete) return
    if (response.sendPrepared === undefined) return
    if (!file.isBelieved(response.startedAt || clock.now())) return
    if (response.writableEnded || !readWishes(request.rawHeaders)) return
    file.wasUsed = true
    const form = formOf(file)
    if (wantsAll()) {
      file.hold(response)
      response.sendPrepared(form.whole, form.body)
    } else if (hasAlready(form)) response.sendPrepared(form.notModified)
  }
}

const formOf = (file: StoredFile) =>
  file.ready[
    file.forms.length === 1 ? 0 : file.chooseIndex(parseAccepted(wishes.encoding))
  ] as ReadyForm

const wantsAll = () => wishes.noneMatch === undefined && wishes.modifiedSince === undefined

function hasAlready({ representation: { validators } }: ReadyForm): boolean {
  const { noneMatch, modifiedSince } = wishes
  if (noneMatch !== undefined) return noneMatch === validators.etag
  return modifiedSince === validators.lastModified
}

/** @returns false where the request asks for more than this lane knows. */
function readWishes(fields: readonly string[]): boolean {
  wishes.noneMatch = undefined
  wishes.modifiedSince = undefined
  wishes.encoding = undefined
  for (let index = 0; index < fields.length; index += 2) {
    const name = fields[index] as string
    switch (name.length) {
      case 5: // range
      case 8: // if-match, if-range
      case 19: // if-unmodified-since
        if (UNUSUAL.test(name)) return false
        break
      case 13:
        if (!isNamed(name, 'if-none-match')) break
        if (wishes.noneMatch !== undefined) return false
        wishes.noneMatch = fields[index + 1]
        break
      case 15:
        if (!isNamed(name, 'accept-encoding')) break
        if (wishes.encoding !== undefined) return false
        wishes.encoding = fields[index + 1]
        break
      case 17:
        if (isNamed(name, 'if-modified-since')) wishes.modifiedSince ??= fields[index + 1]
    }
  }
  return true
}

const UNUSUAL = /^(?:range|if-match|if-range|if-unmodified-since)$/i

const isNamed = (name: string, known: string) => name === known || name.toLowerCase() === known
