import { createRequire } from 'node:module'

/** Looks modules up where Fastify finds them: its own dependencies, and by `./` its own parts. */
export const requireFromFastify = createRequire(createRequire(import.meta.url).resolve('fastify'))
