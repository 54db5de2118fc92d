import type { Stats } from 'node:fs'
import {
  type EngineResponse,
  type Owner,
  PreparedAnswer,
  type PreparedHead,
  prepareHead,
} from '../../core/index.ts'
import { withoutContent } from './answer.ts'
import { type Accepted, chooseCoding } from './codings.ts'
import type { Location } from './locations.ts'
import { type Representation, represent } from './representation.ts'
import { validatorsOf } from './validators.ts'

/** One form of a file in memory: itself, or a compressed neighbour. */
export interface Form {
  readonly coding: string | undefined
  readonly stats: Stats
  readonly content: Buffer
  /** Made here; it has no file of its own. */
  readonly isGenerated?: boolean
}

/** A form as it is sent at present: Expires goes with the clock, and tags become strong. */
export interface ReadyForm {
  readonly representation: Representation
  /** What goes behind the head: small contents as latin-1 text, which is written the quickest. */
  readonly body: string | Buffer
  readonly whole: PreparedHead
  readonly notModified: PreparedHead
  /** All of it in one piece; undefined where the body is no text. */
  readonly answer: PreparedAnswer | undefined
  readonly notModifiedAnswer: PreparedAnswer
}

/** Contents up to here are kept as text, too: alone, and behind their head. */
const TEXT_LIMIT = 16_384
/** What an entry takes beside its contents, roughly. */
const OVERHEAD = 4096

/** A file in memory, in all of its forms. */
export class StoredFile implements Owner {
  readonly key: string
  readonly forms: readonly Form[]
  readonly bytes: number
  /** Paths under which the fast lane has it. */
  readonly urls: string[] = []
  /** When it was last compared with what is on disk, as `performance.now()`. */
  checkedAt: number
  /** Since the last look for what can go. */
  wasUsed = true
  ready!: readonly ReadyForm[]
  #users = 0
  #left: () => void = () => {}
  readonly #codings: string[]
  /** The file itself last. */
  readonly #preferred: string[]
  readonly #location: Location
  readonly #path: string
  readonly #type: string
  /** It may have been changed once more within the grain of its timestamps. */
  readonly #isFresh: boolean

  constructor(key: string, location: Location, path: string, type: string, forms: Form[]) {
    this.key = key
    this.forms = forms
    this.#location = location
    this.#path = path
    this.#type = type
    this.#codings = forms.map(({ coding }) => coding ?? 'identity')
    this.#preferred = [...this.#codings.slice(1), 'identity']
    this.bytes = forms.reduce((sum, { content }) => sum + memoryOf(content), OVERHEAD)
    this.checkedAt = performance.now()
    this.#isFresh = forms.some(({ stats }) => Date.now() - stats.mtimeMs < 2000)
    this.#makeReady()
  }

  /** What was found out about files on disk is believed for so long, in milliseconds. */
  static readonly believed = 1000

  isBelieved(now: number): boolean {
    return now - this.checkedAt < StoredFile.believed
  }

  /** Its contents are on their way to a client, up to the end of this response. */
  hold(response: EngineResponse): void {
    if (response.destroyed) return // its end has been told of
    this.#users++
    if (response.owner === undefined) response.owner = this
    else response.once('close', () => this.closed())
  }

  /** One of those responses has ended. */
  closed(): void {
    this.#users--
    if (this.#users === 0) this.#left()
  }

  /** Tells when nobody has its contents any more. */
  leave(left: () => void): void {
    if (this.#users === 0) left()
    else this.#left = left
  }

  /** It is still what is on disk. */
  confirm(): void {
    this.#makeReady()
  }

  /** Whether equal timestamps say that nothing has changed. */
  get canBeConfirmed(): boolean {
    return !this.#isFresh
  }

  /** Which form goes to a client that accepts these codings. */
  chooseIndex(accepted: Accepted): number {
    if (this.forms.length === 1) return 0
    const coding = chooseCoding(accepted, this.#preferred)
    return Math.max(0, this.#codings.indexOf(coding ?? 'identity'))
  }

  #makeReady(): void {
    const now = Date.now()
    this.ready = this.forms.map(({ coding, stats, content, isGenerated }, index) => {
      const representation = represent(
        {
          location: this.#location,
          path: this.#path,
          type: this.#type,
          size: content.length,
          coding,
          validators: validatorsOf(stats, now, coding, isGenerated),
          varies: this.forms.length > 1,
        },
        now,
      )
      const body = this.ready?.[index]?.body ?? bodyOf(content)
      const whole = prepareHead(200, representation.fields)
      const notModified = prepareHead(304, withoutContent(representation.fields))
      return {
        representation,
        body,
        whole,
        notModified,
        answer: typeof body === 'string' ? new PreparedAnswer(whole, body) : undefined,
        notModifiedAnswer: new PreparedAnswer(notModified),
      }
    })
  }
}

const memoryOf = ({ length }: Buffer) => (length <= TEXT_LIMIT ? 3 * length : length)

const bodyOf = (content: Buffer) =>
  content.length <= TEXT_LIMIT ? content.toString('latin1') : content
