import * as assert from 'uvu/assert'
import { Browser, findChromium } from '../../../test/helpers/chromium.ts'
import { type Context, start, withFolder, write } from './support.ts'

const program = findChromium()
const isCI = !['', '0', 'false'].includes(process.env.CI ?? '')
const test = withFolder('static: a listing in Chromium')

const HOSTILE = '<img src=x onerror=alert(1)>.txt'
const NAMES = '[...document.querySelectorAll("td:first-child a")].map((link) => link.textContent)'

const listing = async (context: Context) => {
  write(context, {
    'small.txt': '1',
    'large.txt': 'x'.repeat(5000),
    'folder/deep/x.txt': 'in the folder',
    'ünï ☃.txt': 'snow',
    [HOSTILE]: 'harmless',
  })
  const site = await start(context, { alias: ['/files/=site'], autoindex: true })
  await browser.open(`${site.url}/files/`)
}

let browser: Browser
const browsed = (name: string, body: () => Promise<void>) =>
  test(name, async (context) => {
    await listing(context)
    await body()
  })

if (program !== undefined || isCI) {
  test.before(async () => {
    browser = await Browser.start(program ?? 'chromium')
  })
  test.after(() => browser.close())

  browsed('clicks on a folder, on breadcrumbs and on a file lead there', async () => {
    await browser.click('a[href="./folder/"]')
    assert.is(await browser.evaluate('location.pathname'), '/files/folder/')
    await browser.click('a[href="./deep/"]')
    assert.equal(await browser.evaluate(NAMES), ['../', 'x.txt'])
    await browser.click('h1 a[href="/files/folder/"]')
    assert.is(await browser.evaluate('location.pathname'), '/files/folder/')
    await browser.click('a[href="../"]')
    await browser.click('a[href*="small"]')
    assert.is(await browser.evaluate('document.body.innerText'), '1')
  })

  browsed('clicks on a column sort by it, and turn the order', async () => {
    const files = async () => (await browser.evaluate<string[]>(NAMES)).slice(2)
    const size = 'th:nth-child(2) a'
    await browser.click(size)
    assert.equal((await files()).at(-1), 'large.txt')
    assert.is(
      await browser.evaluate('document.querySelector("th[aria-sort]").ariaSort'),
      'ascending',
    )
    await browser.click(size)
    assert.equal((await files())[0], 'large.txt')
    assert.is(
      await browser.evaluate('document.querySelector("th[aria-sort]").ariaSort'),
      'descending',
    )
  })

  browsed('names are text, whatever they look like', async () => {
    const names = await browser.evaluate<string[]>(NAMES)
    assert.ok(names.includes(HOSTILE))
    assert.ok(names.includes('ünï ☃.txt'))
    assert.is(await browser.evaluate('document.images.length'), 0)
    await browser.click('a[href*="onerror"]')
    assert.is(await browser.evaluate('document.body.innerText'), 'harmless')
    assert.is(browser.count('Page.javascriptDialogOpening'), 0)
  })

  browsed("light and dark are the reader's choice", async () => {
    const colour =
      'getComputedStyle(document.documentElement).colorScheme + getComputedStyle(document.querySelector("td a")).color'
    const seen = []
    for (const value of ['light', 'dark']) {
      const features = [{ name: 'prefers-color-scheme', value }]
      await browser.send('Emulation.setEmulatedMedia', { features })
      seen.push(await browser.evaluate<string>(colour))
    }
    assert.is.not(seen[0], seen[1])
  })

  browsed('it works without scripts', async () => {
    await browser.send('Emulation.setScriptExecutionDisabled', { value: true })
    await browser.click('a[href="./folder/"]')
    assert.is(await browser.evaluate('location.pathname'), '/files/folder/')
  })
} else {
  test.skip('needs chromium: apt-get install chromium', () => {})
}

test.run()
