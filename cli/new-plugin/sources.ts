/** A plugin in twenty lines, and its test. */
export const sourceFiles = (name: string): Record<string, string> => ({
  'src/index.ts': source(name),
  'test/index.test.ts': test(name),
})

const source = (name: string) => `import { definePlugin } from 'wsgi-core'

const name = '${name}'

/** Answers carry a header with a text of your choice. */
export default definePlugin({
  name,
  config: {
    text: {
      doc: 'What the header X-${name} says.',
      format: 'text',
      default: 'hello',
      arg: '${name}-text',
    },
  },
  apply(core, { text }) {
    core.hooks.response.tap(name, (head) => {
      head.headers.push(['X-${name}', text])
    })
  },
})
`

const test = (name: string) => `import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestServer } from 'wsgi-core/testing'
import plugin from '../src/index.js'

for (const [options, expected] of [
  [{}, 'hello'],
  [{ text: 'good morning' }, 'good morning'],
] as const) {
  test(\`answers with '\${expected}'\`, async () => {
    const server = await createTestServer({ plugins: [plugin(options)] })
    try {
      const { headers } = await server.request('/')
      assert.equal(headers['x-${name}'], expected)
    } finally {
      await server.close()
    }
  })
}
`
