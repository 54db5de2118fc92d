import { readFileSync, statSync } from 'node:fs'
import { BadFile } from './errors.ts'

/** @throws WSGI_CORE_TLS_BAD_FILE */
export const readText = (file: string): string => readBytes(file).toString('utf8')

/** @throws WSGI_CORE_TLS_BAD_FILE */
export function readBytes(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw Object.assign(new BadFile(file, REASONS[code ?? ''] ?? message), { cause: error })
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'the permission is missing; have its group be that of the server',
  EISDIR: 'it is a folder',
}

/** Whether everybody on the machine may read it. */
export const isWorldReadable = (file: string): boolean => (statSync(file).mode & 0o004) !== 0
