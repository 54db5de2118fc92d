// The conformance application: docs/javascript-apps.md.
const after = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const PLAIN = [['Content-Type', 'text/plain']]

async function* fails() {
  yield Buffer.from('one')
  throw new Error('late')
}

async function* endless() {
  for (;;) {
    yield Buffer.from('more\n')
    await after(5)
  }
}

async function* three() {
  for (const word of ['one\n', 'two\n', 'three\n']) {
    yield Buffer.from(word)
    await after(5)
  }
}

const ROUTES = {
  '/hello': () => [Buffer.from('hello')],
  '/environ': (environ) => {
    const names = ['REQUEST_METHOD', 'PATH_INFO', 'QUERY_STRING', 'wsgi.url_scheme', 'HTTP_X_TEST']
    const values = [...names, 'SERVER_SOFTWARE'].map((name) => environ[name])
    return [Buffer.from(values.join(' '), 'latin1')]
  },
  '/echo': async (environ) => [await environ['wsgi.input'].read()],
  '/big': () => [Buffer.alloc(100_000, 'x')],
  '/stream': three,
  '/endless': endless,
  '/fail-late': fails,
  '/sleep': async () => {
    await after(300)
    return [Buffer.from('slept')]
  },
  '/print': () => {
    console.log('printed')
    return [Buffer.from('done')]
  },
}

export function app(environ, startResponse) {
  const { PATH_INFO: path } = environ
  if (path === '/fail') throw new Error('at once')
  if (path === '/empty') {
    startResponse('204 No Content', [])
    return []
  }
  startResponse('200 OK', PLAIN)
  return ROUTES[path](environ)
}
