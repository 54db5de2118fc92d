import { extname } from 'node:path'
import isCompressible from 'compressible'
import { contentType } from 'mime-types'
import type { Location } from './locations.ts'

/** By the extension of the name, with a charset where it is text. */
export function typeOf(name: string, { types, options }: Location): string {
  const extension = extname(name).toLowerCase()
  const given = types.get(extension)
  if (given !== undefined) return contentType(given) || given
  return (extension !== '' && contentType(extension)) || options.defaultType
}

/** Whether compressed forms of this type are worth looking for. */
export const isWorthCompressing = (type: string): boolean => isCompressible(type) === true
