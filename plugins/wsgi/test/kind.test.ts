import express from 'express'
import Fastify from 'fastify'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { kindOf } from '../javascript/kind.ts'
import { isJavaScript } from '../node-runtime.ts'

const kinds = suite('what an application is, by its shape')

const plugin = Object.assign(async (_app: object, _options: object) => {}, {
  [Symbol.for('plugin-meta')]: { name: 'tea' },
})

for (const [name, value, kind] of [
  ['(environ, startResponse)', (_environ: unknown, _startResponse: unknown) => [], 'wsgi'],
  ['(a, b), which says nothing', (_a: unknown, _b: unknown) => [], 'wsgi'],
  ['(environ)', (_environ: unknown) => [], 'wsgi'],
  ['(req, res)', (_req: unknown, _res: unknown) => {}, 'node'],
  ['an async (request, response)', async (_request: unknown, _response: unknown) => {}, 'node'],
  ['(req, res, next)', (_req: unknown, _res: unknown, _next: unknown) => {}, 'node'],
  ['a function (req, res)', function handler(_req: unknown, _res: unknown) {}, 'node'],
  ['(request)', (_request: unknown) => new Response(), 'fetch'],
  ['an object with fetch', { fetch: () => new Response() }, 'fetch'],
  ['a Fastify instance', Fastify(), 'fastify'],
  ['(fastify, options)', async (_fastify: unknown, _options: unknown) => {}, 'fastify'],
  ['what fastify-plugin wraps', plugin, 'fastify'],
  ['an Express application', express(), 'node'],
  ['a number', 5, undefined],
  ['nothing', undefined, undefined],
] as const) {
  kinds(`${name}: ${kind ?? 'none'}`, () => assert.is(kindOf(value), kind))
}

kinds('a target that names a file is JavaScript, a module is Python', () => {
  for (const target of [
    './app.js:app',
    'app.mjs',
    'src/app.ts:create("x:y")',
    '/srv/app.cjs:a.b',
  ]) {
    assert.ok(isJavaScript(target), target)
  }
  for (const target of ['hello:app', 'app.wsgi', 'shop.js_app:app', 'hello', './hello:app']) {
    assert.not(isJavaScript(target), target)
  }
})

kinds.run()
