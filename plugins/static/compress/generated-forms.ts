import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import { isWorthCompressing } from '../content-type.ts'
import type { Location } from '../locations.ts'
import type { Form } from '../stored-file.ts'

const LEAST_LENGTH = 1024
/** Larger ones are compressed as they are sent. */
const MOST_LENGTH = 1_048_576

/** It is done once for each state of a file: worth more than for an answer that is sent once. */
const BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: 7 } }

const COMPRESS: Readonly<Record<string, (content: Buffer) => Promise<Buffer>>> = {
  br: (content) => promisify(brotliCompress)(content, BROTLI),
  gzip: (content) => promisify(gzip)(content),
}

/** Compressed forms of a file in memory, for the codings that it has no neighbour for. */
export async function generateForms(
  forms: readonly Form[],
  type: string,
  { fields }: Location,
): Promise<Form[]> {
  const [{ content, stats }] = forms as [Form]
  if (content.length < LEAST_LENGTH || content.length > MOST_LENGTH) return []
  if (!isWorthCompressing(type) || /\bno-transform\b/i.test(fields.join())) return []
  const missing = Object.keys(COMPRESS).filter((coding) =>
    forms.every((each) => each.coding !== coding),
  )
  return Promise.all(
    missing.map(async (coding) => {
      const compress = COMPRESS[coding] as (typeof COMPRESS)[string]
      return { coding, stats, content: await compress(content), isGenerated: true }
    }),
  )
}
