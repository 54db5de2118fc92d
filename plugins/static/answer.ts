import { errorPage, type FilePiece, type FileStretch } from '../../core/index.ts'
import { closeDescriptor } from './open-file.ts'
import { contentRange, multipart, parseRanges } from './ranges.ts'
import { type Representation, valueIn, withAdded } from './representation.ts'
import { allowsRange, checkPreconditions, type Fields } from './validators.ts'

/** What is sent: `pieces` are of an open file, or of the contents in memory. */
export interface Answer {
  readonly status: number
  /** Names and values in turn, without the length. */
  readonly fields: readonly string[]
  readonly length: number
  readonly body: Body
}

export type Body =
  | { readonly kind: 'bytes'; readonly bytes: string | Uint8Array }
  | { readonly kind: 'file'; readonly fd: number; readonly pieces: readonly FilePiece[] }

/** The parts of a request that an answer depends on. */
export interface Question {
  readonly method: string
  readonly fields: Fields
  /** Fields that an application has given along with the file's name. */
  readonly given?: readonly string[]
}

/** Where the bytes of a representation are; `body` is all of the content, in the form that is written the quickest. */
export type Source =
  | { readonly fd: number }
  | { readonly content: Buffer; readonly body: string | Buffer }

/** The answer to a request for a file: whole, a range, or that the client has it already. */
export function answerWith(found: Representation, source: Source, question: Question): Answer {
  const { method, fields, given = [] } = question
  const file = given.length > 0 ? withGiven(found, given) : found
  const isRead = method === 'GET' || method === 'HEAD'
  const status = checkPreconditions(fields, file.validators, isRead)
  if (status === 304) return { ...NOTHING, status, fields: withoutContent(file.fields) }
  if (status === 412) return errorAnswer(412)
  const range = method === 'GET' && allowsRange(fields, file.validators) ? fields.range : undefined
  const ranges = parseRanges(range as string | undefined, file.size)
  if (ranges === undefined) return wholeAnswer(file, source)
  if (ranges.length === 0) return errorAnswer(416, ['Content-Range', `bytes */${file.size}`])
  return partialAnswer(file, source, ranges)
}

/** What the application says counts more than what the file's name says. */
function withGiven(file: Representation, given: readonly string[]): Representation {
  const told = given.filter((_, index) => given[index | 1] !== '') // as nginx: empty is not said
  const fields = withAdded(file.fields, told)
  return { ...file, fields, type: valueIn(told, 'content-type') ?? file.type }
}

const NOTHING = { length: 0, body: { kind: 'bytes', bytes: '' } } as const

function wholeAnswer(file: Representation, source: Source): Answer {
  const { size: length, fields } = file
  if ('fd' in source) return { status: 200, fields, length, body: bodyOf(source, [all(length)]) }
  return { status: 200, fields, length, body: { kind: 'bytes', bytes: source.body } }
}

const all = (length: number): FileStretch => ({ start: 0, length })

function partialAnswer(file: Representation, source: Source, ranges: FileStretch[]): Answer {
  const [first] = ranges as [FileStretch]
  if (ranges.length === 1) {
    const fields = [...file.fields, 'Content-Range', contentRange(first, file.size)]
    return { status: 206, fields, length: first.length, body: bodyOf(source, ranges) }
  }
  const { type, pieces, length } = multipart(ranges, file.type, file.size)
  const fields = replaceField(file.fields, 'content-type', type)
  return { status: 206, fields, length, body: bodyOf(source, pieces) }
}

function bodyOf(source: Source, pieces: readonly FilePiece[]): Body {
  if ('fd' in source) return { kind: 'file', fd: source.fd, pieces }
  const parts = pieces.map((piece) =>
    piece instanceof Uint8Array
      ? piece
      : source.content.subarray(piece.start, piece.start + piece.length),
  )
  return { kind: 'bytes', bytes: parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts) }
}

/** A page of our own. */
export function errorAnswer(status: number, fields: readonly string[] = []): Answer {
  const bytes = errorPage(status)
  const type = ['Content-Type', 'text/html; charset=utf-8']
  const body = { kind: 'bytes', bytes } as const
  return { status, fields: [...type, ...fields], length: bytes.length, body }
}

/** A redirect within this host. */
export function redirectAnswer(location: string): Answer {
  return errorAnswer(301, ['Location', location])
}

/** RFC 9110 §15.4.5: what describes the content stays away from a 304. */
export const withoutContent = (fields: readonly string[]): string[] =>
  fields.filter(
    (_, index) => !/^(content-(?!security|location)|accept-ranges$)/i.test(nameAt(fields, index)),
  )

export const replaceField = (fields: readonly string[], name: string, value: string): string[] =>
  fields.map((each, index) =>
    index % 2 === 1 && nameAt(fields, index).toLowerCase() === name ? value : each,
  )

const nameAt = (fields: readonly string[], index: number) => fields[index & ~1] as string

/** It is not sent. */
export async function discard({ body }: Answer): Promise<void> {
  if (body.kind === 'file') await closeDescriptor(body.fd)
}
