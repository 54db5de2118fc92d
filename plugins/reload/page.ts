/** What a developer sees in the place of an answer. */
export function tracebackPage(title: string, traceback: string, reason = ''): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>${title}</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem; }
  pre { background: #f4f4f4; color: #222; overflow: auto; padding: 1rem; }
</style>
<h1>${title}</h1>
${element('p', reason)}${element('pre', traceback)}<p>The next change of a file loads the application anew. <code>--reload</code> shows this page.</p>
</html>
`
}

const element = (name: string, text: string) =>
  text === '' ? '' : `<${name}>${escapeHtml(text)}</${name}>\n`

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

const escapeHtml = (text: string) =>
  text.replace(/[&<>"']/g, (character) => ENTITIES[character] as string)
