import type { FastifyReply } from 'fastify'
import { requireFromFastify } from './fastify-modules.ts'

/** Fields of which an answer may have several: the app's and those of plugins. */
const ADDED = new Set(['set-cookie', 'vary'])

/** What Fastify plugins have set on the reply (CORS, security headers) goes along, unless the app says otherwise. */
export function addReplyHeaders(fields: string[], reply: FastifyReply): string[] {
  if (isBare(reply)) return fields
  const own = reply.getHeaders()
  for (const name in own) {
    if (!ADDED.has(name) && hasField(fields, name)) continue
    for (const value of [own[name]].flat()) fields.push(name, String(value))
  }
  return fields
}

/** Names and values in turn of all that has been set on it. */
export function replyFields(reply: FastifyReply): string[] {
  const fields: string[] = []
  const headers = setHeaders(reply)
  for (const name in headers) {
    const value = headers[name]
    if (Array.isArray(value)) for (const one of value) fields.push(name, String(one))
    else fields.push(name, String(value))
  }
  return fields
}

type Headers = Readonly<Record<string, unknown>>

/** As `getHeaders`, without a copy where all of them are Fastify's. */
function setHeaders(reply: FastifyReply): Headers {
  const own = ownHeaders(reply)
  return own === undefined || reply.raw.getHeaderNames().length > 0 ? reply.getHeaders() : own
}

/** Nothing has been set on it: most are so, and to see it is quicker than to copy no fields. */
function isBare(reply: FastifyReply): boolean {
  const own = ownHeaders(reply)
  if (own === undefined) return false
  for (const _ in own) return false
  return reply.raw.getHeaderNames().length === 0
}

let ownFields: symbol | undefined

/** Those that Fastify keeps to itself until the head is written. */
function ownHeaders(reply: FastifyReply): Headers | undefined {
  ownFields ??= (requireFromFastify('./lib/symbols') as { kReplyHeaders: symbol }).kReplyHeaders
  return (reply as unknown as Record<symbol, Headers | undefined>)[ownFields]
}

const hasField = (fields: readonly string[], name: string) =>
  fields.some((field, index) => index % 2 === 0 && field.toLowerCase() === name)
