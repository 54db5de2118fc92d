import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Handle } from '../core/index.ts'

/** Sends back what it is sent: each socket that passes through it is a second descriptor of the same one. */
const ECHO = "process.on('message', (number, handle) => process.send(number, handle))"

/**
 * Second descriptors of listening sockets, which stay when the first ones are closed: Node cannot stop a server's
 * accepting otherwise, and has no dup(2).
 */
export async function duplicate(handles: readonly Handle[]): Promise<Handle[]> {
  if (handles.length === 0) return []
  const echo = spawn(process.execPath, ['-e', ECHO], {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    env: {},
  })
  const copies: Handle[] = []
  const ended = once(echo, 'exit').then(() => {
    throw new Error('the process that was to pass sockets back has ended')
  })
  const all = new Promise<void>((resolve) => {
    echo.on('message', (number: number, handle) => {
      copies[number] = handle as unknown as Handle
      if (Object.keys(copies).length === handles.length) resolve()
    })
  })
  for (const [number, handle] of handles.entries()) echo.send(number, handle as never)
  try {
    await Promise.race([all, ended])
    return copies
  } finally {
    ended.catch(() => {}) // it ends now
    if (echo.connected) echo.disconnect()
  }
}
