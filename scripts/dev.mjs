// `npm run dev -- ARGUMENTS`: the command line from its sources, started anew when one changes.
await import('../cli/main.ts')
