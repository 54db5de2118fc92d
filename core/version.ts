import { existsSync, readFileSync } from 'node:fs'
import { programRoot } from './paths.ts'

/** wsgi-core's version, from its package.json: one folder up from the sources, two from the compiled files. */
export const version: string = readVersion()

function readVersion(): string {
  const files = ['package.json', '../package.json'].map((path) => new URL(path, programRoot))
  const file = files.find((url) => existsSync(url)) as URL
  return JSON.parse(readFileSync(file, 'utf8')).version
}
