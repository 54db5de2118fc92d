import createError from '@fastify/error'

export const ProxyBadBind = createError(
  'WSGI_CORE_PROXY_BAD_BIND',
  "%s: '%s' is not an address of --bind; name one of them",
)
export const ProxyTwoPreambles = createError(
  'WSGI_CORE_PROXY_TWO_PREAMBLES',
  "'%s' cannot speak uwsgi behind the PROXY protocol; name the binds by --uwsgi-binds or --proxy-protocol-binds",
)
