#!/usr/bin/env node
import { headStart } from '../dist/cli/head-start.js'

const argv = process.argv.slice(2)
headStart(argv, process.env, process.cwd())
const { main } = await import('../dist/cli/main.js')

await main(argv)
