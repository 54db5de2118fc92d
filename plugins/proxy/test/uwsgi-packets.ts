// Packets of the uwsgi protocol, as nginx sends them.

export type Pairs = readonly (readonly [name: string, value: string])[]

/** What nginx's uwsgi_params has of a request for `/cart?x=1`. */
export const PARAMS: Readonly<Record<string, string>> = {
  QUERY_STRING: 'x=1',
  REQUEST_METHOD: 'GET',
  CONTENT_TYPE: '',
  CONTENT_LENGTH: '',
  REQUEST_URI: '/cart?x=1',
  PATH_INFO: '/cart',
  DOCUMENT_ROOT: '/usr/share/nginx/html',
  SERVER_PROTOCOL: 'HTTP/1.1',
  REQUEST_SCHEME: 'https',
  HTTPS: 'on',
  REMOTE_ADDR: '203.0.113.9',
  REMOTE_PORT: '50123',
  SERVER_PORT: '443',
  SERVER_NAME: 'shop.example',
  HTTP_HOST: 'shop.example',
}

export function packet(pairs: Pairs, modifiers: readonly [number, number] = [0, 0]): Buffer {
  const body = Buffer.concat(pairs.flatMap((pair) => pair.map(sized)))
  return Buffer.concat([
    Buffer.from([modifiers[0], body.length & 255, body.length >> 8, modifiers[1]]),
    body,
  ])
}

export const request = (changes: Readonly<Record<string, string>> = {}, more: Pairs = []) =>
  packet([...Object.entries({ ...PARAMS, ...changes }), ...more])

function sized(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1')
  return Buffer.concat([Buffer.from([bytes.length & 255, bytes.length >> 8]), bytes])
}
