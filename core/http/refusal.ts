import { dateLine } from './response-head.ts'

const REASONS: Record<number, string> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  413: 'Content Too Large',
  414: 'URI Too Long',
  417: 'Expectation Failed',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  501: 'Not Implemented',
  503: 'Service Unavailable',
  505: 'HTTP Version Not Supported',
}

/** The engine's own answer to what it does not hand on; the last on its connection. */
export function refusal(status: number): string {
  const body = `${status} ${REASONS[status]}\n`
  return (
    `HTTP/1.1 ${status} ${REASONS[status]}\r\nContent-Type: text/plain\r\n${dateLine()}` +
    `Content-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`
  )
}
