// Runs the code blocks of a page: each has an entry that says what is to come of it.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { transformSync } from 'esbuild'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

export const root = fileURLToPath(new URL('../..', import.meta.url))

export interface Context {
  folder: string
  children: ChildProcess[]
}

interface Block {
  readonly kind: string
  readonly text: string
}

const blocksOf = (page: string): Block[] =>
  [...readFileSync(join(root, page), 'utf8').matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(
    ([, kind = '', text = '']) => ({ kind, text }),
  )

/** A block, told by its kind and something that stands in it, and what is to come of it. */
export type Entry = readonly [
  kind: string,
  has: string,
  check: (text: string, context: Context) => unknown,
]

/** Starts a program in the folder of the hello example, where `wsgi-core` is what was built. */
export function launch(
  context: Context,
  args: readonly string[],
  cwd = join(root, 'examples/hello'),
) {
  const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  context.children.push(child)
  let output = ''
  const look = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (piece) => {
      output += piece
      for (const each of look) each()
    })
  }
  const ended = once(child, 'close')
  void ended.then(() => {
    for (const each of look) each()
  })
  const find = (pattern: RegExp) =>
    new Promise<string>((resolve, reject) => {
      const each = () => {
        const found = pattern.exec(output)
        if (found) resolve(found[1] ?? found[0])
        else if (child.exitCode !== null) reject(new Error(`it ended: ${output}`))
        else return
        look.delete(each)
      }
      look.add(each)
      each()
    })
  return { child, find, ended: ended.then(() => output), output: () => output }
}

/** Writes the block into a file of its own, on a free port. */
export function save({ folder }: Context, name: string, text: string): string {
  const file = join(folder, name.replace(/\.ts$/, '.mjs'))
  const moved = text.replaceAll('127.0.0.1:8000', '127.0.0.1:0')
  const isTyped = name.endsWith('.ts') // docs.test.ts checks the types
  writeFileSync(file, isTyped ? transformSync(moved, { loader: 'ts' }).code : moved)
  return file
}

/** The block runs to its end. @returns what it printed */
export async function run(context: Context, name: string, text: string, use = ''): Promise<string> {
  const { ended, child } = launch(context, [save(context, name, text + use)])
  const output = await ended
  assert.is(child.exitCode, 0, output)
  return output
}

type Answers = Readonly<Record<string, string | RegExp>>

/** The block serves: by path, what it answers. */
export async function serve(program: ReturnType<typeof launch>, answers: Answers) {
  const address = await program.find(/Listening at: (\S+)/)
  for (const [path, expected] of Object.entries(answers)) {
    const answer = await fetch(address + path)
    const text = `${answer.status} ${await answer.text()}`
    assert.match(text, expected)
  }
  program.child.kill()
  await program.ended
}

export const serving =
  (name: string, answers: Answers) =>
  (text: string, context: Context): Promise<void> =>
    serve(launch(context, [save(context, name, text)]), answers)

export const prints =
  (name: string, expected: string | RegExp) =>
  async (text: string, context: Context): Promise<void> =>
    assert.match(await run(context, name, text), expected)

export const saved = (name: string) => (text: string, context: Context) =>
  void save(context, name, text)

/** Serves the saved application by this command. */
export const command =
  (answers: Answers) =>
  async (text: string, context: Context): Promise<void> => {
    for (const line of text.trim().split('\n')) {
      const [, ...words] = line.split(' ')
      const target = (words.at(-1) ?? '').split(':').at(-1) as string
      const program = launchCommand(context, ['-b', '127.0.0.1:0', ...words])
      await serve(program, { '/x': answers[target] ?? '200' })
    }
  }

export const launchCommand = (context: Context, words: readonly string[]) =>
  launch(context, [join(root, 'bin/wsgi-core.js'), ...words], context.folder)

/** A suite of the page's blocks; one without an entry fails it. */
export function runBlocks(page: string, entries: readonly Entry[]): void {
  const blocks = suite<Context>(`code blocks of ${page}`)

  blocks.before((context) => {
    context.folder = mkdtempSync(join(tmpdir(), 'wsgi-core-blocks-'))
    context.children = []
    mkdirSync(join(context.folder, 'node_modules'))
    for (const [name, path] of [
      ['wsgi-core', root],
      ['@types', join(root, 'node_modules/@types')],
    ] as const) {
      symlinkSync(path, join(context.folder, 'node_modules', name))
    }
    writeFileSync(join(context.folder, 'package.json'), '{}')
  })
  blocks.after(({ folder, children }) => {
    for (const child of children) if (child.exitCode === null) child.kill('SIGKILL')
    rmSync(folder, { recursive: true })
  })

  for (const [kind, has, check] of entries) {
    blocks(`${kind}: ${has.replaceAll('\n', ' ')}`, async (context) => {
      const found = blocksOf(page).filter((each) => each.kind === kind && each.text.includes(has))
      assert.is(found.length, 1, `one block with ${has}`)
      await check((found[0] as Block).text, context)
    })
  }

  blocks('each one is run', () => assert.is(blocksOf(page).length, entries.length))

  blocks.run()
}
