import { type Core, definePlugin } from '../../core/index.ts'
import { config, type TlsOptions } from './config.ts'
import { FileSource, type Source } from './file-source.ts'
import { FrontSource, supply } from './front-source.ts'
import { httpsOnly, preloadFault } from './https-only.ts'
import { TlsLife } from './life.ts'
import { createSettings, type Settings } from './settings.ts'
import { secureSpecs, servedSpecs } from './specs.ts'

const name = 'tls'

/** HTTPS, HTTP/2 and certificates. */
export default definePlugin({
  name,
  config,
  apply(core, options) {
    const life = TlsLife.of(core, name)
    const { supervisor } = core.links
    let source: Source
    let settings: Settings
    core.hooks.listeners.tapPromise(name, async (specs) => {
      source = supervisor
        ? new FrontSource(name, supervisor)
        : new FileSource(core, name, options, life)
      settings = createSettings(options, await source.load())
      if (life.current === undefined) life.put(settings)
      return servedSpecs(secureSpecs(specs, options), options, life, core.logger(name))
    })
    core.hooks.afterListen.tap(name, () => {
      takeOver(core, life, settings)
      source.follow((material) => {
        if (life.owner === core) life.put(createSettings(options, material))
      })
    })
    guideToHttps(core, options)
  },
  supervise(core, options) {
    const { fronts } = core.links
    core.hooks.listeners.tapPromise(name, async (specs) => {
      const source = new FileSource(core, name, options, TlsLife.of(core, name))
      if (fronts) await supply(name, fronts, source)
      return secureSpecs(specs, options)
    })
  },
})

/** From now on ports go by these settings; where a later step of the start fails, by those before. */
function takeOver(core: Core, life: TlsLife, settings: Settings): void {
  const { owner, current } = life
  life.owner = core
  core.defer(name, () => {
    if (life.owner !== core || owner === undefined) return
    life.owner = owner
    if (current) life.put(current)
  })
  if (current !== settings) life.put(settings)
}

function guideToHttps(core: Core, options: TlsOptions): void {
  let port = options.httpsPort ?? undefined
  const fault = preloadFault(options)
  if (fault && !core.links.supervisor) core.logger(name).warn(fault)
  const guide = httpsOnly(options, () => port)
  if (!guide) return
  core.hooks.request.tap({ name, stage: LATE }, guide)
  core.hooks.afterListen.tap(name, (addresses) => {
    const secure = addresses.find((address) => address.startsWith('https:'))
    if (secure) port ??= Number(new URL(secure).port || HTTPS_PORT)
  })
}

const HTTPS_PORT = 443
/** Behind who knows whom a request is from. */
const LATE = 100
