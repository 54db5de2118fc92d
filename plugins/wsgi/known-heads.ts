import { STATUS_CODES } from 'node:http'
import { type PreparedHead, prepareHead } from '../../core/index.ts'

/** Longer heads are seldom the same twice. */
const LONGEST = 512
/** A head that no two answers share costs what it would cost otherwise, and goes with the others when there are so many. */
const MOST = 256

/** They ask for a file in place of the answer (nginx: X-Accel-Redirect). */
const HANDS_OVER = /^x-(?:accel-|sendfile)/i

/** Heads of whole answers, as workers send them, by their text: most are those of many answers, and rendered once. */
export class KnownHeads {
  readonly #heads = new Map<string, PreparedHead | undefined>()

  /** @returns undefined where the head has to be written field by field. */
  find(text: string): PreparedHead | undefined {
    if (text.length > LONGEST) return undefined
    const known = this.#heads.get(text)
    return known !== undefined || this.#heads.has(text) ? known : this.#learn(text)
  }

  #learn(text: string): PreparedHead | undefined {
    if (this.#heads.size >= MOST) this.#heads.clear()
    const head = prepare(text)
    this.#heads.set(text, head)
    return head
  }
}

/** The body's length is the engine's to say; who asks for the fields is told of it all the same. */
function prepare(text: string): PreparedHead | undefined {
  const [status = '', ...fields] = text.split('\0')
  const code = Number(status.slice(0, 3))
  if (code < 200 || code === 204 || code === 304 || status.slice(4) !== STATUS_CODES[code]) {
    return undefined
  }
  const others: string[] = []
  for (let index = 0; index < fields.length; index += 2) {
    const [name, value] = fields.slice(index, index + 2) as [string, string]
    if (HANDS_OVER.test(name)) return undefined
    if (name.toLowerCase() !== 'content-length') others.push(name, value)
  }
  try {
    return { ...prepareHead(code, others), fields }
  } catch {
    return undefined // a field of the engine's: the long way has its rules
  }
}
