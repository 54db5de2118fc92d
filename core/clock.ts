/** `performance` as it was when the process began: the global one is behind a getter, which costs as much as the clock itself. */
export const { performance: clock } = globalThis
