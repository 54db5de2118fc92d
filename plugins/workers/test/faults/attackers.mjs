// A process of clients, each of which breaks a limit and comes again when it is turned away.
// Arguments: port, number of clients. Says `all` on stdout when each has come once, and ends with its stdin.
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'

const [port, total] = process.argv.slice(2).map(Number)
const ADDRESSES = 8
const COME_AGAIN = 1000
const DRIP = 250

/** What each kind of client does once it is connected; what it gives back is done again and again. */
const KINDS = [
  function slowHead(socket) {
    socket.write('GET / HTTP/1.1\r\nHost: a\r\nX: ')
    return () => socket.write('x')
  },
  function hugeHead(socket) {
    socket.write(`GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`)
  },
  function slowBody(socket) {
    socket.write('POST /work HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n')
    return () => socket.write('x')
  },
  function hugeBody(socket) {
    socket.write('POST /work HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\nx')
  },
  function garbage(socket) {
    socket.write(randomBytes(1000))
  },
  function silence() {},
]
/** Few of these: each has an answer made for it. */
function noReader(socket) {
  socket.pause()
  socket.write('GET /big/3000000 HTTP/1.1\r\nHost: a\r\n\r\n')
}

let came = 0

function attack(number) {
  const kind = number % 50 === 0 ? noReader : KINDS[number % KINDS.length]
  const localAddress = `127.0.1.${1 + (number % ADDRESSES)}`
  const socket = connect({ port, host: '127.0.0.1', localAddress })
  let timer
  socket.on('connect', () => {
    if (++came === total) process.stdout.write('all\n')
    const again = kind(socket)
    if (again) timer = setInterval(again, DRIP)
    else if (!socket.isPaused()) socket.resume()
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    clearInterval(timer)
    setTimeout(attack, COME_AGAIN, number)
  })
}

for (let number = 0; number < total; number++) setTimeout(attack, number / 3, number)
process.stdin.on('end', () => process.exit()).resume()
