/** The words of a text, by the rules of a POSIX shell's quotes and backslashes (no expansions, no comments). */
export function splitWords(text: string): { words: string[]; fault?: string } {
  const words: string[] = []
  let word: string | undefined
  for (let at = 0; at < text.length; at++) {
    const sign = text[at] as string
    if (' \t\r\n'.includes(sign)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else if (sign === '\\') {
      at++
      if (at === text.length) return { words, fault: 'nothing follows the last backslash' }
      word = (word ?? '') + text[at]
    } else if (sign === "'" || sign === '"') {
      const end = closingQuote(text, at)
      if (end < 0) return { words, fault: `no closing ${sign}` }
      word = (word ?? '') + withoutBackslashes(text.slice(at + 1, end), sign)
      at = end
    } else word = (word ?? '') + sign
  }
  if (word !== undefined) words.push(word)
  return { words }
}

function closingQuote(text: string, start: number): number {
  const quote = text[start]
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === quote) return at
    if (quote === '"' && text[at] === '\\') at++
  }
  return -1
}

/** Between double quotes a backslash escapes a quote and itself; before all else it stands for itself. */
const withoutBackslashes = (text: string, quote: string) =>
  quote === '"' ? text.replace(/\\(["\\])/g, '$1') : text
