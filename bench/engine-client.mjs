// The client of bench/engine.mjs, in a process of its own.
//
//   node bench/engine-client.mjs load PORT CONNECTIONS SECONDS [close]   prints the requests/s
//   node bench/engine-client.mjs idle PORT CONNECTIONS                   one request on each; prints how many are open, and
//                                                                        keeps them until its input ends
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

const [mode, port, connections, seconds, close] = process.argv.slice(2)
const request = `GET / HTTP/1.1\r\nHost: a\r\n${close ? 'Connection: close\r\n' : ''}\r\n`
const AT_ONCE = 100
let answers = 0
let stopped = false

/** One request after the other; the length of the first answer tells where each ends. */
function load() {
  const socket = connect(Number(port), '127.0.0.1')
  let length = 0
  let received = 0
  socket.on('connect', () => socket.write(request))
  socket.on('data', (bytes) => {
    length ||= bytes.length
    received += bytes.length
    if (received < length) return
    received = 0
    answers++
    if (close || stopped) socket.end()
    else socket.write(request)
  })
  socket.on('error', (error) => console.error(error.message))
  socket.on('close', () => stopped || load())
}

async function open() {
  const socket = connect(Number(port), '127.0.0.1')
  await once(socket, 'connect')
  socket.write(request)
  await once(socket, 'data')
}

if (mode === 'load') {
  for (let index = 0; index < Number(connections); index++) load()
  await sleep(Number(seconds) * 1000)
  stopped = true
  console.log(answers / Number(seconds))
  process.exit()
}
let count = 0
try {
  for (; count < Number(connections); count += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, open))
  }
} catch (error) {
  console.error(`${error.message}: ${count} connections`) // no more descriptors
}
console.log(count)
for await (const _ of process.stdin);
process.exit()
