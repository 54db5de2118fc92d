import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The path of a Unix socket in the folder must fit into `sun_path`, 108 bytes with its end. */
const LONGEST = 70

/** A pool's private folder: 0700, a name of its own, in the folder for temporary files or, where that is deep, /tmp. */
export class RuntimeDirectory {
  readonly path: string

  constructor() {
    this.path = mkdtempSync(join(parent(), 'wsgi-core-')) // mkdtemp makes it 0700
  }

  file(name: string): string {
    return join(this.path, name)
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}

const parent = () => (Buffer.byteLength(tmpdir()) <= LONGEST ? tmpdir() : '/tmp')
