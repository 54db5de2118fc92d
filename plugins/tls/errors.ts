import createError from '@fastify/error'

/** The plugin's coded errors; `docs/errors.md` lists each with its cause and cure. */

export const NoCertificate = createError<[]>(
  'WSGI_CORE_TLS_NO_CERTIFICATE',
  'there is no certificate for TLS; give --certfile and --keyfile, --pkcs12, or for development --tls-self-signed',
)
export const BadCertificate = createError<[string, string]>(
  'WSGI_CORE_TLS_BAD_CERTIFICATE',
  "certificate '%s' cannot be used: %s",
)
export const BadKey = createError<[string, string]>(
  'WSGI_CORE_TLS_BAD_KEY',
  "private key '%s' cannot be used: %s",
)
export const BadFile = createError<[string, string]>(
  'WSGI_CORE_TLS_BAD_FILE',
  "'%s' cannot be read: %s",
)
export const BadSetting = createError<[string, string]>(
  'WSGI_CORE_TLS_BAD_SETTING',
  'option --%s cannot be used: %s',
)
