// Peer, options and fields, and what the application sees of them.
export interface Case {
  readonly name: string
  /** Address of who connects; 'unix' at a Unix socket. Default 127.0.0.1. */
  readonly peer?: string
  /** Over TLS. */
  readonly tls?: boolean
  readonly options?: Readonly<Record<string, unknown>>
  readonly send: Readonly<Record<string, string | readonly string[]>>
  /** Of the environ; null: it is not there. `status` is that of a refusal. */
  readonly sees: Readonly<Record<string, string | null>>
}

const XFF = 'X-Forwarded-For'
const PROTO = 'X-Forwarded-Proto'
const CLIENT = '203.0.113.9'
const SPOOF = '198.51.100.66'
const trust = (...words: string[]) => ({ forwardedAllowIps: words })
const LOCAL = trust('127.0.0.1', '::1')
const ranges = trust('127.0.0.1', '10.0.0.0/8', '2001:db8:a::/48')

/** X-Forwarded-For from 127.0.0.1, where 10.0.0.0/8 and 2001:db8:a::/48 are proxies too. */
const chain = (
  name: string,
  sent: string | readonly string[],
  address: string,
  rest = {},
): Case => ({
  name,
  options: ranges,
  send: { [XFF]: sent },
  sees: { REMOTE_ADDR: address, ...rest },
})

const forwarded = (
  name: string,
  sent: string | readonly string[],
  address: string,
  rest = {},
): Case => ({
  name,
  options: ranges,
  send: { Forwarded: sent },
  sees: { REMOTE_ADDR: address, ...rest },
})

const KEPT = 'HTTP_X_FORWARDED_FOR'
const PORT = 'REMOTE_PORT'
const IGNORED = { [KEPT]: null }
const BROKEN = { HTTP_FORWARDED: null, 'wsgi.url_scheme': 'http' }
const hops = (count: number, hop: string) => Array.from({ length: count }, () => hop).join(', ')

const whoIsTrusted: Case[] = [
  {
    name: 'loopback is believed by default',
    send: { [XFF]: CLIENT },
    sees: { REMOTE_ADDR: CLIENT, 'wsgi_core.peer_addr': '127.0.0.1' },
  },
  {
    name: 'so is that of IPv6',
    peer: '::1',
    send: { [XFF]: CLIENT },
    sees: { REMOTE_ADDR: CLIENT, 'wsgi_core.peer_addr': '::1' },
  },
  {
    name: 'so is IPv4 in IPv6',
    peer: '::ffff:127.0.0.1',
    send: { [XFF]: CLIENT },
    sees: { REMOTE_ADDR: CLIENT, 'wsgi_core.peer_addr': '127.0.0.1' },
  },
  {
    name: 'so is a Unix socket',
    peer: 'unix',
    send: { [XFF]: CLIENT },
    sees: { REMOTE_ADDR: CLIENT, 'wsgi_core.peer_addr': '' },
  },
  {
    name: 'a Unix socket is, whatever addresses are named',
    peer: 'unix',
    options: trust('192.0.2.1'),
    send: { [XFF]: CLIENT },
    sees: { REMOTE_ADDR: CLIENT },
  },
  {
    name: 'no-unix takes that away',
    peer: 'unix',
    options: trust('no-unix'),
    send: { [XFF]: CLIENT },
    sees: { REMOTE_ADDR: '', [KEPT]: null },
  },
  {
    name: 'others are not believed',
    peer: '192.0.2.1',
    send: { [XFF]: CLIENT, [PROTO]: 'https' },
    sees: {
      REMOTE_ADDR: '192.0.2.1',
      'wsgi.url_scheme': 'http',
      [KEPT]: null,
      HTTP_X_FORWARDED_PROTO: null,
      'wsgi_core.peer_addr': null,
    },
  },
  {
    name: 'nor is 127.0.0.2',
    peer: '127.0.0.2',
    send: { [XFF]: CLIENT },
    sees: { REMOTE_ADDR: '127.0.0.2', [KEPT]: null },
  },
  {
    name: 'nor an address that begins alike',
    peer: '127.0.0.10',
    send: { [XFF]: CLIENT },
    sees: { REMOTE_ADDR: '127.0.0.10', [KEPT]: null },
  },
  {
    name: 'nor loopback, where others are named',
    options: trust('192.0.2.1'),
    send: { [XFF]: CLIENT },
    sees: { REMOTE_ADDR: '127.0.0.1', [KEPT]: null },
  },
  {
    name: 'a named address is',
    peer: '192.0.2.1',
    options: trust('192.0.2.1'),
    send: { [XFF]: CLIENT },
    sees: { REMOTE_ADDR: CLIENT },
  },
  {
    name: 'the first of a range is',
    peer: '10.0.0.0',
    options: trust('10.0.0.0/30'),
    send: { [XFF]: CLIENT },
    sees: { REMOTE_ADDR: CLIENT },
  },
  {
    name: 'the last of a range is',
    peer: '10.0.0.3',
    options: trust('10.0.0.0/30'),
    send: { [XFF]: CLIENT },
    sees: { REMOTE_ADDR: CLIENT },
  },
  {
    name: 'one past a range is not',
    peer: '10.0.0.4',
    options: trust('10.0.0.0/30'),
    send: { [XFF]: CLIENT },
    sees: { REMOTE_ADDR: '10.0.0.4', [KEPT]: null },
  },
  {
    name: 'one of a range of IPv6 is',
    peer: '2001:db8:0:7fff::1',
    options: trust('2001:db8::/49'),
    send: { [XFF]: CLIENT },
    sees: { REMOTE_ADDR: CLIENT },
  },
  {
    name: 'one past a range of IPv6 is not',
    peer: '2001:db8:0:8000::1',
    options: trust('2001:db8::/49'),
    send: { [XFF]: CLIENT },
    sees: { REMOTE_ADDR: '2001:db8:0:8000::1', [KEPT]: null },
  },
  {
    name: 'IPv4 in IPv6 is of a range of IPv4',
    peer: '::ffff:10.1.2.3',
    options: trust('10.0.0.0/8'),
    send: { [XFF]: CLIENT },
    sees: { REMOTE_ADDR: CLIENT },
  },
  {
    name: 'IPv4 is of a range of IPv4 in IPv6',
    peer: '10.1.2.3',
    options: trust('::ffff:10.0.0.0/104'),
    send: { [XFF]: CLIENT },
    sees: { REMOTE_ADDR: CLIENT },
  },
  {
    name: '0.0.0.0/0 is all of IPv4',
    peer: '8.8.8.8',
    options: trust('0.0.0.0/0'),
    send: { [XFF]: `${CLIENT}` },
    sees: { REMOTE_ADDR: CLIENT },
  },
  {
    name: '0.0.0.0/0 is nothing of IPv6',
    peer: '2001:db8::1',
    options: trust('0.0.0.0/0'),
    send: { [XFF]: CLIENT },
    sees: { REMOTE_ADDR: '2001:db8::1', [KEPT]: null },
  },
  {
    name: '* is everybody, and the leftmost is the client',
    peer: '8.8.8.8',
    options: trust('*'),
    send: { [XFF]: `${SPOOF}, ${CLIENT}` },
    sees: { REMOTE_ADDR: SPOOF },
  },
  {
    name: 'a link-local peer is of its range, whatever its zone',
    peer: 'fe80::1%eth0',
    options: trust('fe80::/10'),
    send: { [XFF]: CLIENT },
    sees: { REMOTE_ADDR: CLIENT },
  },
  {
    name: 'who has left is nobody',
    peer: '',
    send: { [XFF]: CLIENT },
    sees: { REMOTE_ADDR: '', [KEPT]: null },
  },
  {
    name: 'none at all: nobody is',
    options: trust('no-unix'),
    send: { [XFF]: CLIENT, Forwarded: 'for=1.2.3.4' },
    sees: { REMOTE_ADDR: '127.0.0.1', [KEPT]: null, HTTP_FORWARDED: null },
  },
]

const chains: Case[] = [
  chain('one hop', CLIENT, CLIENT, { [KEPT]: CLIENT, [PORT]: null }),
  chain('what a client wrote itself is cut off', `${SPOOF}, ${CLIENT}`, CLIENT, { [KEPT]: CLIENT }),
  chain('in a line of its own too', [SPOOF, CLIENT], CLIENT, { [KEPT]: CLIENT }),
  chain('and in a line before', [`${SPOOF}, ${SPOOF}`, `${SPOOF}, ${CLIENT}`], CLIENT, {
    [KEPT]: CLIENT,
  }),
  chain('three hops', `${CLIENT}, 10.0.0.2, 10.0.0.1`, CLIENT, {
    [KEPT]: `${CLIENT}, 10.0.0.2, 10.0.0.1`,
  }),
  chain('three hops in three lines', [CLIENT, '10.0.0.2', '10.0.0.1'], CLIENT, {
    [KEPT]: `${CLIENT},10.0.0.2,10.0.0.1`,
  }),
  chain('three hops behind a lie', `${SPOOF}, ${CLIENT}, 10.0.0.2, 10.0.0.1`, CLIENT, {
    [KEPT]: `${CLIENT}, 10.0.0.2, 10.0.0.1`,
  }),
  chain(
    'a lie that names a proxy does not reach beyond the client',
    `${SPOOF}, 10.0.0.9, ${CLIENT}, 10.0.0.1`,
    CLIENT,
  ),
  chain('proxies alone: the farthest one', '10.0.0.3, 10.0.0.2', '10.0.0.3'),
  chain('an empty field says nothing', '', '127.0.0.1'),
  chain('nor do commas', ' , ,, ', '127.0.0.1'),
  chain('empty elements do not count', `${CLIENT}, , 10.0.0.1,`, CLIENT),
  chain('white space does not either', `\t ${CLIENT} \t,\t10.0.0.1 `, CLIENT),
  chain('a port of the client', `${CLIENT}:4711`, CLIENT, { [PORT]: '4711' }),
  chain('a port of a hop', `${CLIENT}, 10.0.0.1:80`, CLIENT, { [PORT]: null }),
  chain('IPv6', '2001:db8::7', '2001:db8::7'),
  chain('IPv6 in another spelling', '2001:0DB8:0:0::0007', '2001:db8::7'),
  chain('IPv6 in brackets', '[2001:db8::7]', '2001:db8::7'),
  chain('IPv6 in brackets with a port', '[2001:db8::7]:65535', '2001:db8::7', { [PORT]: '65535' }),
  chain('IPv4 in IPv6 is IPv4', '::ffff:203.0.113.9', CLIENT),
  chain('IPv4 in IPv6, in hexadecimal', '::ffff:cb00:7109', CLIENT),
  chain('a hop of IPv4 in IPv6', `${CLIENT}, ::ffff:10.0.0.1`, CLIENT),
  chain('hops of both families', `${CLIENT}, 2001:db8:a::1, 10.0.0.1`, CLIENT),
  chain('a trusted hop in brackets', `${CLIENT}, [2001:db8:a::1]:443`, CLIENT),
  chain('unknown: the last proxy that is known', `unknown, 10.0.0.1`, '10.0.0.1'),
  chain('an obfuscated identifier likewise', '_hidden, 10.0.0.1', '10.0.0.1'),
  chain('what is left of unknown does not count', `${SPOOF}, unknown`, '127.0.0.1', {
    [KEPT]: 'unknown',
  }),
  chain('no address: ignored', 'nonsense', '127.0.0.1', IGNORED),
  chain(
    'no address at a hop that counts: ignored, all of it',
    `${CLIENT}, nonsense, 10.0.0.1`,
    '127.0.0.1',
    IGNORED,
  ),
  chain(
    'no address further left does not matter',
    `nonsense, "${SPOOF}", ${CLIENT}, 10.0.0.1`,
    CLIENT,
    { [KEPT]: `${CLIENT}, 10.0.0.1` },
  ),
  chain('four numbers too large', '1.2.3.256', '127.0.0.1', IGNORED),
  chain('numbers with zeros in front', '010.0.0.1', '127.0.0.1', IGNORED),
  chain('three numbers', '1.2.3', '127.0.0.1', IGNORED),
  chain('a number', '3405803785', '127.0.0.1', IGNORED),
  chain('a range', '10.0.0.0/8', '127.0.0.1', IGNORED),
  chain('a port too large', `${CLIENT}:65536`, '127.0.0.1', IGNORED),
  chain('port 0', `${CLIENT}:0`, '127.0.0.1', IGNORED),
  chain('no port behind the colon', `${CLIENT}:`, '127.0.0.1', IGNORED),
  chain('a bracket left open', '[2001:db8::7', '127.0.0.1', IGNORED),
  chain('IPv4 in brackets', `[${CLIENT}]`, '127.0.0.1', IGNORED),
  chain('a zone', 'fe80::1%eth0', '127.0.0.1', IGNORED),
  chain('two double colons', '2001::db8::1', '127.0.0.1', IGNORED),
  chain('a name', 'client.example', '127.0.0.1', IGNORED),
  chain('quotes', `"${CLIENT}"`, '127.0.0.1', IGNORED),
  chain('a host that is all spaces and words', 'a b c', '127.0.0.1', IGNORED),
  chain('as many trusted hops as any chain has', `${CLIENT}, ${hops(99, '10.0.0.1')}`, CLIENT),
  chain(
    'more hops than any chain has',
    `${CLIENT}, ${hops(101, '10.0.0.1')}`,
    '127.0.0.1',
    IGNORED,
  ),
  chain(
    'ten thousand hops of a client',
    [hops(5000, SPOOF), `${hops(5000, SPOOF)}, ${CLIENT}`],
    CLIENT,
    { [KEPT]: CLIENT },
  ),
  chain('ten thousand hops of trusted ones', hops(10_000, '10.0.0.1'), '127.0.0.1', IGNORED),
]

const elements: Case[] = [
  forwarded('one element', `for=${CLIENT}`, CLIENT, { HTTP_FORWARDED: `for=${CLIENT}` }),
  forwarded('its scheme', `for=${CLIENT};proto=https`, CLIENT, { 'wsgi.url_scheme': 'https' }),
  forwarded('names and scheme in capitals', `For=${CLIENT};PROTO=HTTPS`, CLIENT, {
    'wsgi.url_scheme': 'https',
  }),
  forwarded('all in quotes', `for="${CLIENT}";proto="https"`, CLIENT, {
    'wsgi.url_scheme': 'https',
  }),
  forwarded('IPv6 has quotes and brackets (RFC 7239 §6)', 'for="[2001:db8::7]"', '2001:db8::7'),
  forwarded('IPv6 with a port', 'for="[2001:db8::7]:4711"', '2001:db8::7', { [PORT]: '4711' }),
  forwarded('IPv4 with a port', `for="${CLIENT}:4711"`, CLIENT, { [PORT]: '4711' }),
  forwarded('a port that is obfuscated', `for="${CLIENT}:_port"`, CLIENT, { [PORT]: null }),
  forwarded('a quoted pair', `for="203\\.0.113.9"`, CLIENT),
  forwarded(
    'parameters that nobody knows',
    `for=${CLIENT};by=10.0.0.1;secret="a,b;c=\\"d"`,
    CLIENT,
  ),
  forwarded('white space about the semicolon', `for=${CLIENT} ; proto=https`, CLIENT, {
    'wsgi.url_scheme': 'https',
  }),
  forwarded(
    'two elements: the right one is the client',
    `for=${SPOOF};proto=https, for=${CLIENT}`,
    CLIENT,
    { 'wsgi.url_scheme': 'http', HTTP_FORWARDED: `for=${CLIENT}` },
  ),
  forwarded(
    'three hops: scheme and client are those of one element',
    `for=${CLIENT};proto=https, for=10.0.0.2;proto=http, for=10.0.0.1`,
    CLIENT,
    { 'wsgi.url_scheme': 'https' },
  ),
  forwarded('in several lines', [`for=${CLIENT};proto=https`, 'for=10.0.0.2'], CLIENT, {
    'wsgi.url_scheme': 'https',
  }),
  forwarded(
    'a quote that a client left open does not reach what follows',
    `for="${SPOOF}, for=${CLIENT}`,
    CLIENT,
    { HTTP_FORWARDED: `for=${CLIENT}` },
  ),
  forwarded('nor one behind a backslash', `for="\\", for=${CLIENT}`, CLIENT),
  forwarded(
    'a comma within quotes divides nothing',
    `for=${CLIENT};host="a, for=${SPOOF}"`,
    CLIENT,
  ),
  forwarded('nor behind an escaped quote', `for=${CLIENT};host="a\\", for=${SPOOF}"`, CLIENT),
  forwarded('nor behind two backslashes and a quote', `host="a\\\\";for=${CLIENT}`, CLIENT),
  forwarded(
    'unknown: the last proxy that is known',
    'for=unknown;proto=https, for=10.0.0.1',
    '10.0.0.1',
    { 'wsgi.url_scheme': 'https' },
  ),
  forwarded('an obfuscated identifier likewise', 'for=_hidden, for=10.0.0.1', '10.0.0.1'),
  forwarded('an element without an address', 'proto=https', '127.0.0.1', {
    'wsgi.url_scheme': 'https',
  }),
  forwarded(
    'host is removed unless it is named',
    `for=${CLIENT};host="evil.example:1";by=_p`,
    CLIENT,
    {
      HTTP_HOST: 'inner:8000',
      HTTP_FORWARDED: `for=${CLIENT};by=_p`,
    },
  ),
  forwarded(
    'in each element that counts',
    [`for=${SPOOF};host=a`, `for="[2001:db8::7]";host=a, for=10.0.0.2;host="b,c"`, 'host=d'],
    '127.0.0.1',
    { HTTP_FORWARDED: null },
  ),
  forwarded(
    'and of several lines one remains',
    [`for="[2001:db8::7]";host=a`, `for=10.0.0.2;host="b,c"`],
    '2001:db8::7',
    { HTTP_FORWARDED: 'for="[2001:db8::7]", for=10.0.0.2' },
  ),
  {
    name: 'for and proto are removed where they are not named',
    options: { forwardedParts: ['host'] },
    send: { Forwarded: `for=${CLIENT};proto=https;host=shop.example` },
    sees: {
      REMOTE_ADDR: '127.0.0.1',
      HTTP_FORWARDED: 'host=shop.example',
      HTTP_HOST: 'shop.example',
      'wsgi.url_scheme': 'http',
    },
  },
  forwarded('no equals sign', 'for', '127.0.0.1', BROKEN),
  forwarded('space about the equals sign', `for = ${CLIENT}`, '127.0.0.1', BROKEN),
  forwarded('a parameter twice', `for=${CLIENT};for=${SPOOF}`, '127.0.0.1', BROKEN),
  forwarded('a quote that is not closed', `for="${CLIENT};proto=https`, '127.0.0.1', BROKEN),
  forwarded('text behind the quotes', `for="${CLIENT}"x;proto=https`, '127.0.0.1', BROKEN),
  forwarded('IPv6 without quotes', 'for=[2001:db8::7];proto=https', '127.0.0.1', BROKEN),
  forwarded('IPv6 without brackets', 'for="2001:db8::7";proto=https', '127.0.0.1', BROKEN),
  forwarded('a port without quotes', `for=${CLIENT}:80;proto=https`, '127.0.0.1', BROKEN),
  forwarded('no address', 'for=nonsense;proto=https', '127.0.0.1', BROKEN),
  forwarded('another scheme does not count', `for=${CLIENT};proto=ftp`, CLIENT, {
    'wsgi.url_scheme': 'http',
  }),
  forwarded(
    'ten thousand hops of a client',
    `${hops(10_000, `for=${SPOOF}`)}, for=${CLIENT}`,
    CLIENT,
    { HTTP_FORWARDED: `for=${CLIENT}` },
  ),
  forwarded('ten thousand quotes of a client', `${'"'.repeat(10_000)}, for=${CLIENT}`, CLIENT, {
    HTTP_FORWARDED: `for=${CLIENT}`,
  }),
  forwarded('backslashes before a quote', `for="${'\\'.repeat(10_001)}", for=${CLIENT}`, CLIENT),
]

const HOST = 'HTTP_HOST'
const all = { forwardedParts: ['for', 'proto', 'host', 'port', 'prefix'] }

const families: Case[] = [
  {
    name: 'X-Forwarded-* stands against Forwarded',
    send: { [XFF]: CLIENT, Forwarded: `for=${SPOOF};proto=https` },
    sees: { REMOTE_ADDR: CLIENT, 'wsgi.url_scheme': 'http', HTTP_FORWARDED: null },
  },
  {
    name: 'so does its scheme alone',
    send: { [PROTO]: 'http', Forwarded: `for=${SPOOF};proto=https` },
    sees: { REMOTE_ADDR: '127.0.0.1', 'wsgi.url_scheme': 'http', HTTP_FORWARDED: null },
  },
  {
    name: 'forwarded: X-Forwarded-* is removed',
    options: { forwardedHeaders: 'forwarded' },
    send: { [XFF]: SPOOF, [PROTO]: 'https', Forwarded: `for=${CLIENT}` },
    sees: {
      REMOTE_ADDR: CLIENT,
      'wsgi.url_scheme': 'http',
      [KEPT]: null,
      HTTP_X_FORWARDED_PROTO: null,
    },
  },
  {
    name: 'forwarded: it is removed also where Forwarded does not come',
    options: { forwardedHeaders: 'forwarded' },
    send: { [XFF]: SPOOF },
    sees: { REMOTE_ADDR: '127.0.0.1', [KEPT]: null },
  },
  {
    name: 'what nobody reads does not decide for a family',
    send: { 'X-Forwarded-Host': SPOOF, 'X-Forwarded-Server': SPOOF, Forwarded: `for=${CLIENT}` },
    sees: { REMOTE_ADDR: CLIENT, HTTP_X_FORWARDED_HOST: null, HTTP_X_FORWARDED_SERVER: null },
  },
  {
    name: 'forwarded: host, port and prefix are removed though they are named',
    options: { ...all, forwardedHeaders: 'forwarded' },
    send: { 'X-Forwarded-Host': SPOOF, 'X-Forwarded-Prefix': '/x', Forwarded: `for=${CLIENT}` },
    sees: {
      [HOST]: 'inner:8000',
      SCRIPT_NAME: '',
      HTTP_X_FORWARDED_HOST: null,
      HTTP_X_FORWARDED_PREFIX: null,
    },
  },
  {
    name: 'x-forwarded: Forwarded is removed',
    options: { forwardedHeaders: 'x-forwarded' },
    send: { Forwarded: `for=${SPOOF}` },
    sees: { REMOTE_ADDR: '127.0.0.1', HTTP_FORWARDED: null },
  },
]

const schemes: Case[] = [
  {
    name: 'https',
    send: { [PROTO]: 'https' },
    sees: { 'wsgi.url_scheme': 'https', HTTP_X_FORWARDED_PROTO: 'https' },
  },
  { name: 'HTTPS', send: { [PROTO]: 'HTTPS' }, sees: { 'wsgi.url_scheme': 'https' } },
  { name: 'http', send: { [PROTO]: 'http' }, sees: { 'wsgi.url_scheme': 'http' } },
  { name: 'wss is https', send: { [PROTO]: 'wss' }, sees: { 'wsgi.url_scheme': 'https' } },
  {
    name: 'X-Forwarded-Ssl: on',
    send: { 'X-Forwarded-Ssl': 'on' },
    sees: { 'wsgi.url_scheme': 'https' },
  },
  {
    name: 'X-Forwarded-Protocol: ssl',
    send: { 'X-Forwarded-Protocol': 'ssl' },
    sees: { 'wsgi.url_scheme': 'https' },
  },
  {
    name: 'all three in agreement',
    send: { [PROTO]: 'https', 'X-Forwarded-Ssl': 'on', 'X-Forwarded-Protocol': 'ssl' },
    sees: { 'wsgi.url_scheme': 'https' },
  },
  {
    name: 'two that disagree',
    send: { [PROTO]: 'https', 'X-Forwarded-Ssl': 'off' },
    sees: { status: '400' },
  },
  {
    name: 'two that disagree, of somebody who is not trusted',
    peer: '192.0.2.1',
    send: { [PROTO]: 'https', 'X-Forwarded-Ssl': 'off' },
    sees: { 'wsgi.url_scheme': 'http', HTTP_X_FORWARDED_SSL: null },
  },
  {
    name: 'another scheme is ignored',
    send: { [PROTO]: 'gopher' },
    sees: { 'wsgi.url_scheme': 'http', HTTP_X_FORWARDED_PROTO: null },
  },
  {
    name: 'of a list the last',
    send: { [PROTO]: 'https, http' },
    sees: { 'wsgi.url_scheme': 'http', HTTP_X_FORWARDED_PROTO: 'http' },
  },
  {
    name: 'of several lines the last',
    send: { [PROTO]: ['http', 'https'] },
    sees: { 'wsgi.url_scheme': 'https', HTTP_X_FORWARDED_PROTO: 'https' },
  },
  {
    name: 'http from the proxy, over TLS to here',
    tls: true,
    send: { [PROTO]: 'http' },
    sees: { 'wsgi.url_scheme': 'http' },
  },
  {
    name: 'over TLS without a word',
    tls: true,
    send: { [XFF]: CLIENT },
    sees: { 'wsgi.url_scheme': 'https', REMOTE_ADDR: CLIENT },
  },
  {
    name: 'a header of the configuration',
    options: { secureSchemeHeaders: ['X-SCHEME=tls'] },
    send: { 'X-Scheme': 'tls' },
    sees: { 'wsgi.url_scheme': 'https' },
  },
  {
    name: 'which then replaces the usual ones',
    options: { secureSchemeHeaders: ['X-SCHEME=tls'] },
    send: { [PROTO]: 'https' },
    sees: { 'wsgi.url_scheme': 'http' },
  },
  {
    name: 'X-Forwarded-Proto is removed where others are configured to tell',
    options: { secureSchemeHeaders: ['X-SCHEME=tls'] },
    send: { [PROTO]: 'https' },
    sees: { HTTP_X_FORWARDED_PROTO: null },
  },
  {
    name: 'nothing, where proto is not named',
    options: { forwardedParts: ['for'] },
    send: { [PROTO]: 'https', [XFF]: CLIENT },
    sees: { 'wsgi.url_scheme': 'http', REMOTE_ADDR: CLIENT, HTTP_X_FORWARDED_PROTO: null },
  },
]

const server = (name: string, send: Case['send'], sees: Case['sees'], options = all): Case => ({
  name,
  send,
  sees,
  options,
})

const servers: Case[] = [
  {
    name: 'host is not believed unless it is named',
    send: { 'X-Forwarded-Host': 'shop.example' },
    sees: {
      [HOST]: 'inner:8000',
      SERVER_NAME: '192.0.2.80',
      HTTP_X_FORWARDED_HOST: null,
    },
  },
  {
    name: 'and removed where others are',
    options: { forwardedParts: ['for'] },
    send: {
      'X-Forwarded-Host': 'shop.example',
      'X-Forwarded-Port': '1',
      'X-Forwarded-Prefix': '/x',
    },
    sees: {
      [HOST]: 'inner:8000',
      HTTP_X_FORWARDED_HOST: null,
      HTTP_X_FORWARDED_PORT: null,
      HTTP_X_FORWARDED_PREFIX: null,
    },
  },
  {
    name: 'address is not believed where others are named: the switch back to the peer',
    options: { forwardedParts: ['proto'] },
    send: { [XFF]: CLIENT, [PROTO]: 'https' },
    sees: { REMOTE_ADDR: '127.0.0.1', 'wsgi.url_scheme': 'https', [KEPT]: null },
  },
  server(
    'host',
    { 'X-Forwarded-Host': 'shop.example' },
    { [HOST]: 'shop.example', SERVER_NAME: 'shop.example', SERVER_PORT: '80' },
  ),
  server(
    'host and https',
    { 'X-Forwarded-Host': 'shop.example', [PROTO]: 'https' },
    { [HOST]: 'shop.example', SERVER_PORT: '443' },
  ),
  server(
    'host with a port',
    { 'X-Forwarded-Host': 'shop.example:8443' },
    { [HOST]: 'shop.example:8443', SERVER_NAME: 'shop.example', SERVER_PORT: '8443' },
  ),
  server(
    'host and port',
    { 'X-Forwarded-Host': 'shop.example', 'X-Forwarded-Port': '8443' },
    { [HOST]: 'shop.example:8443', SERVER_PORT: '8443' },
  ),
  server(
    'host and the usual port',
    { 'X-Forwarded-Host': 'shop.example', 'X-Forwarded-Port': '443', [PROTO]: 'https' },
    { [HOST]: 'shop.example', SERVER_PORT: '443' },
  ),
  server(
    'port alone',
    { 'X-Forwarded-Port': '8443' },
    { [HOST]: 'inner:8443', SERVER_NAME: 'inner', SERVER_PORT: '8443' },
  ),
  server(
    'IPv6 as host',
    { 'X-Forwarded-Host': '[2001:db8::7]:81' },
    { [HOST]: '[2001:db8::7]:81', SERVER_NAME: '2001:db8::7', SERVER_PORT: '81' },
  ),
  server(
    'of several hosts the last',
    { 'X-Forwarded-Host': 'evil.example, shop.example' },
    { [HOST]: 'shop.example', HTTP_X_FORWARDED_HOST: 'shop.example' },
  ),
  server(
    'a host that is none',
    { 'X-Forwarded-Host': 'shop example' },
    { [HOST]: 'inner:8000', HTTP_X_FORWARDED_HOST: null },
  ),
  server(
    'a host with a path',
    { 'X-Forwarded-Host': 'shop.example/x' },
    { [HOST]: 'inner:8000', HTTP_X_FORWARDED_HOST: null },
  ),
  server(
    'a port that is none',
    { 'X-Forwarded-Port': '80a' },
    { SERVER_PORT: '8000', HTTP_X_FORWARDED_PORT: null },
  ),
  server(
    'host in Forwarded',
    { Forwarded: 'for=203.0.113.9;host="shop.example:8443";proto=https' },
    { [HOST]: 'shop.example:8443', SERVER_PORT: '8443', 'wsgi.url_scheme': 'https' },
  ),
  server(
    'a host in Forwarded that is none',
    { Forwarded: 'for=203.0.113.9;host="a b"' },
    { [HOST]: 'inner:8000', REMOTE_ADDR: CLIENT },
  ),
  server('prefix', { 'X-Forwarded-Prefix': '/shop' }, { SCRIPT_NAME: '/shop', PATH_INFO: '/cart' }),
  server(
    'prefix with a slash at its end',
    { 'X-Forwarded-Prefix': '/shop/' },
    { SCRIPT_NAME: '/shop', PATH_INFO: '/cart' },
  ),
  server(
    'a prefix that leads elsewhere',
    { 'X-Forwarded-Prefix': '//evil.example' },
    { SCRIPT_NAME: '', HTTP_X_FORWARDED_PREFIX: null },
  ),
  server(
    'a prefix that leads upward',
    { 'X-Forwarded-Prefix': '/a/../b' },
    { SCRIPT_NAME: '', HTTP_X_FORWARDED_PREFIX: null },
  ),
  server(
    'a prefix that does not begin with a slash',
    { 'X-Forwarded-Prefix': 'shop' },
    { SCRIPT_NAME: '', HTTP_X_FORWARDED_PREFIX: null },
  ),
]

const environName = (field: string) => `HTTP_${field.toUpperCase().replaceAll('-', '_')}`

/** What a client may send through a proxy that does not touch it. */
const UNVOUCHED = [
  'X-Forwarded-User',
  'X-Forwarded-Server',
  'X-Forwarded-By',
  'X-Forwarded-Scheme',
  'X-Forwarded-Anything',
  'X-Real-IP',
  'X-Real-Port',
  'X-Original-URL',
  'X-Rewrite-URL',
  'X-Scheme',
  'Front-End-Https',
  'X-Accel-Redirect',
  'X-Accel-Mapping',
  'X-Sendfile-Type',
  'SSL-Client-Verify',
  'X-SSL-Client-S-DN',
  'X-Client-Cert',
  'Client-Cert',
  'Remote-User',
  'CF-Connecting-IP',
]

const others: Case[] = [
  ...[
    'X-Real-IP',
    'X-Accel-Redirect',
    'X-Accel-Buffering',
    'X-Sendfile',
    'X-Sendfile-Type',
    'SSL-Client-Verify',
    'SSL-Client-S-DN',
    'X-SSL-Client-Cert',
    'X-Client-Verify',
    'Client-Cert',
    'X-Forwarded-User',
    'X-Forwarded-Server',
    'True-Client-IP',
    'CF-Connecting-IP',
    'X-Original-URL',
    'X-Rewrite-URL',
    'Front-End-Https',
    'Remote-User',
    'Proxy',
    'pRoXy',
    'Script-Name',
  ].map(
    (field): Case => ({
      name: `${field} of somebody who is not trusted is removed`,
      peer: '192.0.2.1',
      send: { [field]: 'x' },
      sees: { [environName(field)]: null, HTTP_ACCEPT: '*/*' },
    }),
  ),
  {
    name: 'what the configuration adds is removed',
    peer: '192.0.2.1',
    options: { removeHeaders: ['X-Secret', 'X-Inner-*'] },
    send: { 'X-Secret': '1', 'X-Inner-Id': '2', 'X-Innermost': '3' },
    sees: { HTTP_X_SECRET: null, HTTP_X_INNER_ID: null, HTTP_X_INNERMOST: '3' },
  },
  {
    name: 'and stays where the peer is trusted',
    options: { removeHeaders: ['X-Secret'] },
    send: { 'X-Secret': '1' },
    sees: { HTTP_X_SECRET: '1' },
  },
  {
    name: 'names that begin alike stay',
    peer: '192.0.2.1',
    send: { 'X-Forward': '1', Proxies: '2', 'X-Real-IPs': '3' },
    sees: { HTTP_X_FORWARD: '1', HTTP_PROXIES: '2', HTTP_X_REAL_IPS: '3' },
  },
  {
    name: 'Proxy is removed whoever sends it',
    send: { Proxy: 'http://evil.example' },
    sees: { HTTP_PROXY: null },
  },
  {
    name: 'X-Real-IP of the client stays',
    send: { [XFF]: CLIENT, 'X-Real-IP': CLIENT },
    sees: { HTTP_X_REAL_IP: CLIENT },
  },
  {
    name: 'X-Real-IP of somebody else does not',
    send: { [XFF]: CLIENT, 'X-Real-IP': SPOOF },
    sees: { HTTP_X_REAL_IP: null, REMOTE_ADDR: CLIENT },
  },
  {
    name: 'X-Real-IP of a proxy in the chain does not either',
    options: ranges,
    send: { [XFF]: `${CLIENT}, 10.0.0.1`, 'X-Real-IP': '10.0.0.1' },
    sees: { HTTP_X_REAL_IP: null, REMOTE_ADDR: CLIENT },
  },
  {
    name: 'nor that of the peer',
    send: { [XFF]: CLIENT, 'X-Real-IP': '127.0.0.1' },
    sees: { HTTP_X_REAL_IP: null },
  },
  {
    name: 'nor two of which one is right',
    send: { [XFF]: CLIENT, 'X-Real-IP': [SPOOF, CLIENT] },
    sees: { HTTP_X_REAL_IP: null },
  },
  {
    name: 'X-Real-IP in another spelling is the same address',
    send: { [XFF]: '2001:db8::7', 'X-Real-IP': '2001:DB8:0::7' },
    sees: { HTTP_X_REAL_IP: '2001:DB8:0::7' },
  },
  {
    name: 'X-Real-IP alone does not count, and is removed',
    send: { 'X-Real-IP': CLIENT },
    sees: { HTTP_X_REAL_IP: null, REMOTE_ADDR: '127.0.0.1' },
  },
  {
    name: 'CF-Connecting-IP and the like stay where they name the client',
    send: { [XFF]: CLIENT, 'CF-Connecting-IP': CLIENT, 'True-Client-IP': SPOOF },
    sees: { HTTP_CF_CONNECTING_IP: CLIENT, HTTP_TRUE_CLIENT_IP: null },
  },
  {
    name: 'they go by Forwarded as well',
    send: { Forwarded: `for=${CLIENT}`, 'X-Real-IP': CLIENT, 'X-Client-IP': SPOOF },
    sees: { HTTP_X_REAL_IP: CLIENT, HTTP_X_CLIENT_IP: null },
  },
  ...UNVOUCHED.map(
    (field): Case => ({
      name: `${field} of somebody trusted is removed, as nobody vouches for it`,
      send: { [XFF]: CLIENT, [field]: 'x' },
      sees: { [environName(field)]: null, HTTP_ACCEPT: '*/*', REMOTE_ADDR: CLIENT },
    }),
  ),
  ...UNVOUCHED.map(
    (field): Case => ({
      name: `${field} stays where it is named`,
      options: { forwarderHeaders: ['SCRIPT_NAME', field.toUpperCase()] },
      send: { [XFF]: CLIENT, [field]: 'x' },
      sees: { [environName(field)]: 'x', REMOTE_ADDR: CLIENT },
    }),
  ),
  {
    name: 'of somebody who is not trusted it does not, although it is named',
    peer: '192.0.2.1',
    options: { forwarderHeaders: ['X-Ssl-*', 'X-Tenant'] },
    send: { 'X-SSL-Client-Verify': 'SUCCESS', 'X-Tenant': '1' },
    sees: { HTTP_X_SSL_CLIENT_VERIFY: null, HTTP_X_TENANT: null },
  },
  {
    name: 'a beginning of names vouches for all of them',
    options: { forwarderHeaders: ['X-SSL-*'] },
    send: { 'X-SSL-Client-Verify': 'SUCCESS', 'SSL-Client-Verify': 'SUCCESS' },
    sees: { HTTP_X_SSL_CLIENT_VERIFY: 'SUCCESS', HTTP_SSL_CLIENT_VERIFY: null },
  },
  {
    name: 'a header that is named and read is still read, and cut',
    options: { forwarderHeaders: ['X-FORWARDED-FOR'] },
    send: { [XFF]: `${SPOOF}, ${CLIENT}` },
    sees: { REMOTE_ADDR: CLIENT, [KEPT]: CLIENT },
  },
  {
    name: 'X-Forwarded-Host that is named passes, and does not count',
    options: { forwarderHeaders: ['X-FORWARDED-HOST'] },
    send: { 'X-Forwarded-Host': 'shop.example' },
    sees: { [HOST]: 'inner:8000', HTTP_X_FORWARDED_HOST: 'shop.example' },
  },
  {
    name: 'a dash does not pass for an underscore that is named',
    options: { forwarderHeaders: ['REMOTE_USER', 'X_TENANT'] },
    send: { 'Remote-User': 'root', REMOTE_USER: 'ann', 'X-Tenant': 'all', X_TENANT: 'a' },
    sees: { HTTP_REMOTE_USER: 'ann', HTTP_X_TENANT: 'a' },
  },
  {
    name: 'pass-forwarded passes them on, and believes no more',
    peer: '192.0.2.1',
    options: { passForwarded: true },
    send: { [XFF]: SPOOF, [PROTO]: 'https', Proxy: 'x' },
    sees: {
      REMOTE_ADDR: '192.0.2.1',
      'wsgi.url_scheme': 'http',
      [KEPT]: SPOOF,
      HTTP_X_FORWARDED_PROTO: 'https',
      HTTP_PROXY: null,
    },
  },
  {
    name: 'pass-forwarded leaves those of somebody trusted as they came',
    options: { passForwarded: true },
    send: { [XFF]: `${SPOOF}, ${CLIENT}`, Forwarded: 'for=1.1.1.1' },
    sees: { REMOTE_ADDR: CLIENT, [KEPT]: `${SPOOF}, ${CLIENT}`, HTTP_FORWARDED: 'for=1.1.1.1' },
  },
  {
    name: 'SCRIPT_NAME of somebody trusted counts (gunicorn: forwarder_headers)',
    send: { SCRIPT_NAME: '/cart' },
    sees: { SCRIPT_NAME: '/cart', PATH_INFO: '' },
  },
  {
    name: 'SCRIPT_NAME of others does not',
    peer: '192.0.2.1',
    send: { SCRIPT_NAME: '/cart' },
    sees: { SCRIPT_NAME: '', PATH_INFO: '/cart', HTTP_SCRIPT_NAME: null },
  },
  {
    name: 'nor where it is not among the names',
    options: { forwarderHeaders: [] },
    send: { SCRIPT_NAME: '/cart' },
    sees: { SCRIPT_NAME: '', PATH_INFO: '/cart' },
  },
  {
    name: 'nor in other letters',
    send: { Script_Name: '/cart' },
    sees: { SCRIPT_NAME: '', PATH_INFO: '/cart' },
  },
  {
    name: 'nor one that is no path',
    send: { SCRIPT_NAME: 'cart' },
    sees: { SCRIPT_NAME: '', PATH_INFO: '/cart' },
  },
  {
    name: 'another name of the list becomes a field',
    options: { forwarderHeaders: ['REMOTE_USER'] },
    send: { REMOTE_USER: 'ann' },
    sees: { HTTP_REMOTE_USER: 'ann' },
  },
  {
    name: 'X_Forwarded_For never counts',
    send: { X_Forwarded_For: SPOOF },
    sees: { REMOTE_ADDR: '127.0.0.1', [KEPT]: null },
  },
  {
    name: 'refuse answers 400 to an underscore',
    options: { headerMap: 'refuse' },
    send: { X_Forwarded_For: SPOOF },
    sees: { status: '400' },
  },
  {
    name: 'but not to a name of the list',
    options: { headerMap: 'refuse' },
    send: { SCRIPT_NAME: '/cart' },
    sees: { SCRIPT_NAME: '/cart' },
  },
  {
    name: 'unless its sender is not trusted',
    peer: '192.0.2.1',
    options: { headerMap: 'refuse' },
    send: { SCRIPT_NAME: '/cart' },
    sees: { status: '400' },
  },
  {
    name: 'a request without any of them',
    peer: '192.0.2.1',
    options: LOCAL,
    send: {},
    sees: {
      REMOTE_ADDR: '192.0.2.1',
      REMOTE_PORT: '50000',
      'wsgi.url_scheme': 'http',
      'wsgi_core.peer_addr': null,
      HTTP_ACCEPT: '*/*',
    },
  },
]

export const CASES: readonly (readonly [group: string, cases: readonly Case[]])[] = [
  ['whom to believe', whoIsTrusted],
  ['X-Forwarded-For', chains],
  ['Forwarded (RFC 7239)', elements],
  ['both families', families],
  ['the scheme', schemes],
  ['host, port and prefix', servers],
  ['other headers', others],
]
