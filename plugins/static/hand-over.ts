import type { IncomingMessage } from 'node:http'
import type { FastifyReply } from 'fastify'
import type { Logger } from 'pino'
import type { EngineResponse } from '../../core/index.ts'
import type { Place } from './deliver.ts'
import type { Location } from './locations.ts'
import { valueIn } from './representation.ts'
import type { Outcome, Site } from './site.ts'
import { isSafeSegment } from './target.ts'

/** What an application may have sent in place of the body that it names. */
export interface FileHandOver {
  /**
   * Sends the file that an answer of the application names by X-Accel-Redirect or X-Sendfile, with the answer's own
   * fields. Nothing of the answer may have been sent. @returns undefined where it names none; rejects where the answer
   * could not be begun.
   */
  handOver(
    fields: readonly string[],
    request: IncomingMessage,
    response: EngineResponse,
    reply?: FastifyReply,
  ): Promise<void> | undefined
}

declare module '../../core/index.ts' {
  interface Services {
    static: FileHandOver
  }
}

/** What is said of the body that is not sent, and to us. */
const DROPPED =
  /^(?:content-(?:length|encoding|range)|transfer-encoding|accept-ranges|etag|last-modified|connection|date|x-accel-.*|x-sendfile)$/i

type Send = (outcome: Outcome, place: Place) => Promise<unknown>

/** Finds the named files in the locations, internal ones too, or below the folders allowed for X-Sendfile. */
export function createHandOver(
  site: Site,
  folders: readonly Location[],
  send: Send,
  log: Logger,
): FileHandOver {
  return {
    handOver(fields, request, response, reply) {
      const accel = valueIn(fields, 'x-accel-redirect')
      const file = folders.length > 0 ? valueIn(fields, 'x-sendfile') : undefined
      const named = accel ?? file
      if (named === undefined) return undefined
      const path = decodeBytes(named)
      const question = questionOf(request, fields)
      const found =
        accel === undefined
          ? findBelow(site, folders, path, question)
          : site.answerInternally(path, question)
      return found.then(async (outcome) => {
        const { status } = outcome.answer
        if (status === 404 || status === 403)
          log.error({ path, status }, 'the application names a file that is not to be had')
        await send(outcome, { request, response, reply })
      })
    },
  }
}

/** A file is read, whatever the method of the request was that led to it. */
const questionOf = ({ method, headers }: IncomingMessage, fields: readonly string[]) => ({
  method: method === 'HEAD' ? 'HEAD' : 'GET',
  fields: headers,
  given: fields.filter((_, index) => !DROPPED.test(fields[index & ~1] as string)),
})

async function findBelow(
  site: Site,
  folders: readonly Location[],
  path: string,
  question: Parameters<Site['answerFile']>[2],
): Promise<Outcome> {
  for (const location of folders) {
    const { folder } = location
    for (const base of [folder.path, await folder.real()]) {
      if (!path.startsWith(`${base}/`)) continue
      const segments = path.slice(base.length).split('/').filter(Boolean)
      if (segments.every(isSafeSegment)) return site.answerFile(location, segments, question)
    }
  }
  return site.refuse(404)
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Fields are latin-1 to WSGI (PEP 3333); names of files are mostly UTF-8 below it. */
function decodeBytes(value: string): string {
  try {
    return utf8.decode(Buffer.from(value, 'latin1'))
  } catch {
    return value // it was meant as latin-1
  }
}
