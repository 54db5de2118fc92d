import type { Logger } from 'pino'
import {
  type Door,
  type EngineOptions,
  type Http2Server,
  type Http2Settings,
  type ListenerSpec,
  loadHttp2,
  parseBind,
} from '../../core/index.ts'
import { CleartextPort } from './cleartext-port.ts'
import type { TlsOptions } from './config.ts'
import type { TlsLife } from './life.ts'
import type { Report } from './port.ts'
import { http2Settings, type Settings } from './settings.ts'
import { TlsPort } from './tls-port.ts'

/** Which addresses speak TLS: those of --tls-bind where there are any, else all. */
export function secureSpecs(specs: readonly ListenerSpec[], { bind }: TlsOptions): ListenerSpec[] {
  if (bind === null) return specs.map((spec) => ({ ...spec, scheme: 'https' }))
  const added = bind.map((text) => ({ address: parseBind(text), scheme: 'https' as const }))
  return [...specs, ...added]
}

/** How each of them is served. */
export async function servedSpecs(
  specs: readonly ListenerSpec[],
  options: TlsOptions,
  life: TlsLife,
  log: Logger,
): Promise<ListenerSpec[]> {
  const isCleartext = options.http2Cleartext !== 'off'
  if (isCleartext || options.httpProtocols.includes('h2')) life.http2 ??= await loadHttp2()
  const createHttp2 = (door: Door, limits: EngineOptions, settings: Http2Settings): Http2Server => {
    if (!life.http2) throw new TypeError('HTTP/2 is not loaded')
    return new life.http2.Http2Server(door, limits, settings)
  }
  const report = reporter(log)
  const createTls = (door: Door, limits: EngineOptions) => {
    const port = new TlsPort(door, limits, report, life.current as Settings, createHttp2)
    life.open(port)
    return port.server
  }
  const settings = http2Settings(options)
  const createCleartext = (door: Door, limits: EngineOptions) =>
    new CleartextPort(door, limits, report, (...all) => createHttp2(...all, settings)).server
  return specs.map((spec) => {
    if (spec.scheme === 'https') return { ...spec, createServer: createTls }
    return isCleartext ? { ...spec, createServer: createCleartext } : spec
  })
}

/** One line each: a client at fault is nothing to act upon. */
const reporter =
  (log: Logger): Report =>
  ({ remoteAddress: from }, reason) =>
    log.debug({ from, reason }, 'connection came to nothing')
