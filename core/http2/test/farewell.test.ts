import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { EngineResponse } from '../../http/door.ts'
import { CODE, FLAG, FRAME } from '../protocol.ts'
import { frame } from './harness.ts'
import { BEGINNING, get } from './sequences.ts'
import { type Client, Site } from './wire.ts'

const sites: Site[] = []

async function open(limits = {}) {
  const answers: EngineResponse[] = []
  const site = new Site((_request, response) => void answers.push(response), limits)
  sites.push(site)
  const client = site.open()
  client.receive(BEGINNING)
  await client.settle()
  return { site, client, answers }
}

/** The last streams that GOAWAY frames have named. */
const farewells = (client: Client) =>
  client.frames
    .filter(({ type }) => type === FRAME.goaway)
    .map(({ payload }) => [payload.readUInt32BE(0), payload.readUInt32BE(4)])

const acknowledge = (client: Client) => {
  const { payload } = client.frames.find(
    ({ type }) => type === FRAME.ping,
  ) as (typeof client.frames)[0]
  client.receive(frame(FRAME.ping, FLAG.ack, 0, Buffer.from(payload)))
}

const ANY = 0x7fff_ffff

const farewell = suite('the end of a connection')
farewell.after.each(() => {
  for (const site of sites.splice(0)) site.close()
})

farewell('§6.8: is announced, and requests on their way are answered', async () => {
  const { site, client, answers } = await open()
  client.receive(get(1))
  site.server.close()
  await client.settle()
  assert.equal(farewells(client), [[ANY, CODE.noError]])
  client.receive(get(3)) // it was on its way
  acknowledge(client)
  await client.settle()
  assert.equal(farewells(client).at(-1), [3, CODE.noError])
  client.receive(get(5)) // the client knows that nobody looks at it
  await client.settle()
  assert.is(site.started, 2)
  assert.is(client.of(5).reset, undefined)
  for (const answer of answers) answer.end('good')
  await client.settle()
  assert.equal([client.of(1).body, client.of(3).body], ['good', 'good'])
  assert.is(client.socket.writableEnded, true)
  assert.is(site.server.size, 0)
})

farewell('comes at once where nothing is under way and the client has heard of it', async () => {
  const { site, client } = await open()
  site.server.closeIdleConnections()
  await client.settle()
  acknowledge(client)
  await client.settle()
  assert.equal(farewells(client), [
    [ANY, CODE.noError],
    [0, CODE.noError],
  ])
  assert.is(client.socket.writableEnded, true)
})

farewell('comes where the client says nothing to it, too', async () => {
  const { site, client } = await open({ lingerTime: 100 })
  site.server.close()
  while (!client.socket.destroyed) {
    await client.settle(1)
    await new Promise((done) => setTimeout(done, 20))
  }
  assert.equal(farewells(client).at(-1), [0, CODE.noError])
})

farewell('is the client’s to choose: it has what is under way answered', async () => {
  const { client, answers } = await open()
  client.receive(Buffer.concat([get(1), frame(FRAME.goaway, 0, 0, Buffer.alloc(8))]))
  await client.settle()
  assert.is(client.socket.writableEnded, false)
  answers[0]?.end('good')
  await client.settle()
  assert.is(client.of(1).body, 'good')
  assert.is(client.socket.writableEnded, true)
})

farewell(
  'after a fault says which streams were looked at, and closes their responses',
  async () => {
    const { site, client, answers } = await open()
    client.receive(
      Buffer.concat([get(1), get(3), frame(FRAME.ping, 0, 1, Buffer.alloc(8)), get(5)]),
    )
    await client.settle()
    assert.equal(farewells(client), [[3, CODE.protocol]])
    assert.is(site.started, 2)
    assert.ok(answers.every(({ destroyed }) => destroyed))
    assert.is(client.socket.writableEnded, true)
    // what comes after is passed over
    client.receive(Buffer.concat([get(7), Buffer.alloc(100_000)]))
    await client.settle()
    assert.is(site.started, 2)
  },
)

farewell('of a client that has left is the end of its requests', async () => {
  const { site, client, answers } = await open()
  client.receive(get(1))
  client.socket.emit('end')
  await client.settle()
  assert.is(answers[0]?.destroyed, true)
  assert.is(site.server.size, 0)
})

farewell.run()
