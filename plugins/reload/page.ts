/** What a developer sees in the place of an application that cannot be loaded. */
export function tracebackPage(reason: string, traceback: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>The application cannot be loaded</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem; }
  pre { background: #f4f4f4; color: #222; overflow: auto; padding: 1rem; }
</style>
<h1>The application cannot be loaded</h1>
<p>${escapeHtml(reason)}</p>
${traceback === '' ? '' : `<pre>${escapeHtml(traceback)}</pre>\n`}<p>It is loaded anew with the next change of a file. This page is shown because of <code>--reload</code>.</p>
</html>
`
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

const escapeHtml = (text: string) =>
  text.replace(/[&<>"']/g, (character) => ENTITIES[character] as string)
