import { dirname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { adapt } from '../javascript/adapters.ts'
import type { Application } from '../javascript/application.ts'
import { type Interface, isUsable, kindOf } from '../javascript/kind.ts'
import { stackOf } from './control.ts'
import { EXIT } from './protocol.ts'

/** The app could not be loaded: the worker's exit status, a reason for people, perhaps a stack. */
export class TargetError extends Error {
  readonly exit: number
  readonly traceback: string

  constructor(exit: number, reason: string, error?: unknown) {
    super(reason)
    this.exit = exit
    this.traceback = error === undefined ? '' : stackOf(error)
  }
}

/** What a module is asked for where the target names nothing in it. */
const NAMES = ['default', 'app', 'application', 'handler', 'fetch']

/** The application that `FILE:NAME` names. @throws TargetError */
export async function loadApp(
  target: string,
  folder: string,
  wanted: Interface,
): Promise<Application> {
  const [, file = '', , expression] = /^(.+\.([mc]?[jt]s))(?::(.*))?$/s.exec(target) ?? []
  const path = resolve(folder, file)
  const { names, values } = parseExpression(target, expression)
  const module = await importFile(path, target)
  const found = names ? find(module, names, target) : findDefault(module, target)
  const app = values ? await callFactory(found, values, target) : found
  const kind = wanted === 'auto' ? kindOf(app) : wanted
  if (kind === undefined || !isUsable(app, kind)) throw unusable(target, app)
  return adapt(app, kind, dirname(path))
}

function unusable(target: string, app: unknown): TargetError {
  const what = app === null || app === undefined ? String(app) : `a ${typeof app}`
  const remedy = 'name an application, or say what it is by --interface'
  return new TargetError(EXIT.target, `target '${target}' is ${what}; ${remedy}`)
}

async function importFile(path: string, target: string): Promise<Record<string, unknown>> {
  try {
    return (await import(pathToFileURL(path).href)) as Record<string, unknown>
  } catch (error) {
    const { code, url } = error as NodeJS.ErrnoException & { url?: string }
    if (code === 'ERR_MODULE_NOT_FOUND' && url === pathToFileURL(path).href) {
      throw new TargetError(
        EXIT.import,
        `no file '${path}'; check the target '${target}' and chdir`,
      )
    }
    throw new TargetError(EXIT.import, `import of '${path}' failed: ${summary(error)}`, error)
  }
}

/** A CommonJS module's exports are the default one. */
function findDefault(module: Record<string, unknown>, target: string): unknown {
  const inner = module.default as Record<string, unknown> | null | undefined
  const isCommonJs = typeof inner === 'object' && inner !== null && kindOf(inner) === undefined
  for (const source of isCommonJs ? [inner, module] : [module]) {
    const name = NAMES.find((each) => source[each] !== undefined && kindOf(source[each]))
    if (name) return source[name]
  }
  const text = `target '${target}' exports no application; name one, as in '${target}:NAME'`
  throw new TargetError(EXIT.target, text)
}

function find(module: Record<string, unknown>, names: readonly string[], target: string): unknown {
  const [first = '', ...rest] = names
  const inner = module.default as Record<string, unknown> | undefined
  let found = module[first] ?? inner?.[first]
  for (const name of rest) found = (found as Record<string, unknown> | null | undefined)?.[name]
  if (found !== undefined) return found
  const text = `no export '${names.join('.')}' in the target '${target}'; check its name`
  throw new TargetError(EXIT.target, text)
}

async function callFactory(factory: unknown, values: unknown[], target: string): Promise<unknown> {
  if (typeof factory !== 'function') {
    const text = `target '${target}' calls a ${typeof factory}, which is not callable`
    throw new TargetError(EXIT.target, text)
  }
  try {
    return await factory(...values)
  } catch (error) {
    const text = `factory of target '${target}' failed: ${summary(error)}`
    throw new TargetError(EXIT.import, text, error)
  }
}

interface Expression {
  readonly names?: readonly string[]
  /** Arguments of a factory. */
  readonly values?: unknown[]
}

const NAME = String.raw`[\p{ID_Start}$_][\p{ID_Continue}$]*`
const EXPRESSION = new RegExp(String.raw`^(${NAME}(?:\.${NAME})*)(?:\((.*)\))?$`, 'su')

/** `a.b` or `a.b("x", 1)`: literals of JSON alone, so nothing is evaluated. */
function parseExpression(target: string, expression: string | undefined): Expression {
  if (expression === undefined || expression === '') return {}
  const [match, path = '', list] = EXPRESSION.exec(expression) ?? []
  const values = list === undefined ? undefined : parseList(list)
  if (!match || values === null) {
    const remedy = `write 'FILE:name' or 'FILE:factory(...)' with literal arguments`
    throw new TargetError(EXIT.target, `target '${target}' is not understood; ${remedy}`)
  }
  return { names: path.split('.'), ...(values && { values }) }
}

function parseList(list: string): unknown[] | null {
  try {
    return JSON.parse(`[${list.replace(/'([^'"\\]*)'/g, '"$1"')}]`)
  } catch {
    return null // as the caller says it
  }
}

const summary = (error: unknown) =>
  error instanceof Error ? `${error.name}: ${error.message}` : String(error)
