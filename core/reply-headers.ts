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

let ownFields: symbol | undefined

/** Nothing has been set on it: most are so, and to see it is quicker than to copy no fields. */
function isBare(reply: FastifyReply): boolean {
  ownFields ??= (requireFromFastify('./lib/symbols') as { kReplyHeaders: symbol }).kReplyHeaders
  const own = (reply as unknown as Record<symbol, object | undefined>)[ownFields]
  if (own === undefined) return false
  for (const _ in own) return false
  return reply.raw.getHeaderNames().length === 0
}

const hasField = (fields: readonly string[], name: string) =>
  fields.some((field, index) => index % 2 === 0 && field.toLowerCase() === name)
