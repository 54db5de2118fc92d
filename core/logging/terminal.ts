import { isatty, WriteStream } from 'node:tty'

type Environment = Readonly<Record<string, string | undefined>>

/** Whether to colour what goes to this descriptor: a terminal that can, unless NO_COLOR or FORCE_COLOR decide. */
export function wantsColor(fd: number, env: Environment = process.env): boolean {
  if (env.NO_COLOR) return false // no-color.org: when it is present and not empty
  if (env.FORCE_COLOR === undefined && !isatty(fd)) return false
  const { NO_COLOR: _, ...rest } = env // Node takes it for set where it is empty
  return WriteStream.prototype.getColorDepth(rest) > 1
}
