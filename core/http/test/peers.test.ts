import { type Peer, suiteOfPeers } from './fixtures-ecosystem/peers.ts'

const LINKS = 'the package has no symbolic links'
const DISAGREES = 'a target whose authority is not that of Host is refused'

const CLOSES = 'the last answer of a connection says so, and nothing follows it'
const REFUSES = 'what cannot be read is answered by the engine'

/** Over a thousand, for a minute: by `npm run peers`. */
const FASTIFY: Peer = {
  name: 'fastify',
  least: 1200,
  without: {
    'bundler/': 'another package',
    'diagnostics-channel/': 'each wants the channels of its process for itself',
    'http2/': "node:http2's servers",
    'https/': "node:https's servers",
    'internals/initial-config': 'a certificate',
    'client-timeout': "node:http's requestTimeout, in whose place the engine has limits of its own",
    'max-requests-per-socket': "node:http's Keep-Alive field, and its 503 after the last answer",
    'request-header-host': 'a Host that is missing or empty',
    'request-timeout': "node:http's requestTimeout",
  },
  failing: {
    'Unknown method': 'the application is asked, and has no route for it',
    'Should return 503 while closing - pipelining': CLOSES,
    'Should close the socket abruptly - pipelining - return503OnClosing: false': CLOSES,
    'Current opened connection should NOT continue to work after closing and return "connection: close" header - return503OnClosing: false':
      CLOSES,
    'Current opened connection should not accept new incoming connections': CLOSES,
    'rejected incoming connections should be logged': CLOSES,
    'Should not make an extra closeIdleConnections call for native servers':
      "it is not node:http's server",
    'Should preserve the extra closeIdleConnections call for custom servers':
      "it is not node:http's server",
    'handlerTimeout firing after the reply ended but before it finished is a no-op':
      "it holds back 'finish', and so would 'close' in node:http",
    'Should reply 400 on client error': REFUSES,
    'Should set the response from client error handler': REFUSES,
    'non-numeric content-length is rejected before Fastify body parsing': REFUSES,
  },
}

const PLUGINS: readonly Peer[] = [
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

const all = process.env.WSGI_CORE_PEERS === '1' ? [FASTIFY, ...PLUGINS] : PLUGINS
const peers = suiteOfPeers("tests of Fastify's plugins, and its own, on the engine", all)
peers.run()
