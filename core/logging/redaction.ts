export const CENSOR = '[redacted]'
export const SECRETS = [
  'authorization',
  'proxy-authorization',
  'cookie',
  'set-cookie',
  'password',
  'passphrase',
  'secret',
  'token',
  'key',
  'pfx',
]
export const SECRET_NAMES = new Set(SECRETS)
