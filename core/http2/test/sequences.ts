// Frames as a client may send them, and what must come of it. Each is of RFC 9113 unless it says otherwise.
import { CODE, FLAG, FRAME, PREFACE } from '../protocol.ts'
import { block, frame, GET } from './harness.ts'

type Fields = readonly (readonly [string, string])[]

export interface Sequence {
  readonly name: string
  readonly bytes: Buffer
  /** Bodies of answers, by stream. */
  readonly answers?: Record<number, string>
  readonly statuses?: Record<number, number>
  readonly resets?: Record<number, number>
  readonly goaway?: number
}

const sequences: Sequence[] = []
type Expected = Omit<Sequence, 'name' | 'bytes'>

export const BEGINNING = Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0)])
const { endStream: END, endHeaders: WHOLE } = FLAG

/** Behind preface and settings. */
function given(name: string, frames: readonly Buffer[], expected: Expected): void {
  sequences.push({ name, bytes: Buffer.concat([BEGINNING, ...frames]), ...expected })
}

const raw = (name: string, frames: readonly Buffer[], expected: Expected) =>
  sequences.push({ name, bytes: Buffer.concat(frames), ...expected })

export const head = (path: string, method = 'GET', ...others: Fields): Fields => [
  [':method', method],
  [':scheme', 'http'],
  [':authority', 'a'],
  [':path', path],
  ...others,
]
export const get = (stream: number, path = '/', ...others: Fields) =>
  frame(FRAME.headers, END | WHOLE, stream, block(head(path, 'GET', ...others)))
export const post = (stream: number, path = '/', ...others: Fields) =>
  frame(FRAME.headers, WHOLE, stream, block(head(path, 'POST', ...others)))
export const data = (stream: number, text: string, flags = 0) =>
  frame(FRAME.data, flags, stream, Buffer.from(text))
const asked = (stream: number, fields: Fields, flags = END | WHOLE) =>
  frame(FRAME.headers, flags, stream, block(fields))
const number = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
export const setting = (id: number, value: number) =>
  Buffer.concat([Buffer.from([0, id]), number(value)])
export const settings = (...pairs: (readonly [number, number])[]) =>
  frame(FRAME.settings, 0, 0, Buffer.concat(pairs.map(([id, value]) => setting(id, value))))
export const update = (stream: number, size: number) =>
  frame(FRAME.windowUpdate, 0, stream, number(size))
export const reset = (stream: number, code: number = CODE.cancel) =>
  frame(FRAME.reset, 0, stream, number(code))
const priority = (stream: number, on = 0) =>
  frame(FRAME.priority, 0, stream, Buffer.concat([number(on), Buffer.from([15])]))
const ping = (flags = 0, stream = 0, size = 8) =>
  frame(FRAME.ping, flags, stream, Buffer.alloc(size))
const padded = (size: number, payload: Buffer) =>
  Buffer.concat([Buffer.from([size]), payload, Buffer.alloc(size)])
const ONE = { answers: { 1: 'GET / ' } }
const PROTOCOL = { goaway: CODE.protocol }
const SIZE = { goaway: CODE.frameSize }

// requests
given('a request', [get(1)], ONE)
given('two requests', [get(1, '/a'), get(3, '/b')], { answers: { 1: 'GET /a ', 3: 'GET /b ' } })
given('streams that are passed over', [get(1), get(7)], { answers: { 1: 'GET / ', 7: 'GET / ' } })
given('a body in pieces', [post(1), data(1, 'a'), data(1, 'b'), data(1, 'c', END)], {
  answers: { 1: 'POST / abc' },
})
given('an empty frame at the end of a body', [post(1), data(1, 'a'), data(1, '', END)], {
  answers: { 1: 'POST / a' },
})
given(
  'bodies that are interleaved',
  [post(1), post(3), data(1, 'a'), data(3, 'b', END), data(1, 'c', END)],
  {
    answers: { 1: 'POST / ac', 3: 'POST / b' },
  },
)
given(
  '§6.1 padding',
  [post(1), frame(FRAME.data, FLAG.padded | END, 1, padded(5, Buffer.from('abc')))],
  {
    answers: { 1: 'POST / abc' },
  },
)
given(
  '§6.1 nothing but padding',
  [post(1), frame(FRAME.data, FLAG.padded, 1, padded(3, Buffer.alloc(0))), data(1, 'a', END)],
  {
    answers: { 1: 'POST / a' },
  },
)
given('§8.1 trailers', [post(1), data(1, 'a'), asked(1, [['x-sum', '1']])], {
  answers: { 1: 'POST / a' },
})
given('§8.1 trailers without a body', [post(1), asked(1, [['x-sum', '1']])], {
  answers: { 1: 'POST / ' },
})
given(
  '§6.2 padding of a head',
  [frame(FRAME.headers, FLAG.padded | END | WHOLE, 1, padded(9, block(GET)))],
  ONE,
)
given(
  '§6.2 a head with priority',
  [
    frame(
      FRAME.headers,
      FLAG.priority | END | WHOLE,
      1,
      Buffer.concat([number(0), Buffer.from([1]), block(GET)]),
    ),
  ],
  ONE,
)
given(
  '§6.10 a head in pieces',
  [
    frame(FRAME.headers, END, 1, block(GET).subarray(0, 5)),
    frame(FRAME.continuation, 0, 1, block(GET).subarray(5, 6)),
    frame(FRAME.continuation, WHOLE, 1, block(GET).subarray(6)),
  ],
  ONE,
)
given(
  '§6.10 an empty piece of a head',
  [frame(FRAME.headers, END, 1, block(GET)), frame(FRAME.continuation, WHOLE, 1)],
  ONE,
)
given(
  '§5.5 a frame of an unknown type',
  [frame(99, 255, 0, Buffer.alloc(50)), get(1), frame(50, 1, 1)],
  ONE,
)
given(
  '§4.1 flags that mean nothing',
  [frame(FRAME.headers, 0xd0 | END | WHOLE, 1, block(GET))],
  ONE,
)
given('§4.1 the reserved bit', [frame(FRAME.headers, END | WHOLE, 0x8000_0001, block(GET))], ONE)
given('§5.3.2 priorities', [priority(3), get(1), priority(1, 3)], ONE)
given('§6.5.2 an unknown setting', [settings([99, 5]), get(1)], ONE)
given('§6.5.3 settings acknowledged', [frame(FRAME.settings, FLAG.ack, 0), get(1)], ONE)
given('§6.7 a ping', [ping(), get(1)], ONE)
given('§6.8 a farewell', [get(1), frame(FRAME.goaway, 0, 0, Buffer.alloc(20))], ONE)
given('§6.9 windows that grow', [update(0, 1000), get(1), update(1, 1000)], ONE)
given(
  '§6.9.2 a window that opens late',
  [settings([4, 0]), get(1), update(1, 3), update(1, 100)],
  ONE,
)
given('§6.9.2 a window that the settings open', [settings([4, 0]), get(1), settings([4, 6])], ONE)
given('§6.4 a stream that is given up', [post(1), reset(1), get(3)], { answers: { 3: 'GET / ' } })
given(
  '§8.1.1 a length that is right',
  [post(1, '/', ['content-length', '3']), data(1, 'ab'), data(1, 'c', END)],
  {
    answers: { 1: 'POST / abc' },
  },
)
given('§8.1.1 a length of nothing', [get(1, '/', ['content-length', '0'])], ONE)
given('§8.2.2 te: trailers', [get(1, '/', ['te', 'trailers'])], ONE)
given(
  '§8.3.1 a host instead of the authority',
  [
    asked(1, [
      [':method', 'GET'],
      [':scheme', 'http'],
      [':path', '/'],
      ['host', 'a'],
    ]),
  ],
  ONE,
)
given('§8.3.1 a host that is the authority', [get(1, '/', ['host', 'A:443'])], ONE)
given('§8.3.1 OPTIONS *', [asked(1, head('*', 'OPTIONS'))], { answers: { 1: 'OPTIONS * ' } })
given(
  '§8.2.3 a cookie in more pieces than there may be fields',
  [get(1, '/', ...Array.from({ length: 30 }, (_, at): [string, string] => ['cookie', `a${at}=b`]))],
  ONE,
)
given('§8.2.1 an empty value, and one beyond ASCII', [get(1, '/', ['a', ''], ['b', 'é'])], ONE)
given('§5.1 a window of a stream that is over', [get(1), update(1, 5), reset(1)], {})
given(
  'RFC 7541 §4.2 another size of the table',
  [
    frame(
      FRAME.headers,
      END | WHOLE,
      1,
      Buffer.concat([Buffer.from([0x3f, 0xe1, 0x1f]), block(GET)]),
    ),
  ],
  ONE,
)

// answered on behalf of everybody
const refusedHeads: [string, Fields, number][] = [
  ['a path without a slash', head('a'), 400],
  ['an asterisk without OPTIONS', head('*'), 400],
  ['a path with a fragment', head('/a#b'), 400],
  ['a path with a space', head('/a b'), 400],
  [
    'a host that is none',
    head('/').map(([name, value]) => [name, name === ':authority' ? 'a b' : value]),
    400,
  ],
  ['no host', head('/').filter(([name]) => name !== ':authority'), 400],
  ['a host that is not the authority', head('/', 'GET', ['host', 'b']), 400],
  ['two hosts', head('/', 'GET', ['host', 'a'], ['host', 'a']), 400],
  ['an unknown expectation', head('/', 'GET', ['expect', 'more']), 417],
  ['a method in lower case', head('/', 'get'), 400],
  [
    'CONNECT',
    [
      [':method', 'CONNECT'],
      [':authority', 'a:443'],
    ],
    501,
  ],
  ['too long a line', head(`/${'x'.repeat(100)}`), 414],
  ['too long a field', head('/', 'GET', ['a', 'x'.repeat(120)]), 431],
  [
    'too many fields',
    head('/', 'GET', ...Array.from({ length: 11 }, (_, at): [string, string] => [`a${at}`, ''])),
    431,
  ],
  ['too large a body', head('/', 'GET', ['content-length', '101']), 413],
]
for (const [name, fields, status] of refusedHeads) {
  const flags = name === 'too large a body' ? WHOLE : END | WHOLE
  given(name, [asked(1, fields, flags), get(3)], {
    statuses: { 1: status },
    answers: { 3: 'GET / ' },
  })
}

// RFC 9113 §8.1.1: malformed requests
const without = (name: string) => head('/').filter(([each]) => each !== name)
const malformed: [string, Fields][] = [
  ['§8.2.1 upper case', head('/', 'GET', ['X-a', '1'])],
  ['§8.2.1 a name with a space', head('/', 'GET', ['a b', '1'])],
  ['§8.2.1 a name with a colon', head('/', 'GET', ['a:b', '1'])],
  ['§8.2.1 a name of nothing', head('/', 'GET', ['', '1'])],
  ['§8.2.1 a name beyond ASCII', head('/', 'GET', ['é', '1'])],
  ['§8.2.1 CR in a value', head('/', 'GET', ['a', 'b\rc'])],
  ['§8.2.1 LF in a value', head('/', 'GET', ['a', 'b\nc'])],
  ['§8.2.1 NUL in a value', head('/', 'GET', ['a', 'b\0c'])],
  ['§8.2.1 white space before a value', head('/', 'GET', ['a', ' b'])],
  ['§8.2.1 white space after a value', head('/', 'GET', ['a', 'b\t'])],
  ['RFC 9110 §5.5 a control byte in a value', head('/', 'GET', ['a', 'b\x01c'])],
  ['§8.2.2 connection', head('/', 'GET', ['connection', 'close'])],
  ['§8.2.2 keep-alive', head('/', 'GET', ['keep-alive', 'timeout=5'])],
  ['§8.2.2 proxy-connection', head('/', 'GET', ['proxy-connection', 'keep-alive'])],
  ['§8.2.2 transfer-encoding', head('/', 'POST', ['transfer-encoding', 'chunked'])],
  ['§8.2.2 upgrade', head('/', 'GET', ['upgrade', 'websocket'])],
  ['§8.2.2 te', head('/', 'GET', ['te', 'gzip'])],
  [
    '§8.3 a pseudo-header field behind others',
    [...head('/', 'GET', ['a', 'b']).slice(0, 3), ['a', 'b'], [':path', '/']],
  ],
  ['§8.3 a pseudo-header field twice', [...head('/'), [':path', '/']]],
  ['§8.3 the authority twice', [...head('/'), [':authority', 'a']]],
  ['§8.3 an unknown pseudo-header field', [...head('/'), [':protocol', 'websocket']]],
  ['§8.3 one of answers', [...head('/'), [':status', '200']]],
  ['§8.3.1 no method', without(':method')],
  ['§8.3.1 no scheme', without(':scheme')],
  ['§8.3.1 no path', without(':path')],
  ['§8.3.1 an empty path', head('')],
  ['§8.3.1 an empty method', head('/', '')],
  ['§8.3.1 a method that is no token', head('/', 'G T')],
  [
    '§8.3.1 a scheme that is none',
    head('/').map(([name, value]) => [name, name === ':scheme' ? '1:' : value]),
  ],
  [
    '§8.5 CONNECT with a path',
    [
      [':method', 'CONNECT'],
      [':authority', 'a:443'],
      [':path', '/'],
    ],
  ],
  ['§8.5 CONNECT without an authority', [[':method', 'CONNECT']]],
  ['§8.1.1 a length of something without a body', head('/', 'GET', ['content-length', '5'])],
  ['§8.1.1 two lengths', head('/', 'GET', ['content-length', '0'], ['content-length', '0'])],
  ['§8.1.1 a length that is no number', head('/', 'GET', ['content-length', '+0'])],
]
for (const [name, fields] of malformed) {
  given(name, [asked(1, fields), get(3)], {
    resets: { 1: CODE.protocol },
    answers: { 3: 'GET / ' },
  })
}

// stream errors
const streamFaults: [string, Buffer[], number][] = [
  [
    '§8.1.1 a body longer than its length',
    [post(1, '/', ['content-length', '2']), data(1, 'abc', END)],
    CODE.protocol,
  ],
  [
    '§8.1.1 a body shorter than its length',
    [post(1, '/', ['content-length', '4']), data(1, 'abc', END)],
    CODE.protocol,
  ],
  [
    '§8.1.1 no body where there is a length',
    [post(1, '/', ['content-length', '4']), data(1, '', END)],
    CODE.protocol,
  ],
  [
    '§8.1 trailers that do not end the stream',
    [post(1), asked(1, [['a', 'b']], WHOLE)],
    CODE.protocol,
  ],
  ['§8.1 a pseudo-header field in trailers', [post(1), asked(1, [[':path', '/']])], CODE.protocol],
  [
    '§8.1 a field of connections in trailers',
    [post(1), asked(1, [['connection', 'close']])],
    CODE.protocol,
  ],
  [
    'RFC 9110 §6.5.1 a field that is none for trailers',
    [post(1), asked(1, [['authorization', 'me']])],
    CODE.protocol,
  ],
  ['§5.1 DATA behind the end', [settings([4, 0]), get(1), data(1, 'a')], CODE.streamClosed],
  [
    '§5.1 HEADERS behind the end',
    [settings([4, 0]), get(1), asked(1, [['a', 'b']])],
    CODE.streamClosed,
  ],
  ['§6.9 a window that grows by nothing', [settings([4, 0]), get(1), update(1, 0)], CODE.protocol],
  ['§6.9.1 a window that overflows', [get(1), update(1, 2 ** 31 - 1)], CODE.flowControl],
]
for (const [name, frames, code] of streamFaults) {
  given(name, [...frames, settings([4, 65_535]), get(3)], {
    resets: { 1: code },
    answers: { 3: 'GET / ' },
  })
}

// connection errors
raw('§3.4 no preface', [Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n')], PROTOCOL)
raw(
  '§3.4 a preface that is wrong at its end',
  [Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r')],
  PROTOCOL,
)
raw('§3.4 no settings', [PREFACE, get(1)], PROTOCOL)
raw('§3.4 a body instead of settings', [PREFACE, data(1, 'a')], PROTOCOL)
raw(
  '§3.4 settings acknowledged instead of sent',
  [PREFACE, frame(FRAME.settings, FLAG.ack, 0)],
  PROTOCOL,
)
given('§4.2 a frame too large', [frame(FRAME.data, 0, 1, Buffer.alloc(16_385))], SIZE)
given('§4.2 a head too large', [frame(FRAME.headers, WHOLE, 1, Buffer.alloc(16_385))], SIZE)
given('§4.3 HPACK that is none', [frame(FRAME.headers, END | WHOLE, 1, Buffer.from([0x80]))], {
  goaway: CODE.compression,
})
given(
  'RFC 7541 §2.3.3 an entry that is not there',
  [frame(FRAME.headers, END | WHOLE, 1, Buffer.from([0xff, 0x20]))],
  { goaway: CODE.compression },
)
given(
  'RFC 7541 §4.2 a table too large',
  [
    frame(
      FRAME.headers,
      END | WHOLE,
      1,
      Buffer.concat([Buffer.from([0x3f, 0xe2, 0x1f]), block(GET)]),
    ),
  ],
  { goaway: CODE.compression },
)
given(
  'RFC 7541 §4.2 a size of the table behind a field',
  [frame(FRAME.headers, END | WHOLE, 1, Buffer.concat([block(GET), Buffer.from([0x20])]))],
  { goaway: CODE.compression },
)
given(
  'RFC 7541 §5.1 a number without an end',
  [frame(FRAME.headers, END | WHOLE, 1, Buffer.from([0xff, 255, 255, 255, 255, 255, 255, 1]))],
  { goaway: CODE.compression },
)
given(
  'RFC 7541 §5.2 a text without its end',
  [frame(FRAME.headers, END | WHOLE, 1, Buffer.from([0, 5, 97]))],
  { goaway: CODE.compression },
)
given(
  'RFC 7541 §5.2 Huffman code that ends a string',
  [frame(FRAME.headers, END | WHOLE, 1, Buffer.from([0, 0x84, 255, 255, 255, 255, 1, 97]))],
  { goaway: CODE.compression },
)
given(
  'RFC 7541 §5.2 padding of a whole byte',
  [frame(FRAME.headers, END | WHOLE, 1, Buffer.from([0, 0x82, 0x1f, 0xff, 1, 97]))],
  { goaway: CODE.compression },
)
given(
  'RFC 7541 §5.2 padding with zeros',
  [frame(FRAME.headers, END | WHOLE, 1, Buffer.from([0, 0x81, 0x18, 1, 97]))],
  { goaway: CODE.compression },
)
given(
  '§4.3 HPACK that is none in a stream that is reset',
  [
    post(1),
    asked(1, [['connection', 'x']]),
    frame(FRAME.headers, END | WHOLE, 1, Buffer.from([0x80])),
  ],
  { goaway: CODE.compression },
)
given('§5.1 DATA of an idle stream', [data(1, 'a')], PROTOCOL)
given('§5.1 RST_STREAM of an idle stream', [reset(1)], PROTOCOL)
given('§5.1 WINDOW_UPDATE of an idle stream', [update(1, 1)], PROTOCOL)
given('§5.1 WINDOW_UPDATE of one of the server', [update(2, 1)], PROTOCOL)
given('§5.1 HEADERS of a stream that is over', [post(3), reset(3), get(3)], {
  goaway: CODE.streamClosed,
})
given('§5.1.1 a stream with an even number', [get(2)], PROTOCOL)
given('§5.1.1 a stream with a number that is passed', [post(5), get(3)], {
  goaway: CODE.streamClosed,
})
given('§6.1 DATA of no stream', [data(0, 'a')], PROTOCOL)
given(
  '§6.1 more padding than there is',
  [post(1), frame(FRAME.data, FLAG.padded, 1, Buffer.from([2, 0]))],
  PROTOCOL,
)
given('§6.1 padding without a length', [post(1), frame(FRAME.data, FLAG.padded, 1)], SIZE)
given('§6.2 HEADERS of no stream', [get(0)], PROTOCOL)
given(
  '§6.2 more padding of a head than there is',
  [frame(FRAME.headers, FLAG.padded | END | WHOLE, 1, Buffer.from([9, 0x82]))],
  PROTOCOL,
)
given(
  '§6.2 a head too short for its padding',
  [frame(FRAME.headers, FLAG.padded | END | WHOLE, 1)],
  PROTOCOL,
)
given(
  '§6.2 a head too short for its priority',
  [frame(FRAME.headers, FLAG.priority | END | WHOLE, 1, Buffer.from([0, 0]))],
  PROTOCOL,
)
given('§6.3 PRIORITY of no stream', [priority(0)], PROTOCOL)
given('§6.3 PRIORITY of a wrong size', [frame(FRAME.priority, 0, 1, Buffer.alloc(4))], SIZE)
given('§6.4 RST_STREAM of no stream', [reset(0)], PROTOCOL)
given('§6.4 RST_STREAM of a wrong size', [post(1), frame(FRAME.reset, 0, 1, Buffer.alloc(3))], SIZE)
given('§6.5 SETTINGS of a stream', [frame(FRAME.settings, 0, 1)], PROTOCOL)
given('§6.5 SETTINGS of a wrong size', [frame(FRAME.settings, 0, 0, Buffer.alloc(5))], SIZE)
given(
  '§6.5 SETTINGS acknowledged with something',
  [frame(FRAME.settings, FLAG.ack, 0, Buffer.alloc(6))],
  SIZE,
)
given('§6.5.2 push that is neither on nor off', [settings([2, 2])], PROTOCOL)
given('§6.5.2 a window too large', [settings([4, 2 ** 31])], { goaway: CODE.flowControl })
given('§6.5.2 frames too small', [settings([5, 16_383])], PROTOCOL)
given('§6.5.2 frames too large', [settings([5, 2 ** 24])], PROTOCOL)
given('§6.6 PUSH_PROMISE', [get(1), frame(FRAME.pushPromise, WHOLE, 1, Buffer.alloc(4))], PROTOCOL)
given('§6.7 PING of a stream', [ping(0, 1)], PROTOCOL)
given('§6.7 PING of a wrong size', [ping(0, 0, 7)], SIZE)
given('§6.8 GOAWAY of a stream', [frame(FRAME.goaway, 0, 1, Buffer.alloc(8))], PROTOCOL)
given('§6.8 GOAWAY of a wrong size', [frame(FRAME.goaway, 0, 0, Buffer.alloc(7))], SIZE)
given(
  '§6.9 WINDOW_UPDATE of a wrong size',
  [frame(FRAME.windowUpdate, 0, 0, Buffer.alloc(5))],
  SIZE,
)
given('§6.9 a window of all that grows by nothing', [update(0, 0)], PROTOCOL)
given('§6.9.1 a window of all that overflows', [update(0, 2 ** 31 - 1)], {
  goaway: CODE.flowControl,
})
given(
  '§6.9.2 a window that overflows by settings',
  [post(1), update(1, 2 ** 31 - 65_536), settings([4, 65_536])],
  { goaway: CODE.flowControl },
)
given('§6.10 CONTINUATION of nothing', [frame(FRAME.continuation, WHOLE, 1)], PROTOCOL)
given(
  '§6.10 CONTINUATION behind a whole head',
  [get(1), frame(FRAME.continuation, WHOLE, 1)],
  PROTOCOL,
)
given(
  '§6.10 CONTINUATION of another stream',
  [frame(FRAME.headers, END, 1, block(GET)), frame(FRAME.continuation, WHOLE, 3)],
  PROTOCOL,
)
given(
  '§6.10 another frame within a head',
  [frame(FRAME.headers, END, 1, block(GET)), ping()],
  PROTOCOL,
)
given(
  '§6.10 a body within a head',
  [post(1), frame(FRAME.headers, END, 3, block(GET)), data(1, 'a')],
  PROTOCOL,
)
given(
  '§6.10 an unknown frame within a head',
  [frame(FRAME.headers, END, 1, block(GET)), frame(99, 0, 0)],
  PROTOCOL,
)
given(
  '§6.10 another head within a head',
  [frame(FRAME.headers, END, 1, block(GET)), get(3)],
  PROTOCOL,
)

export { sequences }
