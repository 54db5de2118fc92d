/** The whole public surface of wsgi-core. */
export { type Address, formatAddress, parseBind } from './address.ts'
export { FORMATS } from './config/formats.ts'
export { gunicornSettings, judge, optionFor } from './config/gunicorn.ts'
export { GUNICORN, type GunicornSetting } from './config/gunicorn-settings.ts'
export {
  type Arguments,
  type Configuration,
  loadConfiguration,
  type Sources,
} from './config/load.ts'
export { type CoreOptions, type OptionSpec, optionTable, variableOf } from './config/schema.ts'
export type { Core, Services } from './core.ts'
/** What several processes that serve as one are made of; loaded only where there are several. */
export const loadFronts = () => import('./fronts/index.ts')
export { errorPage } from './error-page.ts'
export * as errors from './errors.ts'
export type { FrontLink, FrontLinks, SupervisorLink } from './fronts/links.ts'
export {
  fromPlain,
  type Order as FrontOrder,
  type PlainError,
  toPlain,
} from './fronts/messages.ts'
export type { Handle } from './handles.ts'
export {
  createHooks,
  type Environ,
  type Finished,
  type Hooks,
  isTapped,
  type ResponseHead,
} from './hooks.ts'
export type { Door, EngineResponse } from './http/door.ts'
export type { EngineOptions } from './http/limits.ts'
export { clientAddress, type Origin, originOf, setOrigin, unmapped } from './http/origin.ts'
export {
  type End,
  type Introduction,
  introductionOf,
  type Preamble,
  type Refused,
} from './http/preamble.ts'
export { isHost } from './http/syntax.ts'
export { canonicalAddress, formatV6 } from './ip-address.ts'
export type { Inherited, ListenerSpec, Sharing } from './listeners.ts'
export { nearest } from './nearest.ts'
export { PeerSet } from './peer-set.ts'
export {
  definePlugin,
  type OptionDefinition,
  type Options,
  type Plugin,
  type PluginFactory,
  type PluginUse,
  type Schema,
} from './plugins.ts'
export { builtInPlugins, resolvePlugin } from './resolve.ts'
export { createServer, Server, type ServerOptions } from './server.ts'
export { version } from './version.ts'
