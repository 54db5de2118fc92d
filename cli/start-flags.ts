import { setFlagsFromString } from 'node:v8'

/** V8's flags, as they are during the start and as they are by default. */
const FLAGS = [
  ['--no-opt', '--opt'],
  ['--no-sparkplug', '--sparkplug'],
  ['--semi-space-growth-factor=1', '--semi-space-growth-factor=2'],
] as const
/** Those of Node 20 to 24, where this was tried. */
const VERSIONS = /^1[123]\./
const PROCESSORS = ['x64', 'arm64']

let isStarting = false

/**
 * Until `endStart` V8 does not optimize, and its space for new objects keeps its first size: what runs during the start does
 * not run again, but the pages of the compilers and of that space would stay in memory. Where Node was given options,
 * they may say otherwise, and V8 is left alone.
 */
export function beginStart(): void {
  if (process.execArgv.length > 0 || process.env.NODE_OPTIONS) return
  if (!VERSIONS.test(process.versions.v8) || !PROCESSORS.includes(process.arch)) return
  isStarting = true
  for (const [starting] of FLAGS) setFlagsFromString(starting)
}

/** The server serves: what runs from now on runs often. */
export function endStart(): void {
  if (isStarting) for (const [, serving] of FLAGS) setFlagsFromString(serving)
  isStarting = false
}
