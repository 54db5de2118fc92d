import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A pool's private folder: 0700, a name of its own. */
export class RuntimeDirectory {
  readonly path: string

  constructor() {
    this.path = mkdtempSync(join(tmpdir(), 'wsgi-core-')) // mkdtemp makes it 0700
  }

  file(name: string): string {
    return join(this.path, name)
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}
