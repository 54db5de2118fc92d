import { createRequire, register } from 'node:module'
import { fileURLToPath } from 'node:url'
import { MessageChannel } from 'node:worker_threads'
import { emit } from './control.ts'

/** Tells the front which files the app consists of, so that it reloads when one changes. */
export interface ModuleFiles {
  report(): void
}

/** A loader that tells the URL of each module. Runs in a thread of its own, as Node's loaders do. */
const LOADER = `
  let port
  export const initialize = (data) => { port = data }
  export const load = (url, context, next) => {
    port.postMessage(url)
    return next(url, context)
  }`
/** Names in one event, which must not be longer than a write that stays whole. */
const BATCH = 50

export function watchFiles(worker: number): ModuleFiles {
  const { port1, port2 } = new MessageChannel()
  const loader = `data:text/javascript,${encodeURIComponent(LOADER)}`
  register(loader, { data: port2, transferList: [port2] })
  const { cache } = createRequire(import.meta.url)
  const told = new Set<string>()
  const fresh = new Set<string>()
  const add = (file: string) => {
    if (!told.has(file) && !file.includes('/node_modules/')) fresh.add(file)
  }
  const report = () => {
    for (const file in cache) add(file)
    const files = [...fresh]
    for (const file of files) told.add(file)
    fresh.clear()
    for (let at = 0; at < files.length; at += BATCH) {
      emit('files', { worker, pid: process.pid, files: files.slice(at, at + BATCH) })
    }
  }
  port1.on('message', (url: string) => {
    if (!url.startsWith('file:')) return
    add(fileURLToPath(url))
    if (fresh.size === 1) setImmediate(report)
  })
  port1.unref()
  return { report }
}
