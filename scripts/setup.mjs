// Makes a fresh clone ready to serve: Python looked for, dependencies installed, sources built.
import { build } from './build.mjs'
import { installDependencies } from './install.mjs'
import { main } from './project.mjs'
import { requirePython } from './python.mjs'

await main(async () => {
  requirePython()
  installDependencies()
  await build()
})
