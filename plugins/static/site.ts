import {
  type Answer,
  answerWith,
  discard,
  errorAnswer,
  type Question,
  redirectAnswer,
  replaceField,
} from './answer.ts'
import { parseAccepted } from './codings.ts'
import type { FileStore, Found } from './file-store.ts'
import { listingAnswer } from './listing/listing.ts'
import { findLocation, type Location } from './locations.ts'
import { closeDescriptor } from './open-file.ts'
import { valueIn } from './representation.ts'
import type { StoredFile } from './stored-file.ts'
import { isHidden, isSafeSegment, pathOf, readTarget, type Target } from './target.ts'

/** What becomes of a request. */
export interface Outcome {
  readonly answer: Answer
  /** Whose contents are sent. */
  readonly stored?: StoredFile | undefined
  /** A request for this path gets that file whatever else there is or is not. */
  readonly isCertain?: boolean
}

type FoundFile = Extract<Found, { kind: 'file' }>

/** Answers requests for the files of all locations. */
export class Site {
  readonly #locations: readonly Location[]
  readonly #store: FileStore
  /** Whether anybody answers what is not found here. */
  readonly #hasApplication: () => boolean

  constructor(locations: readonly Location[], store: FileStore, hasApplication: () => boolean) {
    this.#locations = locations
    this.#store = store
    this.#hasApplication = hasApplication
  }

  /** The location that a request from outside belongs to; undefined: it is not for us. */
  locate(url: string): { target: Target; location: Location } | undefined {
    const target = readTarget(url)
    if (target === undefined) return undefined
    const location = findLocation(this.#locations, target.segments, target.isFolder)
    return location && { target, location }
  }

  /** @returns undefined where the application is to answer. */
  async answer(target: Target, location: Location, question: Question) {
    if (location.internal) return this.#refuse(404, location, question)
    return this.#try(target, location, question)
  }

  /** What the application has named by its path, internal locations included. */
  async answerInternally(path: string, question: Question): Promise<Outcome> {
    const located = this.locate(path)
    if (located === undefined) return this.refuse(404)
    const { target, location } = located
    const outcome = await this.#try(target, location, question, false)
    return outcome ?? this.refuse(404)
  }

  /** A file by its place below a location. */
  async answerFile(location: Location, segments: readonly string[], question: Question) {
    const found = await this.#store.find(location, segments, acceptedBy(question))
    if (found.kind === 'file') return this.#send(found, question)
    return this.#refuse(found.kind === 'none' ? found.status : 404, location, question)
  }

  /** With our own page. */
  refuse(status: number): Outcome {
    return { answer: errorAnswer(status) }
  }

  async #try(
    target: Target,
    location: Location,
    question: Question,
    hasApplication = this.#hasApplication(),
  ): Promise<Outcome | undefined> {
    const steps = stepsOf(location)
    const canPass = hasApplication && steps.includes('@app')
    const fault = target.fault ?? hiddenFault(target, location)
    if (fault !== undefined) return canPass ? undefined : this.#refuse(fault, location, question)
    let status = 404
    for (const [index, step] of steps.entries()) {
      if (step === '@app') {
        if (hasApplication) return undefined
        continue
      }
      if (step.startsWith('=')) return this.#refuse(Number(step.slice(1)), location, question)
      const found = await this.#step(step, target, location, question)
      if (found === undefined) continue
      if (typeof found === 'number') {
        status = found
        continue
      }
      if (isRead(question)) return wasSure(steps.slice(0, index), target) ? found : unsure(found)
      await discard(found.answer)
      return canPass ? undefined : this.#refuse(405, location, question)
    }
    return this.#refuse(status, location, question)
  }

  /** @returns a status where something is there and not to be had. */
  #step(step: string, target: Target, location: Location, question: Question) {
    if (step === '$uri') {
      return target.isFolder ? undefined : this.#file(target.segments, location, question)
    }
    if (step === '$uri/') return this.#folder(target, location, question)
    return this.#path(
      step.replaceAll('$uri', () => `/${target.segments.join('/')}`),
      question,
    )
  }

  async #file(
    segments: readonly string[],
    location: Location,
    question: Question,
  ): Promise<Outcome | number | undefined> {
    const below = segments.slice(location.cut)
    const found = await this.#store.find(location, below, acceptedBy(question))
    if (found.kind === 'file') return this.#send(found, question)
    return found.kind === 'none' && found.status !== 404 ? found.status : undefined
  }

  /** Another path, of whatever location. */
  async #path(path: string, question: Question) {
    const segments = path.split('/').filter(Boolean)
    const location = findLocation(this.#locations, segments, path.endsWith('/'))
    if (location === undefined || !segments.every(isSafeSegment)) return undefined
    if (path.endsWith('/')) {
      const target = { segments, isFolder: true, query: '', fault: undefined }
      return this.#folder(target, location, question)
    }
    return this.#file(segments, location, question)
  }

  async #folder(target: Target, location: Location, question: Question) {
    const { index, autoindex } = location.options
    const below = target.segments.slice(location.cut)
    const found = await this.#store.find(location, below, acceptedBy(question))
    if (found.kind === 'none') return found.status === 404 ? undefined : found.status
    if (found.kind === 'file') {
      await discardFound(found)
      return undefined
    }
    for (const [position, name] of index.filter(isSafeSegment).entries()) {
      const file = await this.#store.find(location, [...below, name], acceptedBy(question))
      if (file.kind !== 'file') continue
      if (target.isFolder) {
        const outcome = await this.#send(file, question)
        return position === 0 ? outcome : unsure(outcome)
      }
      await discardFound(file)
      return redirectToFolder(target)
    }
    if (!autoindex) return undefined
    if (!target.isFolder) return redirectToFolder(target)
    return { answer: await listingAnswer(found.path, location, target, question) }
  }

  async #send(found: FoundFile, question: Question): Promise<Outcome> {
    const { representation, source, stored } = found
    const answer = answerWith(representation, source, question)
    if (answer.body.kind !== 'file') await discardFound(found)
    return { answer, stored, isCertain: true }
  }

  /** With the operator's own page, where there is one. */
  async #refuse(status: number, location: Location, question: Question): Promise<Outcome> {
    const fields = status === 405 ? ['Allow', 'GET, HEAD'] : []
    const plain = errorAnswer(status, fields)
    const path = location.errorPages.get(status)
    if (path === undefined) return { answer: plain }
    const page = await this.#path(path, { method: question.method, fields: {} })
    if (page === undefined || typeof page === 'number') return { answer: plain }
    const { answer } = page
    const type = valueIn(answer.fields, 'content-type') as string
    return {
      answer: { ...answer, status, fields: replaceField(plain.fields, 'content-type', type) },
    }
  }
}

const acceptedBy = ({ fields }: Question) =>
  parseAccepted(fields['accept-encoding'] as string | undefined)

const isRead = ({ method }: Question) => method === 'GET' || method === 'HEAD'

const unsure = (outcome: Outcome): Outcome => ({ ...outcome, isCertain: false })

/** Whether no step before could have led anywhere: a path that ends with a slash is no file. */
const wasSure = (before: readonly string[], { isFolder }: Target) =>
  before.every((step) => step === '$uri' && isFolder)

const DEFAULT_STEPS = ['$uri', '$uri/']

/** A location for the whole site shares it with the application; any other has its paths to itself. */
function stepsOf({ options: { tryFiles }, segments }: Location): readonly string[] {
  if (tryFiles.length > 0) return tryFiles
  return segments.length === 0 ? [...DEFAULT_STEPS, '@app'] : DEFAULT_STEPS
}

function hiddenFault({ segments }: Target, { options, cut }: Location): 404 | undefined {
  return !options.dotfiles && segments.slice(cut).some(isHidden) ? 404 : undefined
}

const redirectToFolder = ({ segments, query }: Target): Outcome => ({
  answer: redirectAnswer(pathOf(segments, true) + query),
})

async function discardFound({ source }: FoundFile): Promise<void> {
  if ('fd' in source) await closeDescriptor(source.fd)
}
