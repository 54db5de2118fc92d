import { fieldLine, fieldName, nodeError, statusLine } from './response-head.ts'

/** Status line and fields of an answer that is sent again and again: checked and rendered once. */
export interface PreparedHead {
  readonly statusCode: number
  /** Names and values in turn. */
  readonly fields: readonly string[]
  readonly lines: string
}

/**
 * Date, and the fields that frame the body, are the engine's: it adds them when the answer is sent.
 * @throws where a field cannot be sent, or is the engine's.
 */
export function prepareHead(statusCode: number, fields: readonly string[]): PreparedHead {
  let lines = statusLine(statusCode, undefined)
  for (let index = 0; index < fields.length; index += 2) {
    const field = fieldName(fields[index] as string)
    if (field.kind !== 'plain') {
      const message = `"${field.lower}" cannot be in a prepared head`
      throw nodeError(TypeError, 'ERR_HTTP_INVALID_HEADER_VALUE', message)
    }
    lines += fieldLine(field, fields[index + 1])
  }
  return { statusCode, fields, lines }
}
