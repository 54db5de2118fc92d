import { createReadStream } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import {
  addReplyHeaders,
  type EngineResponse,
  type FilePiece,
  type Hooks,
  isTapped,
  observeHead,
  sendFile,
} from '../../core/index.ts'
import type { Answer, Body } from './answer.ts'
import { closeDescriptor } from './open-file.ts'

/** What is told of an answer that could not be sent in full. */
export type Broken = (error: Error) => void

/** Whom an answer goes to. */
export interface Place {
  readonly request: IncomingMessage
  readonly response: EngineResponse
  /** Where the request came through Fastify. */
  readonly reply?: FastifyReply | undefined
}

/** Sends an answer past Fastify, which is the quickest; the `response` hook sees it, nobody else. */
export async function deliver(
  answer: Answer,
  { request, response, reply }: Place,
  hooks: Hooks,
  broken: Broken,
): Promise<void> {
  const length = answer.status === 304 ? [] : ['Content-Length', String(answer.length)]
  const fields = [...answer.fields, ...length]
  const head = await observed(answer, reply ? addReplyHeaders(fields, reply) : fields, reply, hooks)
  reply?.hijack()
  response.writeHead(head.statusCode, head.fields)
  const isBodiless = request.method === 'HEAD' || answer.status === 304
  await sendBody(response, answer.body, isBodiless, broken)
}

/** Sends an answer as Fastify sends its own, so that everybody's `onSend` sees it and may change it. */
export async function deliverByFastify(answer: Answer, reply: FastifyReply) {
  reply.code(answer.status)
  for (let index = 0; index < answer.fields.length; index += 2) {
    reply.header(answer.fields[index] as string, answer.fields[index + 1])
  }
  if (answer.status !== 304) reply.header('content-length', answer.length)
  const { body } = answer
  if (reply.request.method === 'HEAD' || answer.status === 304) {
    if (body.kind === 'file') await closeDescriptor(body.fd)
    return reply.send()
  }
  if (body.kind === 'file') return reply.send(Readable.from(readPieces(body.fd, body.pieces)))
  return reply.send(typeof body.bytes === 'string' ? Buffer.from(body.bytes, 'latin1') : body.bytes)
}

async function observed(
  { status, body }: Answer,
  fields: string[],
  reply: FastifyReply | undefined,
  hooks: Hooks,
): Promise<ReturnType<typeof observeHead>> {
  // whoever taps it has each request come through Fastify
  if (reply === undefined || !isTapped(hooks.response)) return { statusCode: status, fields }
  try {
    return observeHead(hooks, status, fields, reply.request)
  } catch (error) {
    if (body.kind === 'file') await closeDescriptor(body.fd)
    throw error
  }
}

async function sendBody(
  response: ServerResponse,
  body: Body,
  isBodiless: boolean,
  broken: Broken,
): Promise<void> {
  if (body.kind === 'bytes') {
    if (isBodiless) response.end()
    else if (typeof body.bytes === 'string') response.end(body.bytes, 'latin1')
    else response.end(body.bytes)
  } else if (isBodiless) {
    await closeDescriptor(body.fd)
    response.end()
  } else sendFile(response, body.fd, body.pieces, broken)
}

async function* readPieces(fd: number, pieces: readonly FilePiece[]) {
  try {
    for (const piece of pieces) {
      if (piece instanceof Uint8Array) yield piece
      else if (piece.length > 0) {
        const { start, length } = piece
        yield* createReadStream('', { fd, start, end: start + length - 1, autoClose: false })
      }
    }
  } finally {
    await closeDescriptor(fd)
  }
}
