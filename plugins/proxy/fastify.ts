import type { FastifyInstance, FastifyRequest } from 'fastify'
import { clientAddress, originOf } from '../../core/index.ts'

type Getter = (this: FastifyRequest) => unknown

/** `request.ip`, `ips`, `protocol`; what else Fastify reads of a request stands in its fields already. */
const MEMBERS: Readonly<Record<string, Getter>> = {
  ip() {
    return clientAddress(this.raw) || undefined
  },
  ips() {
    return originOf(this.raw)?.hops ?? [clientAddress(this.raw)]
  },
  protocol() {
    return originOf(this.raw)?.scheme ?? ('encrypted' in this.raw.socket ? 'https' : 'http')
  },
}

export function tellFastify(fastify: FastifyInstance): void {
  for (const [name, getter] of Object.entries(MEMBERS)) {
    fastify.decorateRequest(name, { getter } as never)
  }
}
