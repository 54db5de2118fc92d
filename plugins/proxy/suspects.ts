/** Fields that name the client's address, each alone. */
const ADDRESSES: ReadonlySet<string> = new Set([
  'x-real-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'x-envoy-external-address',
  'client-ip',
  'true-client-ip',
  'fastly-client-ip',
  'cf-connecting-ip',
  'cf-connecting-ipv6',
])

/**
 * Fields by which a proxy in front tells a server what it knows. From anybody else they are lies, or else of no use. A
 * `*` at the end stands for anything.
 */
export const SPOKEN_BY_PROXIES: readonly string[] = [
  ...ADDRESSES,
  'forwarded',
  'x-forwarded*',
  'x-real-port',
  'x-original-*',
  'cf-connecting-ip*',
  'front-end-https',
  'x-scheme',
  'x-url-scheme',
  'x-rewrite-url',
  'https',
  'x-https',
  'x-accel-*',
  'x-sendfile*',
  'ssl-*',
  'x-ssl-*',
  'x-client-cert*',
  'x-client-verify',
  'x-client-dn',
  'client-cert*',
  'remote-addr',
  'remote-user',
  'x-remote-user',
  'script-name',
  'path-info',
]

/** No client sends it, and `HTTP_PROXY` means something else to many programs (httpoxy). */
export const HTTPOXY = 'proxy'

export const isAddressField = (name: string) => ADDRESSES.has(name)
