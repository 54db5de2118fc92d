import { resolve } from 'node:path'
import {
  type Address,
  formatAddress,
  type ListenerSpec,
  PeerSet,
  parseBind,
} from '../../core/index.ts'
import { ProxyBadBind, ProxyTwoPreambles, ProxyUwsgiTls } from './errors.ts'
import { proxyPreamble, type Version } from './proxy-protocol/preamble.ts'
import { uwsgiPreamble } from './uwsgi/preamble.ts'

export interface BindOptions {
  readonly protocol: 'http' | 'uwsgi'
  readonly uwsgiBinds: readonly string[]
  readonly uwsgiAllowIps: readonly string[]
  readonly proxyProtocol: 'off' | Version
  readonly proxyProtocolBinds: readonly string[]
  readonly proxyAllowIps: readonly string[]
}

/**
 * Tells the listeners, all of which are there, what their connections begin with.
 * @throws WSGI_CORE_PROXY_BAD_BIND, WSGI_CORE_PROXY_TWO_PREAMBLES, WSGI_CORE_PROXY_UWSGI_TLS
 */
export function expectPreambles(
  specs: ListenerSpec[],
  options: BindOptions,
  cwd: string,
): ListenerSpec[] {
  const { proxyProtocol, uwsgiBinds, proxyProtocolBinds } = options
  const choose = chooser(specs, cwd)
  const ofUwsgi = choose('--uwsgi-binds', uwsgiBinds, options.protocol === 'uwsgi')
  const isProxied = proxyProtocol !== 'off'
  const ofProxy = choose('--proxy-protocol-binds', isProxied ? proxyProtocolBinds : [], isProxied)
  const uwsgi = uwsgiPreamble(new PeerSet(options.uwsgiAllowIps))
  const version = isProxied ? proxyProtocol : 'auto'
  const proxy = proxyPreamble(version, new PeerSet(options.proxyAllowIps))
  return specs.map((spec) => {
    const isBoth = ofUwsgi.has(spec) && ofProxy.has(spec)
    if (isBoth) throw new ProxyTwoPreambles(nameOf(spec.address))
    if (ofUwsgi.has(spec)) return speakUwsgi(spec, uwsgi)
    return ofProxy.has(spec) ? { ...spec, preamble: proxy } : spec
  })
}

/** Picks the listeners that an option names; where it names none, all or nothing. */
function chooser(specs: readonly ListenerSpec[], cwd: string) {
  return (option: string, named: readonly string[], isWanted: boolean) => {
    if (named.length === 0) return new Set(isWanted ? specs : [])
    const chosen = named.flatMap((text) => {
      const key = keyOf(inFolder(parseBind(text), cwd))
      const found = specs.filter(({ address }) => keyOf(address) === key)
      if (found.length === 0) throw new ProxyBadBind(option, text)
      return found
    })
    return new Set(chosen)
  }
}

/** By the engine itself: what it reads there becomes a request in HTTP. */
function speakUwsgi(
  spec: ListenerSpec,
  preamble: NonNullable<ListenerSpec['preamble']>,
): ListenerSpec {
  if (spec.scheme === 'https') throw new ProxyUwsgiTls(nameOf(spec.address))
  const { address, scheme } = spec
  return { address, scheme, preamble }
}

const keyOf = (address: Address) => JSON.stringify(address)

const nameOf = (address: Address) => formatAddress(address, 'http')

/** As the core resolves it. */
const inFolder = (address: Address, folder: string): Address =>
  address.kind === 'unix' ? { kind: 'unix', path: resolve(folder, address.path) } : address
