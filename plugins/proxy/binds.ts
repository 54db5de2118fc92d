import { resolve } from 'node:path'
import {
  type Address,
  type Core,
  type ListenerSpec,
  PeerSet,
  type Preamble,
  parseBind,
} from '../../core/index.ts'
import { ProxyBadBind, ProxyTwoPreambles } from './errors.ts'
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

type Change = (specs: ListenerSpec[]) => ListenerSpec[]

/** Gives each listener what its connections begin with. @throws WSGI_CORE_PROXY_BAD_BIND, WSGI_CORE_PROXY_TWO_PREAMBLES */
export function preambles(core: Core, options: BindOptions): Change {
  const keyOfText = (text: string) => keyOf(inFolder(parseBind(text), core.cwd))
  const all = core.options.bind.map(keyOfText)
  const chosen = (option: string, named: readonly string[], isWanted: boolean) => {
    if (named.length === 0) return new Set(isWanted ? all : [])
    const stray = named.find((text) => !all.includes(keyOfText(text)))
    if (stray !== undefined) throw new ProxyBadBind(option, stray)
    return new Set(named.map(keyOfText))
  }
  const ofUwsgi = chosen('--uwsgi-binds', options.uwsgiBinds, options.protocol === 'uwsgi')
  const ofProxy = chosen(
    '--proxy-protocol-binds',
    options.proxyProtocolBinds,
    options.proxyProtocol !== 'off',
  )
  const both = all.find((bind) => ofUwsgi.has(bind) && ofProxy.has(bind))
  if (both !== undefined) throw new ProxyTwoPreambles(both)
  const uwsgi = uwsgiPreamble(new PeerSet(options.uwsgiAllowIps))
  const version = options.proxyProtocol === 'off' ? 'auto' : options.proxyProtocol
  const proxy = proxyPreamble(version, new PeerSet(options.proxyAllowIps))
  const preambleOf = (bind: string): Preamble | undefined => {
    if (ofUwsgi.has(bind)) return uwsgi
    return ofProxy.has(bind) ? proxy : undefined
  }
  return (specs) => {
    for (const spec of specs) spec.preamble = preambleOf(keyOf(spec.address))
    return specs
  }
}

const keyOf = (address: Address) => JSON.stringify(address)

/** As the core resolves it. */
const inFolder = (address: Address, folder: string): Address =>
  address.kind === 'unix' ? { kind: 'unix', path: resolve(folder, address.path) } : address
