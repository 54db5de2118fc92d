import { existsSync, readdirSync } from 'node:fs'
import { join, resolve, sep } from 'node:path'

/** A set of files by their names, and the folders where they can be. */
export interface Pattern {
  /** As it was given, for the log. */
  readonly text: string
  /** Where all of them are below. */
  readonly base: string
  /** How many folders below `base` they can be. */
  readonly depth: number
  matches(path: string): boolean
}

const MAGIC = /[*?[]/

/** A glob from `folder`: `*` and `?` stay within a name, two stars are any number of folders; none finds what is hidden. */
export function parseGlob(text: string, folder: string): Pattern {
  const segments = resolve(folder, text).split(sep)
  const magic = segments.findIndex((segment) => MAGIC.test(segment))
  const fixed = magic < 0 ? segments.length - 1 : magic
  const expression = new RegExp(`^${segments.map(segmentExpression).join('')}$`)
  return {
    text,
    base: segments.slice(0, fixed).join(sep) || sep,
    depth: segments.includes('**') ? Number.POSITIVE_INFINITY : segments.length - fixed - 1,
    matches: (path) => expression.test(path),
  }
}

function segmentExpression(segment: string, index: number): string {
  if (segment === '**') return '(?:/[^/.][^/]*)*'
  const name = segment.replace(/\[!?[^\]]+\]|[^\w]/g, nameExpression)
  const visible = /^[*?]/.test(segment) ? '(?!\\.)' : ''
  return index === 0 ? name : `/${visible}${name}`
}

function nameExpression(part: string): string {
  if (part === '*') return '[^/]*'
  if (part === '?') return '[^/]'
  if (part.length === 1) return `\\${part}`
  const inner = part.slice(1, -1).replace(/[\\^[\]]/g, '\\$&')
  return `[${inner.replace(/^!/, '^')}]`
}

/** All Python files below a folder: any of them may mend an application that cannot be loaded. */
export const pythonBelow = (folder: string): Pattern => ({
  text: folder,
  base: folder,
  depth: Number.POSITIVE_INFINITY,
  matches: (path) => path.endsWith('.py') && path.startsWith(folder + sep),
})

/** Who has more has probably named a wrong folder. */
const MOST_FOLDERS = 2000

/** `base` and the folders below it, the near ones first; hidden ones, libraries and virtual environments left out. */
export function foldersBelow(base: string, depth: number): string[] {
  const found = [base]
  let level = [base]
  for (let below = 0; below < depth && level.length > 0 && found.length < MOST_FOLDERS; below++) {
    level = level.flatMap(childFolders)
    found.push(...level)
  }
  return found.slice(0, MOST_FOLDERS)
}

function childFolders(folder: string): string[] {
  return entriesOf(folder)
    .filter((entry) => entry.isDirectory() && !SKIPPED.test(entry.name))
    .map((entry) => join(folder, entry.name))
    .filter((path) => !existsSync(join(path, 'pyvenv.cfg')))
}

const SKIPPED = /^(\..*|node_modules|__pycache__)$/

/** Nothing where the folder is not there, or not for us to read. */
export function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch {
    return []
  }
}
