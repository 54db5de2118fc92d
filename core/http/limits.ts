/** Every limit of the engine. Sizes are in bytes, times in milliseconds, rates in bytes a second; 0 means no limit. */
export interface EngineOptions {
  /** Request line without its line end; past it 414. Default 4094 (gunicorn: limit_request_line). */
  readonly requestLine?: number
  /** One field line without its line end; past it 431. Default 8190 (gunicorn: limit_request_field_size). */
  readonly fieldSize?: number
  /** Field lines of a request, those dropped included; past it 431. Default 100. */
  readonly fields?: number
  /** The whole head; past it 431. Default 32,768 (nginx: large_client_header_buffers, 4 of 8 KiB). */
  readonly head?: number
  /** Body; past it 413. Default 1 GiB (Apache: LimitRequestBody): nothing is held in memory, yet a disk has an end. */
  readonly body?: number
  /** Field lines of a chunked body's trailer section, in bytes; past it 431. Default 8190. */
  readonly trailers?: number
  /** Chunk extensions of a whole body; past it 400. Default 4096. */
  readonly chunkExtensions?: number
  /** Time for a whole head, from its first byte (or from the start of the connection); then 408. Default 10,000. */
  readonly headTime?: number
  /** The least rate of a body that the application is ready to take; below it 408. Default 240. */
  readonly bodyRate?: number
  /** The least rate at which a client takes its answer; below it the connection ends. Default 240. */
  readonly readRate?: number
  /** Over how long the two rates are measured. Default 10,000. */
  readonly rateTime?: number
  /** What is read of a body that the application did not want, to keep the connection. Default 65,536. */
  readonly drain?: number
  /** Requests on one connection; the last answer says `Connection: close`. Default 10,000. */
  readonly requests?: number
  /** Connections of a server. One more takes the place of a waiting one, or gets 503. Default 20,000. */
  readonly connections?: number
  /** Connections of one address; one more gets 429. Default: half of `connections`. */
  readonly connectionsPerAddress?: number
  /** How long what a client still sends is read after the answer that closes the connection. Default 2000. */
  readonly lingerTime?: number
}

/** The options with each default filled in, and with infinity for "no limit". */
export type Limits = { readonly [Key in keyof EngineOptions]-?: number }

const DEFAULTS: Limits = {
  requestLine: 4094,
  fieldSize: 8190,
  fields: 100,
  head: 32_768,
  body: 1_073_741_824,
  trailers: 8190,
  chunkExtensions: 4096,
  headTime: 10_000,
  bodyRate: 240,
  readRate: 240,
  rateTime: 10_000,
  drain: 65_536,
  requests: 10_000,
  connections: 20_000,
  connectionsPerAddress: 10_000,
  lingerTime: 2000,
}

/** Where 0 is a setting of its own and not the absence of one. */
const ZERO_IS_ZERO = new Set<string>(['bodyRate', 'readRate', 'drain', 'lingerTime'])

export function resolveLimits(options: EngineOptions): Limits {
  const connections = options.connections ?? DEFAULTS.connections
  const defaults = { ...DEFAULTS, connectionsPerAddress: Math.ceil(connections / 2) }
  const merged = { ...defaults, ...options } as Record<string, number>
  for (const [name, value] of Object.entries(merged)) {
    if (value === 0 && !ZERO_IS_ZERO.has(name)) merged[name] = Number.POSITIVE_INFINITY
  }
  return merged as unknown as Limits
}
