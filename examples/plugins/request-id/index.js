import { randomBytes } from 'node:crypto'
import { definePlugin } from 'wsgi-core'

const name = 'request-id'

/** What a client or a proxy may send: nothing that could break a log or a header. */
const VALID = /^[\w.-]{1,128}$/
/** W3C Trace Context: version, trace, parent, flags. */
const TRACE = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/

/** Every request has an id and a `traceparent`; application, answer and log all see them. */
export default definePlugin({
  name,
  config: {
    trust: {
      doc: 'Keep the id that a request brings along, for servers behind a proxy that gives it one.',
      format: 'flag',
      default: false,
      arg: 'request-id-trust',
    },
    log: {
      doc: 'A line for each request in the error log, with its id.',
      format: 'flag',
      default: false,
      arg: 'request-id-log',
    },
  },
  apply(core, { trust, log }) {
    const marks = new WeakMap()
    core.hooks.request.tap(name, (request) => {
      marks.set(request, markOf(request.headers, trust))
    })
    core.hooks.environ.tap(name, (environ, request) => {
      const { id, trace } = marks.get(request.raw)
      environ.set('HTTP_X_REQUEST_ID', id)
      environ.set('HTTP_TRACEPARENT', trace)
    })
    core.hooks.response.tap(name, (head, request) => {
      head.headers.push(['X-Request-Id', marks.get(request.raw).id])
    })
    if (!log) return
    core.hooks.finished.tap(name, (request, _response, { statusCode, milliseconds }) => {
      const { id, trace } = marks.get(request)
      core.logger(name).info({ id, trace, statusCode, milliseconds }, 'request')
    })
  },
})

function markOf(headers, trust) {
  const given = headers['x-request-id']
  const trace = headers.traceparent
  return {
    id: trust && VALID.test(given ?? '') ? given : randomBytes(12).toString('base64url'),
    trace: trust && TRACE.test(trace ?? '') ? trace : newTrace(),
  }
}

const newTrace = () => `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-01`
