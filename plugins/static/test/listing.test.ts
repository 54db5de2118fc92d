import { mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { start, withFolder, write } from './support.ts'

const test = withFolder('static: listing')
const text = (body: string) => Buffer.from(body, 'latin1').toString()
const JSON_PLEASE = { headers: { Accept: 'application/json' } }

test('there is none unless it is wished for', async (context) => {
  write(context, { 'sub/a.txt': 'a' })
  const site = await start(context, { alias: ['/s/=site'] })
  assert.is((await site.ask('/s/sub/')).status, 404)
  assert.is((await site.ask('/s/sub')).status, 404)
})

test('programs get JSON', async (context) => {
  write(context, { 'a.txt': '12345', 'ünï.txt': '', 'sub/x': '' })
  const site = await start(context, { alias: ['/s/=site'], autoindex: true })
  const { headers, body } = await site.ask('/s/', JSON_PLEASE)
  assert.is(headers['content-type'], 'application/json; charset=utf-8')
  assert.is(headers.vary, 'Accept')
  const [folder, ...files] = JSON.parse(text(body))
  assert.equal([folder.name, folder.type], ['sub', 'directory'])
  const mtime = '2024-05-06T07:08:09.250Z'
  assert.equal(files, [
    { name: 'a.txt', type: 'file', mtime, size: 5 },
    { name: 'ünï.txt', type: 'file', mtime, size: 0 },
  ])
})

test('names are escaped, in text and in links', async (context) => {
  const names = [
    '<img src=x onerror=alert(1)>.txt',
    '"quoted" & \'so\'.txt',
    'a b%20c?d#e.txt',
    'javascript:alert(1)',
    'ünï ☃.txt',
    'line\nbreak.txt',
  ]
  write(context, Object.fromEntries(names.map((name) => [name, name])))
  const site = await start(context, { alias: ['/s/=site'], autoindex: true })
  const { headers, body } = await site.ask('/s/')
  assert.is(headers['content-type'], 'text/html; charset=utf-8')
  assert.match(headers['content-security-policy'] as string, "default-src 'none'")
  assert.not.match(body, /<img|<script|"quoted"/)
  const links = [...body.matchAll(/<td><a href="([^"]*)">/g)].map(([, href]) => href as string)
  assert.is(links.filter((href) => href.startsWith('./')).length, names.length)
  const bodies = []
  for (const href of links.filter((each) => each !== '../')) {
    const url = new URL(href.replaceAll('&amp;', '&').replaceAll('&#39;', "'"), 'http://test/s/')
    bodies.push(text((await site.ask(url.pathname)).body))
  }
  assert.equal(bodies.sort(), [...names].sort())
})

test('folders come first, and the order is what the query says', async (context) => {
  write(context, { 'b2.txt': '1', 'b10.txt': '333', 'a.txt': '22', 'z/x': '' })
  utimesSync(join(context.folder, 'site/b10.txt'), 1, 1)
  const site = await start(context, { alias: ['/s/=site'], autoindex: true })
  const names = async (query: string) =>
    JSON.parse((await site.ask(`/s/${query}`, JSON_PLEASE)).body).map(
      ({ name }: { name: string }) => name,
    )
  assert.equal(await names(''), ['z', 'a.txt', 'b2.txt', 'b10.txt'])
  assert.equal(await names('?sort=name&order=desc'), ['z', 'b10.txt', 'b2.txt', 'a.txt'])
  assert.equal(await names('?sort=size'), ['z', 'b2.txt', 'a.txt', 'b10.txt'])
  assert.equal(await names('?sort=size&order=desc'), ['z', 'b10.txt', 'a.txt', 'b2.txt'])
  assert.is((await names('?sort=date'))[1], 'b10.txt')
  assert.equal(await names('?sort=<x>&order=__proto__'), ['z', 'a.txt', 'b2.txt', 'b10.txt'])
})

test('what is not served is not shown', async (context) => {
  const { folder } = context
  write(context, { 'a.txt': 'a', '.env': 'secret', '.git/x': '', '.well-known/x': '' })
  writeFileSync(join(folder, 'secret.txt'), '')
  mkdirSync(join(folder, 'outside'))
  const link = (name: string, target: string) => symlinkSync(target, join(folder, 'site', name))
  link('inside', 'a.txt')
  link('out', '../secret.txt')
  link('out-folder', '../outside')
  link('broken', 'none')
  const site = await start(context, { alias: ['/s/=site'], autoindex: true })
  const entries = JSON.parse((await site.ask('/s/', JSON_PLEASE)).body) as { name: string }[]
  assert.equal(entries.map(({ name }) => name).sort(), ['.well-known', 'a.txt', 'inside'])
})

test('an index is shown in place of a listing; HEAD has no body', async (context) => {
  write(context, { 'index.html': 'home', 'sub/a.txt': 'a' })
  const site = await start(context, { alias: ['/s/=site'], autoindex: true })
  assert.is((await site.ask('/s/')).body, 'home')
  assert.is((await site.ask('/s/sub')).headers.location, '/s/sub/')
  const head = await site.ask('/s/sub/', { method: 'HEAD' })
  assert.equal([head.status, head.body], [200, ''])
  assert.ok(Number(head.headers['content-length']) > 500)
})

test.run()
