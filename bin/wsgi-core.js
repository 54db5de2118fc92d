#!/usr/bin/env node
import { beginStart, headStart } from '../dist/cli/head-start.js'

beginStart()
const argv = process.argv.slice(2)
headStart(argv, process.env, process.cwd())
const { main } = await import('../dist/cli/main.js')

await main(argv)
