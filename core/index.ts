/** The whole public surface of wsgi-core. */
export { type Address, formatAddress, parseBind } from './address.ts'
export { clock } from './clock.ts'
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
export { reportFailure } from './fastify.ts'
export type { FastifyHooks } from './fastify-hooks.ts'
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
export { countIn, type NetHandle, takeHandles } from './http/accept.ts'
export { adoptExpress } from './http/adopt.ts'
export type { Door, EngineRequest, EngineResponse, Owner, ParsedHead } from './http/door.ts'
export { type AttachedEngine, attachEngine, type EngineServer } from './http/engine.ts'
export { lentReads } from './http/lent-reads.ts'
export type { EngineOptions } from './http/limits.ts'
export {
  clientAddress,
  type Origin,
  originOf,
  schemeOf,
  setOrigin,
  unmapped,
} from './http/origin.ts'
export {
  type End,
  type Introduction,
  introductionOf,
  type Preamble,
  type Refused,
} from './http/preamble.ts'
export { PreparedAnswer, type PreparedHead, prepareHead } from './http/prepared-head.ts'
export { type FilePiece, type FileStretch, sendFile } from './http/send-file.ts'
export { isHost } from './http/syntax.ts'
/** Speaks HTTP/2 into the same door; loaded only where somebody wants it. */
export const loadHttp2 = () => import('./http2/server.ts')
export type { Http2Server, Http2Settings } from './http2/server.ts'
export { type HookTaps, inspectHooks } from './inspect.ts'
export { installedPlugins } from './installed.ts'
export { canonicalAddress, formatV6 } from './ip-address.ts'
export type { Inherited, ListenerSpec, Sharing } from './listeners.ts'
export { nearest } from './nearest.ts'
export { observeHead } from './observed-head.ts'
export { inOnePiece } from './one-piece.ts'
export { programRoot } from './paths.ts'
export { PeerSet } from './peer-set.ts'
export {
  definePlugin,
  type GivenOptions,
  type OptionDefinition,
  type Options,
  type OptionsOf,
  type Plugin,
  type PluginFactory,
  type PluginUse,
  type Schema,
  type Sections,
} from './plugins.ts'
export { allocateForReads } from './read-memory.ts'
export { addReplyHeaders } from './reply-headers.ts'
export { builtInPlugins, resolvePlugin } from './resolve.ts'
export { createServer, type FastifySetup, Server, type ServerOptions } from './server.ts'
export { version } from './version.ts'
