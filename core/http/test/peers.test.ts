import { type Peer, suiteOfPeers } from './fixtures-ecosystem/peers.ts'

const LINKS = 'the package has no symbolic links'
const DISAGREES = 'a target whose authority is not that of Host is refused'

const PEERS: readonly Peer[] = [
  {
    name: '@fastify/static',
    least: 350,
    failing: {
      'should follow symbolic link without wildcard': LINKS,
      'serves an exact-spelled symbolic-link path with wildcard routing': LINKS,
    },
  },
  { name: '@fastify/compress', least: 7 },
  { name: '@fastify/multipart', least: 80 },
  {
    name: '@fastify/websocket',
    least: 30,
    without: { router: 'it waits for the answer to a handshake without Host' },
  },
  {
    name: '@fastify/http-proxy',
    least: 70,
    without: { 'websocket.js': 'pino-test', 'ws-reconnect': 'pino-test', 'socket.io': 'socket.io' },
  },
  { name: '@fastify/express', least: 20 },
  {
    name: '@fastify/middie',
    least: 30,
    failing: {
      'absolute-form request targets cannot bypass path-scoped middleware': DISAGREES,
      'absolute-form targets cannot bypass parameterized middleware': DISAGREES,
      'absolute-form targets cannot bypass middleware inherited by a child scope': DISAGREES,
    },
  },
]

const peers = suiteOfPeers("plugins' own tests on the engine", PEERS)
peers.run()
