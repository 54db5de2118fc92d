import { remedyFor } from './roles.ts'
import type { Settings } from './settings.ts'

/** Clients may choose names that a proxy lets through. */
const MAX_TOLD = 50

/** Tells, once for each, of fields that are removed although a trusted peer has sent them. */
export class Unvouched {
  readonly #settings: Settings
  readonly #told = new Set<string>()

  constructor(settings: Settings) {
    this.#settings = settings
  }

  tell(name: string, peer: string): void {
    if (this.#told.has(name) || this.#told.size >= MAX_TOLD) return
    this.#told.add(name)
    const { log } = this.#settings
    const option = remedyFor(name, this.#settings)
    log.warn({ field: capitalize(name), peer, ...(option && { option }) }, TEXT)
  }
}

const TEXT =
  'header removed, as the proxy may have let it through from a client; if the proxy sets it, see the option'

const capitalize = (name: string) => name.replace(/(?:^|-)[a-z]/g, (each) => each.toUpperCase())
