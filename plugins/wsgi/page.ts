import { errorPage } from '../../core/index.ts'

/** A page of the server's own, with its header fields in turn. */
export function renderPage(status: number, isPersistent: boolean, text = errorPage(status)) {
  const page = Buffer.from(text)
  const headers = [
    'Content-Type',
    'text/html; charset=utf-8',
    'Content-Length',
    String(page.length),
  ]
  if (status === 503) headers.push('Retry-After', '1')
  if (!isPersistent) headers.push('Connection', 'close')
  return { page, headers }
}
