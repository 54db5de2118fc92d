// A process that has no descriptor left: how many of two messages each way keeps.
import { openSync } from 'node:fs'
import { parseSyslogAddress } from '../address.ts'
import { createTransport } from '../transports.ts'

const goesOn = setInterval(() => {}, 1000)
try {
  for (;;) openSync('/dev/null', 'r')
} catch {
  const ways = ['unix:///nowhere#dgram', 'tcp://127.0.0.1:9', 'udp://127.0.0.1:9']
  const kept: number[] = []
  for (const way of ways) {
    const { left } = await createTransport(parseSyslogAddress(way)).send(['a', 'b'])
    kept.push(left)
  }
  process.stdout.write(JSON.stringify(kept))
}
clearInterval(goesOn)
