import { createRequire } from 'node:module'
import { extname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { type Core, version } from '../../core/index.ts'
import type {} from '../reload/index.ts'
import type { Runtime } from '../workers/index.ts'
import { NoTypeScript } from './errors.ts'

const EXTENSION = extname(fileURLToPath(import.meta.url))
/** The spawner's program, which starts the workers'. */
const SPAWNER = fileURLToPath(new URL(`node/spawner${EXTENSION}`, import.meta.url))

/** `./app.js`, `./app.mjs:app`, `src/app.ts:create()`. */
const TARGET = /^(.+\.([mc]?[jt]s))(:.*)?$/s

/** Whether a target names a JavaScript or TypeScript file; else it is a Python module. */
export const isJavaScript = (target: string): boolean => TARGET.test(target)

/**
 * Workers in Node for an application in a file.
 * @throws WSGI_CORE_NO_TYPESCRIPT where it is TypeScript that nothing here can load.
 */
export function nodeRuntime(
  core: Core,
  env: Readonly<Record<string, string | undefined>>,
  options: { readonly app: string | null; readonly interface: string },
): Runtime {
  const target = options.app ?? ''
  const development = core.service('reload')
  const loader = isTypeScript(target) ? findLoader(core.cwd) : undefined
  const own = EXTENSION === '.ts' ? ['--import', findTsx(import.meta.url) as string] : []
  return {
    command: process.execPath,
    args: [...own, SPAWNER, ...(core.options.procName ? [core.options.procName] : [])],
    cwd: core.cwd,
    env,
    app: { target, chdir: core.cwd, interface: options.interface, loader: loader ?? null },
    environ: { SERVER_SOFTWARE: `wsgi-core/${version}` },
    watch: development && ((files) => development.watch(files)),
  }
}

const isTypeScript = (target: string) => TARGET.exec(target)?.[2]?.endsWith('ts') ?? false

/** Newer versions of Node load it by themselves. */
function findLoader(cwd: string): string | undefined {
  if ((process.features as { typescript?: unknown }).typescript) return undefined
  const loader = findTsx(pathToFileURL(join(cwd, 'x.js')).href) ?? findTsx(import.meta.url)
  if (loader === undefined) throw new NoTypeScript(process.versions.node)
  return loader
}

function findTsx(from: string): string | undefined {
  try {
    const file = createRequire(from)
      .resolve('tsx')
      .replace(/\.cjs$/, '.mjs')
    return pathToFileURL(file).href
  } catch {
    return undefined // not installed there
  }
}
