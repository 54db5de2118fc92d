import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const MEGABYTE = 1_048_576
export const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** A folder with a small file, a large one and a page. Whoever makes it removes it. */
export function makeFiles() {
  const folder = mkdtempSync(join(tmpdir(), 'wsgi-core-ecosystem-'))
  const large = randomBytes(5 * MEGABYTE)
  writeFileSync(join(folder, 'small.txt'), '0123456789')
  writeFileSync(join(folder, 'large.bin'), large)
  writeFileSync(join(folder, 'index.html'), '<p>hello</p>')
  return { folder, large }
}

/** How many descriptors of this process are open below the folder. */
export const openFiles = (folder: string) =>
  readdirSync('/proc/self/fd').filter((fd) => linkOf(fd).startsWith(folder)).length

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return '' // closed in between
  }
}
