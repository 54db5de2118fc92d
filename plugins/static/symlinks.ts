import { lstat, readlink } from 'node:fs/promises'
import { dirname, isAbsolute, join, normalize } from 'node:path'

/** As many as Linux follows. */
const MOST_LINKS = 40

/**
 * Whether every symbolic link on the way from `folder` down to `path`, and on the ways that those lead, belongs to the
 * owner of the file that was opened (nginx's `disable_symlinks if_not_owner`). Without any link on the way it is not
 * the file that was opened.
 */
export async function areLinksOwnedBy(owner: number, folder: string, path: string) {
  let links = 0
  let done = folder
  const left = path.slice(folder.length).split('/').filter(Boolean)
  for (let name = left.shift(); name !== undefined; name = left.shift()) {
    const next = normalize(join(done, name))
    const stats = await lstat(next)
    if (!stats.isSymbolicLink()) {
      done = next
      continue
    }
    links++
    if (stats.uid !== owner || links > MOST_LINKS) return false
    const leads = await readlink(next)
    left.unshift(...leads.split('/').filter(Boolean))
    done = isAbsolute(leads) ? '/' : dirname(next)
  }
  return links > 0
}
