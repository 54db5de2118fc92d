import * as assert from 'uvu/assert'
import { APP, start, startAlone, withFolder, write } from './support.ts'

const test = withFolder('static: mapping')

test('alias cuts the path off, root keeps it', async (context) => {
  write(context, { 'a.txt': 'top', 'docs/a.txt': 'below' })
  const alias = await start(context, { alias: ['/docs/=site'] })
  assert.is((await alias.ask('/docs/a.txt')).body, 'top')
  const root = await start(context, { root: ['/docs/=site'] })
  assert.is((await root.ask('/docs/a.txt')).body, 'below')
})

test('the longest path counts, whatever the order, and only whole segments do', async (context) => {
  write(context, { 'a/x': 'short', 'b/x': 'long' })
  const site = await start(context, { alias: { '/s': 'site/a', '/s/deep/': 'site/b' } })
  assert.is((await site.ask('/s/x')).body, 'short')
  assert.is((await site.ask('/s/deep/x')).body, 'long')
  assert.is((await site.ask('/some/x')).body, APP)
  assert.is((await site.ask('/s../x')).body, APP)
})

test('an alias may be a single file', async (context) => {
  write(context, { 'icon.ico': 'icon' })
  const site = await start(context, { alias: ['/favicon.ico=site/icon.ico'] })
  const { body, headers } = await site.ask('/favicon.ico')
  assert.equal([body, headers['content-type']], ['icon', 'image/vnd.microsoft.icon'])
  assert.is((await site.ask('/favicon.icon')).body, APP)
  assert.is((await site.ask('/favicon.ico/x')).status, 404)
})

test('what no location has goes to the application, and what a location lacks does not', async (context) => {
  write(context, { 'a.txt': 'a' })
  const site = await start(context, { alias: ['/static/=site'] })
  assert.is((await site.ask('/')).body, APP)
  assert.is((await site.ask('/static')).body, APP)
  assert.is((await site.ask('/static/none')).status, 404)
  assert.is((await site.ask('/static/')).status, 404)
})

test('a location for the whole site shares it with the application', async (context) => {
  write(context, { 'robots.txt': 'robots', 'admin/x.css': 'css' })
  const site = await start(context, { root: ['/=site'] })
  assert.is((await site.ask('/robots.txt')).body, 'robots')
  for (const path of ['/', '/none', '/admin', '/admin/', '/a/../b', '/.env']) {
    assert.is((await site.ask(path)).body, APP, path)
  }
  const post = await site.ask('/robots.txt', { method: 'POST', headers: { 'Content-Length': '0' } })
  assert.is(post.body, APP)
})

test('tryFiles ends at the application, at a status or at a page', async (context) => {
  write(context, { 'index.html': 'home', 'a.txt': 'a', 'b.html': 'b', 'docs/index.html': 'docs' })
  const app = await start(context, { root: ['/=site'], tryFiles: ['$uri', '$uri/', '@app'] })
  assert.is((await app.ask('/a.txt')).body, 'a')
  assert.is((await app.ask('/docs/')).body, 'docs')
  assert.is((await app.ask('/none')).body, APP)
  const page = await start(context, { root: ['/=site'], tryFiles: ['$uri', '/index.html'] })
  const deep = await page.ask('/some/route?x=1')
  assert.equal([deep.status, deep.body], [200, 'home'])
  const suffix = await start(context, { root: ['/=site'], tryFiles: ['$uri', '$uri.html', '=404'] })
  assert.is((await suffix.ask('/b')).body, 'b')
  assert.is((await suffix.ask('/none')).status, 404)
})

test('a page for a single-page app gives way to a file that appears', async (context) => {
  write(context, { 'index.html': 'home' })
  const site = await start(context, { root: ['/=site'], tryFiles: ['$uri', '/index.html'] })
  for (let count = 0; count < 3; count++) assert.is((await site.ask('/x.txt')).body, 'home')
  write(context, { 'x.txt': 'x' })
  assert.is((await site.ask('/x.txt')).body, 'x')
})

test('a folder without its slash redirects, with its query and never to another host', async (context) => {
  write(context, {
    'docs/index.html': 'docs',
    'evil.example/index.html': 'x',
    'a b?/index.html': 'y',
  })
  const site = await start(context, { root: ['/=site'] })
  const { status, headers } = await site.ask('/docs?x=1&y=//2')
  assert.equal([status, headers.location], [301, '/docs/?x=1&y=//2'])
  for (const path of [
    '//evil.example',
    '///evil.example',
    '/%2e/evil.example',
    '/\\evil.example',
  ]) {
    const { status, headers, body } = await site.ask(path)
    if (body !== APP) assert.equal([status, headers.location], [301, '/evil.example/'], path)
  }
  assert.is((await site.ask('//evil.example')).headers.location, '/evil.example/')
  assert.is((await site.ask('/a%20b%3f')).headers.location, '/a%20b%3F/')
})

test('index names are tried in turn', async (context) => {
  write(context, { 'a/index.htm': 'second', 'b/index.html': 'first', 'b/index.htm': 'second' })
  const site = await start(context, { alias: ['/s/=site'], index: ['index.html', 'index.htm'] })
  assert.is((await site.ask('/s/a/')).body, 'second')
  assert.is((await site.ask('/s/b/')).body, 'first')
})

test("error pages are the operator's own, with the status", async (context) => {
  write(context, { '404.html': '<h1>gone</h1>', 'a.txt': 'a' })
  const options = { alias: ['/static/=site'], errorPages: { 404: '/static/404.html' } }
  const site = await start(context, options)
  const { status, headers, body } = await site.ask('/static/none')
  assert.equal(
    [status, body, headers['content-type']],
    [404, '<h1>gone</h1>', 'text/html; charset=utf-8'],
  )
  assert.is(headers.etag, undefined)
  const head = await site.ask('/static/none', { method: 'HEAD' })
  assert.equal([head.status, head.body, head.headers['content-length']], [404, '', '13'])
})

test('without an application nothing is passed on', async (context) => {
  write(context, { '404.html': 'gone' })
  const site = await startAlone(context, { root: ['/=site'], errorPages: ['404=/404.html'] })
  assert.equal((await site.ask('/none')).body, 'gone')
  assert.is((await site.ask('/404.html')).status, 200)
})

test('where there is no application, a step to it leads nowhere', async (context) => {
  write(context, { '@app': 'a file', 'a.txt': 'a' })
  const site = await startAlone(context, { root: ['/=site'], tryFiles: ['$uri', '@app'] })
  assert.is((await site.ask('/a.txt')).body, 'a')
  assert.is((await site.ask('/none')).status, 404)
})

test('locations have settings of their own over those of the section', async (context) => {
  write(context, { 'a/x.txt': 'a', 'b/x.txt': 'b' })
  const site = await start(context, {
    expires: ['1h'],
    locations: [
      { path: '/a/', alias: 'site/a', expires: 'max', add_headers: { 'X-A': 'yes' } },
      { path: '/b/', alias: 'site/b' },
    ],
  })
  const a = await site.ask('/a/x.txt')
  assert.equal([a.headers['cache-control'], a.headers['x-a']], ['max-age=315360000', 'yes'])
  assert.is((await site.ask('/b/x.txt')).headers['cache-control'], 'max-age=3600')
})

test('an internal location is not there for clients', async (context) => {
  write(context, { 'a.txt': 'secret' })
  const site = await start(context, {
    locations: [{ path: '/internal/', alias: 'site', internal: true }],
  })
  for (const path of ['/internal/a.txt', '//internal/a.txt', '/%69nternal/a.txt']) {
    assert.is((await site.ask(path)).status, 404, path)
  }
})

for (const [what, options, message] of [
  [
    'a folder that is missing',
    { alias: ['/s/=none'] },
    /location '\/s\/' of static files: there is no file or folder/,
  ],
  [
    'a location without a folder',
    { locations: [{ path: '/a/' }] },
    /needs either 'alias' or 'root'/,
  ],
  ['a location without a path', { locations: [{ alias: 'site' }] }, /needs a 'path'/],
  [
    'an unknown key',
    { locations: [{ path: '/a/', alias: 'site', expire: '1d' }] },
    /'expire' is unknown; did you mean 'expires'\?/,
  ],
  [
    'a value of another kind',
    { locations: [{ path: '/a/', alias: 'site', autoindex: 'maybe' }] },
    /'autoindex' must be true or false/,
  ],
  [
    'a wrong choice',
    { locations: [{ path: '/a/', alias: 'site', followSymlinks: 'some' }] },
    /must be one of inside, owner, never, always/,
  ],
  ['a path that is given twice', { alias: ['/s/=site'], root: ['/s/=site'] }, /given twice/],
  ['a time that is none', { alias: ['/s/=site'], expires: ['soon'] }, /'soon' is no time/],
  [
    'a field that would break the head',
    { alias: ['/s/=site'], addHeaders: ['X A=b'] },
    /is no header field/,
  ],
  [
    "a field that is the server's",
    { alias: ['/s/=site'], addHeaders: ['Content-Length=1'] },
    /server's own/,
  ],
  [
    'a step that is none',
    { alias: ['/s/=site'], tryFiles: ['$uri', '@django'] },
    /tryFiles has '@django'; write/,
  ],
  [
    'a coding without an extension',
    { alias: ['/s/=site'], precompressed: ['deflate'] },
    /precompressed has 'deflate'; there are br, gzip, zstd/,
  ],
  [
    'a key that every object has',
    { locations: [{ path: '/s/', alias: 'site', toString: 1 }] },
    /'toString' is unknown/,
  ],
  [
    'an error page without its status',
    { alias: ['/s/=site'], errorPages: ['/404.html'] },
    /must be STATUS=PATH/,
  ],
  ['a mapping that is none', { alias: ['static'] }, /must be PATH=FOLDER/],
] as const) {
  test(`refuses ${what}`, async (context) => {
    const error = await start(context, options).then(
      () => assert.unreachable('it started') as never,
      (error: Error) => error,
    )
    assert.match(error.message, message)
  })
}

test('a media type that is added is that of parts, and of the page for an error', async (context) => {
  write(context, { 'a.txt': 'abcdefghij', '404.html': 'gone' })
  const site = await startAlone(context, {
    alias: ['/s/=site'],
    addHeaders: ['content-type=text/own'],
    errorPages: ['404=/s/404.html'],
  })
  const missing = await site.ask('/s/none')
  assert.equal([missing.headers['content-type'], missing.body], ['text/own', 'gone'])
  const { body } = await site.ask('/s/a.txt', { headers: { Range: 'bytes=0-1,4-5' } })
  assert.match(body, 'Content-Type: text/own\r\n')
})

test('the root of all files can be served', async (context) => {
  const site = await startAlone(context, { root: ['/=/'], autoindex: true })
  assert.match((await site.ask('/')).body, 'href="./proc/"')
  write(context, { 'a.txt': 'a' })
  assert.is((await site.ask(`${context.folder}/site/a.txt`)).body, 'a')
})

test.run()
