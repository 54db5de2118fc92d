/**
 * A copy of a latin-1 text, as a text of its own. V8 keeps what it has put together as pieces, and what it has cut from
 * a longer text as a part of that: a copy is written at once, and when it is remembered holds no whole head in memory.
 */
export const inOnePiece = (text: string): string => Buffer.from(text, 'latin1').toString('latin1')
