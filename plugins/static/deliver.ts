import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'
import {
  addReplyHeaders,
  type EngineResponse,
  type Hooks,
  isTapped,
  observeHead,
  sendFile,
} from '../../core/index.ts'
import { type Answer, type Body, discard } from './answer.ts'
import { FileStream } from './file-stream.ts'
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
  try {
    const all = reply ? addReplyHeaders(fields, reply) : fields
    const head = observed(answer, all, reply, hooks)
    response.writeHead(head.statusCode, head.fields)
  } catch (error) {
    await discard(answer)
    throw error
  }
  reply?.hijack() // not before: what has gone wrong till now is Fastify's to say
  const isBodiless = request.method === 'HEAD' || answer.status === 304
  await sendBody(response, answer.body, isBodiless, broken)
}

/** Sends an answer as Fastify sends its own, so that everybody's `onSend` sees it and may change it. */
export async function deliverByFastify(answer: Answer, reply: FastifyReply, broken: Broken) {
  reply.code(answer.status)
  for (let index = 0; index < answer.fields.length; index += 2) {
    reply.header(answer.fields[index] as string, answer.fields[index + 1])
  }
  if (answer.status !== 304) reply.header('content-length', answer.length)
  const { body } = answer
  if (reply.request.method === 'HEAD' || answer.status === 304) {
    await discard(answer)
    return reply.send()
  }
  if (body.kind === 'file') return reply.send(streamFor(reply, body, broken))
  return reply.send(typeof body.bytes === 'string' ? Buffer.from(body.bytes, 'latin1') : body.bytes)
}

/** Whoever sees it may send something else in its place: the file is closed with the answer, whatever that is. */
function streamFor(
  { raw }: FastifyReply,
  { fd, pieces }: Extract<Body, { kind: 'file' }>,
  broken: Broken,
): FileStream {
  const stream = new FileStream(fd, pieces)
  stream.once('error', broken)
  if (raw.destroyed) stream.destroy()
  else raw.once('close', () => stream.destroy())
  return stream
}

function observed(
  { status }: Answer,
  fields: string[],
  reply: FastifyReply | undefined,
  hooks: Hooks,
): ReturnType<typeof observeHead> {
  // whoever taps it has each request come through Fastify
  if (reply === undefined || !isTapped(hooks.response)) return { statusCode: status, fields }
  return observeHead(hooks, status, fields, reply.request)
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
