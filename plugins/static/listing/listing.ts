import type { Answer, Question } from '../answer.ts'
import type { Location } from '../locations.ts'
import type { Target } from '../target.ts'
import { readEntries } from './entries.ts'
import { readOrder, sortEntries } from './order.ts'
import { renderPage } from './page.ts'

/** The content of a folder: a page for people, JSON for programs. */
export async function listingAnswer(
  folder: string,
  location: Location,
  target: Target,
  question: Question,
): Promise<Answer> {
  const order = readOrder(target.query)
  const { entries, isCut } = await readEntries(
    folder,
    location,
    target.segments.slice(location.cut),
  )
  const sorted = sortEntries(entries, order)
  if (wantsJson(question)) {
    return bytesAnswer('application/json; charset=utf-8', JSON.stringify(sorted.map(plain)))
  }
  const page = renderPage({ segments: target.segments, entries: sorted, order, isCut })
  return bytesAnswer('text/html; charset=utf-8', page)
}

/** The one that is named first, unless weights say otherwise, which nobody sends. */
function wantsJson({ fields }: Question): boolean {
  const accept = String(fields.accept ?? '')
  const json = accept.indexOf('application/json')
  const html = accept.indexOf('text/html')
  return json >= 0 && (html < 0 || json < html)
}

const plain = ({
  name,
  kind,
  size,
  modified,
}: Awaited<ReturnType<typeof readEntries>>['entries'][number]) => ({
  name,
  type: kind,
  mtime: modified.toISOString(),
  ...(kind === 'file' && { size }),
})

function bytesAnswer(type: string, text: string): Answer {
  const bytes = Buffer.from(text)
  const fields = [
    ...['Content-Type', type, 'Vary', 'Accept', 'Cache-Control', 'no-cache'],
    ...['X-Content-Type-Options', 'nosniff'],
    ...[
      'Content-Security-Policy',
      "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
    ],
  ]
  return { status: 200, fields, length: bytes.length, body: { kind: 'bytes', bytes } }
}
