/**
 * The same text, of latin-1, without the pieces that it was put together of: what is put into many others is copied as a
 * whole there, and keeps nothing else in memory.
 */
export const inOnePiece = (text: string): string => Buffer.from(text, 'latin1').toString('latin1')
