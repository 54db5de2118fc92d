import { fstat, read, type Stats, stat } from 'node:fs'
import { promisify } from 'node:util'
import type { Source } from './answer.ts'
import { type Accepted, chooseCoding, EXTENSIONS } from './codings.ts'
import { generateForms } from './compress/generated-forms.ts'
import { isWorthCompressing, typeOf } from './content-type.ts'
import type { Location } from './locations.ts'
import { Memory } from './memory.ts'
import { closeDescriptor, type Opened, openFile } from './open-file.ts'
import { type Representation, represent } from './representation.ts'
import { type Form, StoredFile } from './stored-file.ts'
import { validatorsOf } from './validators.ts'

/** What a location has at a path. An open descriptor is the caller's. */
export type Found =
  | {
      readonly kind: 'file'
      readonly representation: Representation
      readonly source: Source
      /** Where it is in memory. */
      readonly stored?: StoredFile
    }
  | { readonly kind: 'folder'; readonly path: string }
  | { readonly kind: 'none'; readonly status: 403 | 404 }

type OpenFile = Extract<Opened, { kind: 'file' }>

/** A file, or a compressed neighbour of it. */
interface OpenForm extends OpenFile {
  readonly coding: string | undefined
}

/** What is known of a file by its name; the path is that below the location's folder. */
interface File {
  readonly location: Location
  readonly path: string
  readonly type: string
}

/** Finds files: in memory, and on disk. */
export class FileStore {
  readonly memory: Memory
  readonly #compresses: boolean

  /** `compresses`: texts in memory have compressed forms too. */
  constructor(budget: number, compresses: boolean) {
    this.memory = new Memory(budget)
    this.#compresses = compresses
  }

  async find(location: Location, segments: readonly string[], accepted: Accepted): Promise<Found> {
    const key = `${location.id}/${segments.join('/')}`
    const stored = this.memory.get(key)
    if (stored && (await this.#isCurrent(stored, location, segments))) {
      return foundIn(stored, accepted)
    }
    const opened = await openFile(location, segments)
    if (opened.kind !== 'file') return opened
    return this.#read(key, location, segments, opened, accepted)
  }

  async #read(
    key: string,
    location: Location,
    segments: readonly string[],
    opened: OpenFile,
    accepted: Accepted,
  ): Promise<Found> {
    const type = typeOf(segments.at(-1) ?? opened.path, location)
    const forms = await openForms(location, segments, opened, type)
    const file = { location, path: segments.join('/'), type }
    const stored = await this.#keep(key, forms, file).catch(async (error) => {
      await closeAll(forms)
      throw error
    })
    if (stored === undefined) return describeOpen(forms, file, accepted)
    await closeAll(forms)
    return foundIn(stored, accepted)
  }

  /** Where it is worth it. @returns undefined where it is not, or somebody changes the file meanwhile. */
  async #keep(
    key: string,
    forms: readonly OpenForm[],
    { location, path, type }: File,
  ): Promise<StoredFile | undefined> {
    const total = forms.reduce((sum, { stats }) => sum + stats.size, 0)
    if (!this.memory.reserve(key, total)) return undefined
    try {
      const contents = await readForms(forms)
      if (contents === undefined) return undefined
      const made = this.#compresses ? await generateForms(contents, type, location) : []
      const stored = new StoredFile(key, location, path, type, [...contents, ...made])
      this.memory.put(stored)
      return stored
    } finally {
      this.memory.release(key, total)
    }
  }

  /** Looks at the disk once a second at most. */
  async #isCurrent(stored: StoredFile, location: Location, segments: readonly string[]) {
    const now = performance.now()
    if (stored.isBelieved(now)) return true
    stored.checkedAt = now // others need not look meanwhile
    if (stored.canBeConfirmed && (await isUnchanged(stored, location, segments))) {
      stored.confirm()
      return true
    }
    this.memory.drop(stored.key)
    return false
  }
}

function foundIn(stored: StoredFile, accepted: Accepted): Found {
  const index = stored.chooseIndex(accepted)
  const { representation, body } = stored.ready[index] as StoredFile['ready'][number]
  const { content } = stored.forms[index] as Form
  return { kind: 'file', representation, source: { content, body }, stored }
}

const closeAll = (forms: readonly OpenForm[]) =>
  Promise.all(forms.map(({ fd }) => closeDescriptor(fd)))

/** Codings in which a file may have neighbours. */
const codingsOf = ({ options }: Location, type: string): readonly string[] =>
  isWorthCompressing(type) ? options.precompressed : []

const NONE = { kind: 'none' } as const

async function openForms(
  location: Location,
  segments: readonly string[],
  opened: OpenFile,
  type: string,
): Promise<OpenForm[]> {
  const neighbours = codingsOf(location, type).map(async (coding) => {
    // without it the file itself is good enough
    const neighbour = await openFile(location, segments, EXTENSIONS[coding]).catch(() => NONE)
    return neighbour.kind === 'file' ? [{ ...neighbour, coding }] : []
  })
  return [{ ...opened, coding: undefined }, ...(await Promise.all(neighbours)).flat()]
}

/** The form for this client, to be sent from its descriptor; the others are closed. */
async function describeOpen(
  forms: readonly OpenForm[],
  file: File,
  accepted: Accepted,
): Promise<Found> {
  const codings = forms.map(({ coding }) => coding ?? 'identity')
  const preferred = [...codings.slice(1), 'identity']
  const chosen = forms[codings.indexOf(chooseCoding(accepted, preferred) ?? 'identity')] as OpenForm
  await Promise.all(forms.map(({ fd }) => (fd === chosen.fd ? undefined : closeDescriptor(fd))))
  const now = Date.now()
  const stats = await statDescriptor(chosen.fd)
  const { coding } = chosen
  const validators = validatorsOf(stats, now, coding)
  const varies = forms.length > 1
  const representation = represent({ ...file, size: stats.size, coding, validators, varies }, now)
  return { kind: 'file', representation, source: { fd: chosen.fd } }
}

const statDescriptor = promisify(fstat)
const statPath = promisify(stat)
const readDescriptor = promisify(read)

async function readForms(forms: readonly OpenForm[]): Promise<Form[] | undefined> {
  const contents: Form[] = []
  for (const { fd, stats, coding } of forms) {
    const content = await readAll(fd, stats)
    if (content === undefined) return undefined
    contents.push({ coding, stats, content })
  }
  return contents
}

/** @returns undefined where the file changes meanwhile. */
async function readAll(fd: number, stats: Stats): Promise<Buffer | undefined> {
  const content = Buffer.allocUnsafeSlow(stats.size)
  let done = 0
  while (done < content.length) {
    const { bytesRead } = await readDescriptor(fd, content, done, content.length - done, done)
    if (bytesRead === 0) return undefined
    done += bytesRead
  }
  return isSame(stats, await statDescriptor(fd)) ? content : undefined
}

const isSame = (one: Stats, other: Stats) =>
  one.ino === other.ino &&
  one.dev === other.dev &&
  one.size === other.size &&
  one.mtimeMs === other.mtimeMs &&
  one.ctimeMs === other.ctimeMs

/** Whether all forms, and no others, are on disk as they are in memory. */
async function isUnchanged(
  { forms }: StoredFile,
  location: Location,
  segments: readonly string[],
): Promise<boolean> {
  const path = [location.folder.path, ...segments].join('/')
  const type = typeOf(segments.at(-1) ?? path, location)
  const codings = [undefined, ...codingsOf(location, type)]
  const same = codings.map(async (coding) => {
    const form = forms.find((each) => each.coding === coding && !each.isGenerated)
    const stats = await statOrNothing(path + (coding === undefined ? '' : EXTENSIONS[coding]))
    return form === undefined ? !stats?.isFile() : stats !== undefined && isSame(form.stats, stats)
  })
  return (await Promise.all(same)).every(Boolean)
}

/** What cannot be looked at has changed. */
const statOrNothing = (path: string) => statPath(path).catch(() => undefined)
