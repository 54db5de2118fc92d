import createError from '@fastify/error'

export const ProxyBadBind = createError(
  'WSGI_CORE_PROXY_BAD_BIND',
  "%s: nothing listens at '%s'; name one of the addresses of --bind",
)
export const ProxyTwoPreambles = createError(
  'WSGI_CORE_PROXY_TWO_PREAMBLES',
  "'%s' cannot speak uwsgi behind the PROXY protocol; name the binds by --uwsgi-binds or --proxy-protocol-binds",
)
export const ProxyUwsgiTls = createError(
  'WSGI_CORE_PROXY_UWSGI_TLS',
  "'%s' speaks TLS, which uwsgi does not; name the binds by --uwsgi-binds or --tls-bind",
)
