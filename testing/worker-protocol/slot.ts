import {
  BLOCK_SIZE,
  BODY,
  ENVIRON_IN_BLOCK,
  KIND,
  SLOT_HEADER,
  SLOT_SIZE,
  type SlotFields,
  writeSlotHeader,
} from '../../plugins/workers/slot.ts'

export { BLOCK_SIZE, BODY, KIND }

/** A request for a worker. */
export interface SlotRequest {
  readonly method?: string
  readonly body?: string
  /** How the body travels: a number of `BODY`. */
  readonly kind?: number
  /** The environ travels in the block. */
  readonly inBlock?: boolean
  /** Further pairs of the environ. */
  readonly environ?: Readonly<Record<string, string>>
}

const NUMBER_OF_BLOCK = 1

/** The slot of a request, and what lies beside it. */
export function slotOf(
  id: number,
  path: string,
  { method = 'GET', body = '', kind, inBlock = false, environ = {} }: SlotRequest,
): { slot: Buffer; block?: Buffer; file?: Buffer } {
  const [name = '', query = ''] = path.split('?')
  const bytes = Buffer.from(body, 'latin1')
  const pairs = {
    REQUEST_METHOD: method,
    SCRIPT_NAME: '',
    PATH_INFO: name,
    QUERY_STRING: query,
    RAW_URI: path,
    REQUEST_URI: path,
    SERVER_NAME: 'test',
    SERVER_PORT: '80',
    SERVER_PROTOCOL: 'HTTP/1.1',
    'wsgi.url_scheme': 'http',
    REMOTE_ADDR: '127.0.0.1',
    ...(bytes.length > 0 && { CONTENT_LENGTH: String(bytes.length) }),
    ...environ,
  }
  const text = Buffer.from(
    Object.entries(pairs)
      .map(([key, value]) => `${key}\0${value}\0`)
      .join(''),
    'latin1',
  )
  const way = kind ?? (bytes.length > 0 ? BODY.inline : BODY.none)
  const inline = way === BODY.inline ? bytes : Buffer.alloc(0)
  const slot = encodeSlot(
    {
      id,
      flags: inBlock ? ENVIRON_IN_BLOCK : 0,
      body: way,
      environLength: text.length,
      block: NUMBER_OF_BLOCK,
      bodyLength: bytes.length,
    },
    inBlock ? undefined : Buffer.concat([text, inline]),
  )
  if (inBlock) return { slot, block: Buffer.concat([text, inline]) }
  if (way === BODY.block) return { slot, block: bytes }
  return way === BODY.file ? { slot, file: bytes } : { slot }
}

export function encodeSlot(fields: Partial<SlotFields>, rest?: Buffer): Buffer {
  const slot = Buffer.alloc(SLOT_SIZE)
  if (rest && rest.length > SLOT_SIZE - SLOT_HEADER) throw new Error('too much for a slot')
  const header = new DataView(slot.buffer, slot.byteOffset, SLOT_HEADER)
  writeSlotHeader(header, 0, { ...NOTHING, headTime: performance.now(), ...fields })
  rest?.copy(slot, SLOT_HEADER)
  return slot
}

const NOTHING: SlotFields = {
  kind: KIND.request,
  flags: 0,
  body: BODY.none,
  front: 0,
  id: 1,
  environLength: 0,
  block: 0,
  bodyLength: 0,
  headTime: 0,
  bodyMicroseconds: 5000,
}
