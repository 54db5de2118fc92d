/** Light and dark by the reader's own setting. */
export const STYLE = `
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.3rem; overflow-wrap: anywhere; }
table { width: 100%; border-collapse: collapse; }
th, td { padding: .3rem .5rem; text-align: start; border-bottom: 1px solid color-mix(in srgb, currentColor 15%, transparent); }
td:first-child { overflow-wrap: anywhere; unicode-bidi: isolate; }
td:nth-child(n+2), th:nth-child(n+2) { white-space: nowrap; text-align: end; font-variant-numeric: tabular-nums; }
th[aria-sort=ascending] a::after { content: " \\2191"; }
th[aria-sort=descending] a::after { content: " \\2193"; }
a { color: inherit; text-decoration: none; }
td a { color: light-dark(#0550ae, #79b8ff); }
a:hover, a:focus-visible { text-decoration: underline; }
`
