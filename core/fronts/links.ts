/** A front, as plugins in the supervisor see it. */
export interface FrontLink {
  /** No front that lives, or has lived a while ago, has the same. From 1 to 255. */
  readonly number: number
  send(plugin: string, body: unknown): void
}

/** The way of a plugin in the supervisor to itself in the fronts, within one generation. */
export interface FrontLinks {
  /** How many fronts there are to be. */
  readonly count: number
  /** `received` is given what the plugin sends in a front; `gone` is told of each front that has died. */
  listen(
    plugin: string,
    received: (from: FrontLink, body: unknown) => void,
    gone: (number: number) => void,
  ): void
}

/** The way of a plugin in a front to itself in the supervisor, within one generation. */
export interface SupervisorLink {
  /** This front's number. */
  readonly front: number
  /** How many fronts there are to be. */
  readonly count: number
  send(plugin: string, body: unknown): void
  listen(plugin: string, received: (body: unknown) => void): void
}
