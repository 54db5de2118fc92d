import type { Logger } from 'pino'
import { signalName } from './signals.ts'
import type { EventOf } from './spawner.ts'

const SIGKILL = 9

/** How a process ended, in words. */
export function describeEnd(code: number | null, signal: number | null): string {
  if (signal !== null) return signalName(signal)
  return code === null ? 'an unknown cause: its spawner died before it' : `code ${code}`
}

/** The line on a worker's end. `expected`: it was leaving; `stopping`: so is its pool. */
export function logExit(
  log: Logger,
  { pid, code, signal, traceback }: EventOf<'exited'>,
  { expected, stopping }: { expected: boolean; stopping: boolean },
): void {
  const asked = stopping && signal !== SIGKILL
  const clean = code === 0 || (code === null && signal === null)
  if ((expected && clean) || asked) return log.info(`Worker exiting (pid: ${pid})`)
  const cause = describeEnd(code, signal)
  const hint = signal === SIGKILL ? ' Perhaps out of memory?' : ''
  const details = {
    ...(traceback && { traceback }),
    ...(signal === null ? { code } : { signal: cause }),
  }
  log.error(details, `Worker (pid:${pid}) ended by ${cause}.${hint}`)
}

const inMegabytes = (bytes: number) => `${Math.round(bytes / 1_048_576)}M`

/** The line on a worker that is replaced for its size. */
export function logSize(log: Logger, pid: number, size: number, limit: number): void {
  const sizes = { size: inMegabytes(size), limit: inMegabytes(limit) }
  log.warn(sizes, `Worker (pid:${pid}) grew past its limit and is replaced`)
}

/** A line that the spawner or a worker has for the error log. */
export function passOn(
  log: Logger,
  { level, message, event: _, pid, ...rest }: EventOf<'log'>,
): void {
  log[LEVELS.get(level) ?? 'error']({ ...rest, worker: pid }, message)
}

const LEVELS = new Map<string, 'debug' | 'info' | 'warn'>([
  ['debug', 'debug'],
  ['info', 'info'],
  ['warning', 'warn'],
])
