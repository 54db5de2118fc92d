/** How the application taps: it answers what no other plugin does, in whatever order they were named. */
export const LAST = { name: 'wsgi', stage: 1_000_000 }
