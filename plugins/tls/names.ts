import type { X509Certificate } from 'node:crypto'

const DNS = /DNS:(?:"((?:[^"\\]|\\.)*)"|([^,]+))/g

/** The names that a certificate is for, in lower case: host names, some with `*.` before them. */
export function namesOf({ subjectAltName, subject }: X509Certificate): string[] {
  const names = [...(subjectAltName ?? '').matchAll(DNS)].map(([, quoted, bare]) => quoted ?? bare)
  // RFC 6125 §6.4.4: the common name counts only where there is no other
  const common = subjectAltName === undefined ? /^CN=(.+)$/m.exec(subject)?.[1] : undefined
  return [...names, common].filter((name) => name !== undefined).map((name) => name.toLowerCase())
}

/** Things by the names that they are for; a wildcard stands for one label (RFC 6125 §6.4.3). */
export class NameTable<T> {
  readonly #exact = new Map<string, T[]>()
  /** By what follows `*`. */
  readonly #wild = new Map<string, T[]>()

  add(name: string, value: T): void {
    const isWild = name.startsWith('*.')
    const [map, key] = isWild ? [this.#wild, name.slice(1)] : [this.#exact, name]
    map.set(key, [...(map.get(key) ?? []), value])
  }

  /** All that are for this name; those that say it exactly come first. */
  find(name: string): T[] {
    const lower = name.toLowerCase().replace(/\.$/, '')
    const dot = lower.indexOf('.')
    const wild = dot < 1 ? [] : (this.#wild.get(lower.slice(dot)) ?? [])
    return [...(this.#exact.get(lower) ?? []), ...wild]
  }
}
