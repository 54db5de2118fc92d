import type { FastifyRequest } from 'fastify'
import type { Hooks, ResponseHead } from '../../core/index.ts'

/** Status and fields, names and values in turn, as the taps of `response` leave them. */
export function observeHead(
  { response }: Hooks,
  statusCode: number,
  fields: readonly string[],
  request: FastifyRequest,
): { statusCode: number; fields: string[] } {
  const head: ResponseHead = { statusCode, headers: [] }
  for (let index = 0; index < fields.length; index += 2) {
    head.headers.push([fields[index] as string, fields[index + 1] as string])
  }
  response.call(head, request)
  const left: string[] = []
  for (const [name, value] of head.headers) left.push(name, value) // several times as quick as flat()
  return { statusCode: head.statusCode, fields: left }
}
