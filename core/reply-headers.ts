import type { FastifyReply } from 'fastify'

/** Fields of which an answer may have several: the app's and those of plugins. */
const ADDED = new Set(['set-cookie', 'vary'])

/** What Fastify plugins have set on the reply (CORS, security headers) goes along, unless the app says otherwise. */
export function addReplyHeaders(fields: string[], reply: FastifyReply): string[] {
  const own = reply.getHeaders()
  for (const name in own) {
    if (!ADDED.has(name) && hasField(fields, name)) continue
    for (const value of [own[name]].flat()) fields.push(name, String(value))
  }
  return fields
}

const hasField = (fields: readonly string[], name: string) =>
  fields.some((field, index) => index % 2 === 0 && field.toLowerCase() === name)
