import type { FrontLinks, SupervisorLink } from '../../core/index.ts'
import type { Source } from './file-source.ts'
import type { Material } from './material.ts'

/** In one of several fronts: all that counts comes from the supervisor, which alone reads files. */
export class FrontSource implements Source {
  readonly #first: Promise<Material>
  #changed: (material: Material) => void = () => {}
  #last: Material | undefined

  constructor(name: string, supervisor: SupervisorLink) {
    this.#first = new Promise((resolve) => {
      supervisor.listen(name, (body) => {
        this.#last = body as Material
        resolve(this.#last)
        this.#changed(this.#last)
      })
    })
    supervisor.send(name, 'join')
  }

  async load(): Promise<Material> {
    await this.#first
    return this.#last as Material // it may have changed meanwhile
  }

  follow(changed: (material: Material) => void): void {
    this.#changed = changed
  }
}

/** In the supervisor: gives each front that asks what there is, and all of them what comes later. */
export async function supply(name: string, links: FrontLinks, source: Source): Promise<void> {
  let material = await source.load()
  const fronts = new Map<number, (body: unknown) => void>()
  links.listen(
    name,
    (from) => {
      const send = (body: unknown) => from.send(name, body)
      fronts.set(from.number, send)
      send(material)
    },
    (front) => void fronts.delete(front),
  )
  source.follow((changed) => {
    material = changed
    for (const send of fronts.values()) send(changed)
  })
}
