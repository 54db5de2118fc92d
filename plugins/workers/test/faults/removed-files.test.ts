import { existsSync, lstatSync, lutimesSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { until } from '../../../../test/helpers/server-process.ts'
import { RuntimeDirectory } from '../../runtime-directory.ts'
import { siteSuite } from '../harness.ts'

const test = siteSuite('a pool whose files are removed')

for (const args of [[], ['--fronts', '2']]) {
  test(`is replaced by another (${args.join(' ') || 'one front'})`, async ({ site }) => {
    const server = await site.start(['-w', '1', '--graceful-timeout', '1', ...args])
    const folders = () => readdirSync(server.folder).filter((each) => each.startsWith('wsgi-core-'))
    const [name] = folders()
    assert.is((await server.request('/pid')).status, 200)
    rmSync(join(server.folder, name as string), { recursive: true })
    // what needs a new connection meanwhile fails; it does not wait for ever
    assert.ok([200, 502].includes((await server.request('/big/100000')).status))
    await server.line(/the files of the workers were removed; the server reloads/)
    await until('there is another pool', () => folders().some((folder) => folder !== name))
    while ((await server.request('/big/100000')).status !== 200);
  })
}

test('has them touched, so that none looks abandoned', async () => {
  const directory = new RuntimeDirectory()
  try {
    writeFileSync(directory.file('bodies'), '')
    const paths = ['', 'bodies', 'owner'].map(directory.file, directory).filter(existsSync)
    for (const path of paths) lutimesSync(path, 1, 1)
    directory.refresh()
    const isFresh = (path: string) => lstatSync(path).mtimeMs > 1e6 && lstatSync(path).atimeMs > 1e6
    await until('all are fresh', () => paths.every(isFresh))
  } finally {
    directory.remove()
  }
})

test.run()
