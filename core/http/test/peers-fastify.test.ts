import { type Peer, suiteOfPeers } from './fixtures-ecosystem/peers.ts'

const CLOSES = 'the last answer of a connection says so, and nothing follows it'
const REFUSES = 'what cannot be read is answered by the engine'

const PEERS: readonly Peer[] = [
  {
    name: 'fastify',
    least: 1200,
    without: {
      'bundler/': 'another package',
      'diagnostics-channel/': 'each wants the channels of its process for itself',
      'http2/': "node:http2's servers",
      'https/': "node:https's servers",
      'internals/initial-config': 'a certificate',
      'client-timeout':
        "node:http's requestTimeout, in whose place the engine has limits of its own",
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
  },
]

const peers = suiteOfPeers("Fastify's own tests on the engine", PEERS)
peers.run()
