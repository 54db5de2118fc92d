// A plugin as somebody might write it: observes and changes what goes in and out.
import { definePlugin } from 'wsgi-core'

export default definePlugin({
  name: 'observer',
  apply(core) {
    core.hooks.environ.tap('observer', (environ, request) => {
      if (request.headers['x-fail'] === 'environ') throw new Error('the environ hook fails')
      if (request.headers['x-fail'] === 'nul') environ.set('shop.nul', 'a\0b')
      environ.set('shop.tenant', request.headers['x-tenant'] ?? 'none')
      environ.set('REMOTE_USER', 'åsa')
      environ.set('PATH_INFO', environ.get('PATH_INFO').replace(/^\/moved/, ''))
      environ.delete('HTTP_X_SECRET')
    })
    core.hooks.response.tap('observer', (head, request) => {
      if (request.headers['x-fail'] === 'response') throw new Error('the response hook fails')
      if (request.headers['x-fail'] === 'header')
        head.headers.push(['X-Evil', 'a\r\nX-Injected: 1'])
      if (request.headers['x-status']) head.statusCode = Number(request.headers['x-status'])
      const deleted = head.headers.findIndex(([name]) => name === 'X-Empty')
      if (deleted >= 0) head.headers.splice(deleted, 1)
      for (const field of head.headers) if (field[0] === 'X-Latin') field[1] = 'changed'
      head.headers.push(['X-Added', '1'], ['X-Added', '2'])
    })
    core.hooks.server.tap('observer', (fastify) => {
      fastify.addHook('onRequest', async (_request, reply) => {
        reply.header('X-Frame-Options', 'DENY')
        reply.header('Content-Type', 'the/plugins')
        reply.header('Set-Cookie', ['p=1', 'q=2'])
      })
    })
  },
})
