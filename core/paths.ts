import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Where the program's own files lie: the folder of `core/`, be it of the sources or of the compiled files. */
export const programRoot = new URL('../', import.meta.url)

/** `.ts` where the sources run, `.js` where the compiled files do. */
export const programExtension = extname(fileURLToPath(import.meta.url))
