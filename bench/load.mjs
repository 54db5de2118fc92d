// The load of bench/reload.mjs, in a process of its own: `node bench/load.mjs URL CONNECTIONS`. It begins at once, and
// when its input ends it prints [moment, milliseconds] of each request as JSON. Moments are those of Date.now().
import { performance } from 'node:perf_hooks'

const { Load } = await import('../test/helpers/load.ts')
const [url, connections] = process.argv.slice(2)
const load = new Load(url, Number(connections))
for await (const _ of process.stdin);
await load.stop()
const answers = load.answers.map(({ at, milliseconds }) => [
  performance.timeOrigin + at,
  milliseconds,
])
process.stdout.write(JSON.stringify({ answers, failures: load.failures }))
