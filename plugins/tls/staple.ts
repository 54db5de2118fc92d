import { BadFile } from './errors.ts'
import { readBytes } from './files.ts'

/** `responseStatus` of OCSPResponse (RFC 6960 §4.2.1): ENUMERATED, successful. */
const SUCCESSFUL = Buffer.from([0x0a, 0x01, 0x00])
/** SEQUENCE with a length of three bytes, at most. */
const MOST_BEFORE = 5

/** @returns the response, base64. @throws WSGI_CORE_TLS_BAD_FILE where it is none, or one of failure. */
export function readStaple(file: string): string {
  const bytes = readBytes(file)
  const at = bytes.indexOf(SUCCESSFUL)
  if (bytes[0] !== 0x30 || at < 0 || at > MOST_BEFORE) {
    throw new BadFile(file, 'it is no successful OCSP response in DER')
  }
  return bytes.toString('base64')
}
