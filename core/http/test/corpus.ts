import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What the application must see. */
export interface Expected {
  readonly method: string
  readonly url: string
  readonly body: string
  readonly version?: string
  readonly headers?: Record<string, string | string[]>
  /** Names that must not be there. */
  readonly absent?: readonly string[]
}

/** A raw request with what must become of it. */
export interface Case {
  readonly name: string
  readonly raw: string
  readonly requests: readonly Expected[]
  /** Of the refusal; 0 where the requests are good. */
  readonly status: number
}

const folder = fileURLToPath(new URL('../../../test/fixtures/requests', import.meta.url))

/**
 * A file has `status: 400`, or one `request: {json}` for each request that must arrive, then `---`, then the bytes:
 * `\r`, `\n`, `\t`, `\0`, `\xHH` and `\\` stand for what they stand for elsewhere, true line ends for nothing.
 */
export function readCases(kind: 'valid' | 'invalid'): Case[] {
  return readdirSync(join(folder, kind), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.http'))
    .sort()
    .map((file) => parseCase(file.slice(0, -5), readFileSync(join(folder, kind, file), 'utf8')))
}

function parseCase(name: string, text: string): Case {
  const [head = '', body = ''] = text.split(/^---\n/m, 2)
  const lines = head.split('\n').filter((line) => line !== '')
  const values = (key: string) =>
    lines.filter((line) => line.startsWith(`${key}: `)).map((line) => line.slice(key.length + 2))
  return {
    name,
    raw: unescaped(body),
    requests: values('request').map((json) => JSON.parse(json) as Expected),
    status: Number(values('status')[0] ?? 0),
  }
}

const ESCAPES: Record<string, string> = { r: '\r', n: '\n', t: '\t', 0: '\0', '\\': '\\' }

const unescaped = (text: string) =>
  text
    .replaceAll('\n', '')
    .replace(/\\(?:x([0-9a-f]{2})|([rnt0\\]))/g, (_, hex: string | undefined, letter: string) =>
      hex ? String.fromCharCode(Number.parseInt(hex, 16)) : (ESCAPES[letter] as string),
    )
