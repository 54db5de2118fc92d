import { utimesSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { APP, PAST_TEXT, type Site, start, withFolder, write } from './support.ts'

const test = withFolder('static: semantics')

const TEXT = '0123456789'
const ranged = (site: Site, range: string, headers = {}) =>
  site.ask('/s/a.txt', { headers: { Range: range, ...headers } })
/** Both lanes give the same answer, but for the time of day. */
async function askTwice(site: Site, path: string, headers: Record<string, string> = {}) {
  const first = await site.ask(path, { headers })
  await site.ask(path)
  const second = await site.ask(path, { headers })
  const withoutDate = ({ headers: { date, ...headers }, ...rest }: typeof first) => ({
    headers,
    ...rest,
  })
  assert.equal(withoutDate(second), withoutDate(first))
  return second
}

test('a file comes with its type, length and validators', async (context) => {
  write(context, { 'a.txt': TEXT })
  const site = await start(context, { alias: ['/s/=site'] })
  const { status, headers, body } = await askTwice(site, '/s/a.txt')
  assert.equal([status, body], [200, TEXT])
  assert.is(headers['content-type'], 'text/plain; charset=utf-8')
  assert.is(headers['content-length'], '10')
  assert.is(headers['last-modified'], PAST_TEXT)
  assert.is(headers['accept-ranges'], 'bytes')
  assert.match(headers.etag as string, /^"[\w-]+"$/)
  const head = await site.ask('/s/a.txt', { method: 'HEAD' })
  assert.equal([head.status, head.body], [200, ''])
  assert.equal({ ...head.headers, date: '' }, { ...headers, date: '' })
})

test('types go by extension, with a charset for text; options add to them', async (context) => {
  const names = [
    'a.css',
    'a.js',
    'a.json',
    'a.svg',
    'a.woff2',
    'a.png',
    'a.wasm',
    'A.HTML',
    'a.unknown',
    'noext',
  ]
  write(context, Object.fromEntries(names.map((name) => [name, 'x'])))
  const site = await start(context, { alias: ['/s/=site'], types: { '.unknown': 'text/x-mine' } })
  const types = []
  for (const name of names) types.push((await site.ask(`/s/${name}`)).headers['content-type'])
  assert.equal(types, [
    'text/css; charset=utf-8', 'text/javascript; charset=utf-8', 'application/json; charset=utf-8',
    'image/svg+xml', 'font/woff2', 'image/png', 'application/wasm', 'text/html; charset=utf-8',
    'text/x-mine; charset=utf-8', 'application/octet-stream',
  ]) // biome-ignore format: a table
})

test('other methods than GET and HEAD get 405, or the application where it may answer', async (context) => {
  write(context, { 'a.txt': TEXT })
  const site = await start(context, {
    locations: [
      { path: '/s/', alias: 'site' },
      { path: '/t/', alias: 'site', tryFiles: '$uri,@app' },
    ],
  })
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    const options = { method, headers: { 'Content-Length': '0' } }
    const { status, headers } = await site.ask('/s/a.txt', options)
    assert.equal([status, headers.allow], [405, 'GET, HEAD'])
    assert.is((await site.ask('/t/a.txt', options)).body, APP)
  }
})

test('a file that was changed just now has a weak tag, and a strong one later', async (context) => {
  write(context, { 'a.txt': TEXT })
  const path = join(context.folder, 'site/a.txt')
  utimesSync(path, new Date(), new Date())
  const site = await start(context, { alias: ['/s/=site'] })
  const young = await site.ask('/s/a.txt')
  assert.match(young.headers.etag as string, /^W\/"/)
  const part = await ranged(site, 'bytes=0-1', { 'If-Range': young.headers.etag })
  assert.equal([part.status, part.body], [200, TEXT])
})

test('If-None-Match compares weakly, and counts more than If-Modified-Since', async (context) => {
  write(context, { 'a.txt': TEXT })
  const site = await start(context, { alias: ['/s/=site'], expires: ['1d'], addHeaders: ['X-A=1'] })
  const etag = (await site.ask('/s/a.txt')).headers.etag as string
  for (const value of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
    const { status, headers, body } = await askTwice(site, '/s/a.txt', { 'If-None-Match': value })
    assert.equal([status, body, headers.etag], [304, '', etag], value)
    assert.equal([headers['cache-control'], headers['x-a']], ['max-age=86400', '1'])
    for (const name of ['content-type', 'content-length', 'accept-ranges']) {
      assert.is(headers[name], undefined, name)
    }
  }
  const other = { 'If-None-Match': '"x"', 'If-Modified-Since': PAST_TEXT }
  assert.is((await askTwice(site, '/s/a.txt', other)).status, 200)
  const both = { 'If-None-Match': etag, 'If-Modified-Since': 'Mon, 06 May 2019 07:08:09 GMT' }
  assert.is((await askTwice(site, '/s/a.txt', both)).status, 304)
})

test('If-Modified-Since, and what is no date is ignored', async (context) => {
  write(context, { 'a.txt': TEXT })
  const site = await start(context, { alias: ['/s/=site'] })
  for (const [date, status] of [
    [PAST_TEXT, 304],
    ['Mon, 06 May 2024 07:08:10 GMT', 304],
    ['Mon, 06 May 2024 07:08:08 GMT', 200],
    ['Monday, 06-May-24 07:08:09 GMT', 304],
    ['Mon May  6 07:08:09 2024', 304],
    ['yesterday', 200],
    ['2030', 200],
  ] as const) {
    const answer = await askTwice(site, '/s/a.txt', { 'If-Modified-Since': date })
    assert.is(answer.status, status, date)
  }
})

test('If-Match and If-Unmodified-Since protect from what has changed', async (context) => {
  write(context, { 'a.txt': TEXT })
  const site = await start(context, { alias: ['/s/=site'] })
  const etag = (await site.ask('/s/a.txt')).headers.etag as string
  for (const [name, value, status] of [
    ['If-Match', etag, 200],
    ['If-Match', '*', 200],
    ['If-Match', `W/${etag}`, 412],
    ['If-Match', '"x"', 412],
    ['If-Unmodified-Since', PAST_TEXT, 200],
    ['If-Unmodified-Since', 'Mon, 06 May 2024 07:08:08 GMT', 412],
  ] as const) {
    assert.is(
      (await askTwice(site, '/s/a.txt', { [name]: value })).status,
      status,
      `${name}: ${value}`,
    )
  }
})

test('one range, from either end', async (context) => {
  write(context, { 'a.txt': TEXT })
  const site = await start(context, { alias: ['/s/=site'] })
  for (const [range, content, body] of [
    ['bytes=0-3', 'bytes 0-3/10', '0123'],
    ['bytes=4-', 'bytes 4-9/10', '456789'],
    ['bytes=-3', 'bytes 7-9/10', '789'],
    ['bytes=-300', 'bytes 0-9/10', TEXT],
    ['bytes=8-100', 'bytes 8-9/10', '89'],
    ['bytes=9-9', 'bytes 9-9/10', '9'],
    ['bytes=0-3,20-30', 'bytes 0-3/10', '0123'],
  ] as const) {
    const answer = await ranged(site, range)
    assert.equal(
      [answer.status, answer.headers['content-range'], answer.body],
      [206, content, body],
      range,
    )
    assert.is(answer.headers['content-length'], String(body.length))
  }
})

test('what is no range of this file is 416, and what is none at all is ignored', async (context) => {
  write(context, { 'a.txt': TEXT, 'empty.txt': '' })
  const site = await start(context, { alias: ['/s/=site'] })
  for (const range of ['bytes=10-', 'bytes=10-20', 'bytes=-0', 'bytes=99-,50-60']) {
    const { status, headers } = await ranged(site, range)
    assert.equal([status, headers['content-range']], [416, 'bytes */10'], range)
  }
  for (const range of [
    'bytes=3-1',
    'bytes=-',
    'bytes=a-b',
    'lines=0-1',
    'bytes 0-1',
    'bytes=0-1-2',
    'bytes=',
  ]) {
    assert.equal([(await ranged(site, range)).status, range], [200, range])
  }
  const empty = await site.ask('/s/empty.txt', { headers: { Range: 'bytes=0-' } })
  assert.is(empty.status, 416)
  assert.is((await site.ask('/s/empty.txt')).headers['content-length'], '0')
  const head = await site.ask('/s/a.txt', { method: 'HEAD', headers: { Range: 'bytes=0-1' } })
  assert.equal([head.status, head.headers['content-length']], [200, '10'])
})

test('several ranges come as parts, up to what makes sense', async (context) => {
  write(context, { 'a.txt': TEXT })
  const site = await start(context, { alias: ['/s/=site'] })
  const { status, headers, body } = await ranged(site, 'bytes=0-1, -2')
  assert.is(status, 206)
  const [, boundary] =
    /^multipart\/byteranges; boundary=(\w+)$/.exec(headers['content-type'] as string) ?? []
  const part = (range: string, text: string) =>
    `\r\n--${boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes ${range}/10\r\n\r\n${text}`
  assert.is(body, `${part('0-1', '01')}${part('8-9', '89')}\r\n--${boundary}--\r\n`)
  assert.is(headers['content-length'], String(body.length))
  assert.is((await ranged(site, 'bytes=0-5,3-9')).status, 200) // they overlap
  const many = (count: number) =>
    `bytes=${Array.from({ length: count }, (_, at) => `${at}-${at}`).join()}`
  write(context, { 'long.txt': TEXT.repeat(10) })
  const ask = (count: number) => site.ask('/s/long.txt', { headers: { Range: many(count) } })
  assert.is((await ask(32)).status, 206)
  assert.is((await ask(33)).status, 200)
})

test('If-Range gives a part only of the same state of the file', async (context) => {
  write(context, { 'a.txt': TEXT })
  const site = await start(context, { alias: ['/s/=site'] })
  const etag = (await site.ask('/s/a.txt')).headers.etag as string
  for (const [validator, status] of [
    [etag, 206],
    [PAST_TEXT, 206],
    [`W/${etag}`, 200],
    ['"x"', 200],
    ['Mon, 06 May 2024 07:08:10 GMT', 200],
  ] as const) {
    assert.is(
      (await ranged(site, 'bytes=0-1', { 'If-Range': validator })).status,
      status,
      validator,
    )
  }
})

test('expires, in all of its forms', async (context) => {
  write(context, { 'a.css': 'x' })
  const ask = async (expires: string) => {
    const site = await start(context, { alias: ['/s/=site'], expires: [expires] })
    const { headers } = await site.ask('/s/a.css')
    return headers
  }
  assert.is((await ask('off'))['cache-control'], undefined)
  assert.is((await ask('max'))['cache-control'], 'max-age=315360000')
  const epoch = await ask('epoch')
  assert.equal(
    [epoch.expires, epoch['cache-control']],
    ['Thu, 01 Jan 1970 00:00:01 GMT', 'no-cache'],
  )
  const days = await ask('30d')
  assert.is(days['cache-control'], 'max-age=2592000')
  const distance = Date.parse(days.expires as string) - Date.parse(days.date as string)
  assert.ok(Math.abs(distance - 2_592_000_000) <= 2000)
  assert.is((await ask('1h30m'))['cache-control'], 'max-age=5400')
  assert.is((await ask('-1'))['cache-control'], 'no-cache')
})

test('expires by pattern: the first that fits', async (context) => {
  write(context, { 'a.css': 'x', 'img/a.png': 'x', 'a.txt': 'x' })
  const expires = { '*.css': '1d', 'img/*': '2d', '*': 'off' }
  const site = await start(context, { alias: ['/s/=site'], expires })
  const ages = []
  for (const name of ['a.css', 'img/a.png', 'a.txt']) {
    ages.push((await site.ask(`/s/${name}`)).headers['cache-control'])
  }
  assert.equal(ages, ['max-age=86400', 'max-age=172800', undefined])
})

test('names with a hash are immutable where that is wished for', async (context) => {
  const names = [
    'app.3f2a9c1e4b5d.js',
    'app-0a1b2c3d.css',
    'report-20240506.pdf',
    'my-document.pdf',
    'app.js',
  ]
  write(context, Object.fromEntries(names.map((name) => [name, 'x'])))
  const site = await start(context, { alias: ['/s/=site'], immutable: true })
  const kept = []
  for (const name of names) kept.push((await site.ask(`/s/${name}`)).headers['cache-control'])
  const immutable = 'public, max-age=31536000, immutable'
  assert.equal(kept, [immutable, immutable, undefined, undefined, undefined])
})

test('added headers come with every answer for a file, and replace ours', async (context) => {
  write(context, { 'a.txt': 'x' })
  const addHeaders = ['Access-Control-Allow-Origin=*', 'cache-control=private']
  const site = await start(context, { alias: ['/s/=site'], expires: ['1d'], addHeaders })
  const { headers } = await askTwice(site, '/s/a.txt')
  assert.equal([headers['access-control-allow-origin'], headers['cache-control']], ['*', 'private'])
})

test('a compressed neighbour goes to who takes it', async (context) => {
  write(context, {
    'a.js': 'plain',
    'a.js.br': 'brotli',
    'a.js.gz': 'gzip',
    'a.js.zst': 'zstd',
    'b.js': 'b',
  })
  const site = await start(context, { alias: ['/s/=site'] })
  const tags = new Set<string | undefined>()
  for (const [accepted, coding, body] of [
    ['gzip, deflate, br, zstd', 'br', 'brotli'],
    ['gzip', 'gzip', 'gzip'],
    ['zstd, gzip', 'zstd', 'zstd'],
    ['br;q=0.1, gzip;q=0.9', 'gzip', 'gzip'],
    ['br;q=0, *', 'zstd', 'zstd'],
    ['identity, br;q=0', undefined, 'plain'],
    ['identity;q=1, br;q=0.5', undefined, 'plain'],
    ['deflate', undefined, 'plain'],
  ] as const) {
    const { headers, body: got } = await askTwice(site, '/s/a.js', { 'Accept-Encoding': accepted })
    assert.equal(
      [headers['content-encoding'], got, headers.vary],
      [coding, body, 'Accept-Encoding'],
      accepted,
    )
    assert.is(headers['content-type'], 'text/javascript; charset=utf-8')
    tags.add(headers.etag)
  }
  assert.is(tags.size, 4)
  const alone = await site.ask('/s/b.js', { headers: { 'Accept-Encoding': 'br' } })
  assert.equal([alone.headers.vary, alone.headers['content-encoding']], [undefined, undefined])
})

test('neighbours are no matter for pictures, or where they are turned off', async (context) => {
  write(context, { 'a.png': 'plain', 'a.png.br': 'brotli', 'a.js': 'plain', 'a.js.br': 'brotli' })
  const headers = { 'Accept-Encoding': 'br' }
  const site = await start(context, { alias: ['/s/=site'] })
  assert.is((await site.ask('/s/a.png', { headers })).body, 'plain')
  const off = await start(context, { alias: ['/s/=site'], precompressed: [] })
  assert.is((await off.ask('/s/a.js', { headers })).body, 'plain')
})

test('large files have the same semantics as those in memory', async (context) => {
  const large = Buffer.alloc(3_000_000, 'abcdefghij')
  write(context, { 'large.js': large, 'large.js.gz': 'gzip' })
  const site = await start(context, { alias: ['/s/=site'] })
  const whole = await site.ask('/s/large.js')
  assert.equal(
    [whole.status, whole.body.length, whole.headers.vary],
    [200, 3_000_000, 'Accept-Encoding'],
  )
  assert.ok(Buffer.from(whole.body, 'latin1').equals(large))
  const ask = (headers: Record<string, string>, method = 'GET') =>
    site.ask('/s/large.js', { method, headers })
  assert.is((await ask({ 'Accept-Encoding': 'gzip' })).body, 'gzip')
  assert.is((await ask({ 'If-None-Match': whole.headers.etag as string })).status, 304)
  const part = await ask({ Range: 'bytes=2999995-' })
  assert.equal([part.status, part.body], [206, 'fghij'])
  const parts = await ask({ Range: 'bytes=0-1,2999998-' })
  assert.equal([parts.status, parts.headers['content-length']], [206, String(parts.body.length)])
  assert.is((await ask({ Range: 'bytes=3000000-' })).status, 416)
  const head = await ask({}, 'HEAD')
  assert.equal([head.status, head.headers['content-length'], head.body], [200, '3000000', ''])
})

test.run()
