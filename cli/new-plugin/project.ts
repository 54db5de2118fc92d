import { version } from '../../core/index.ts'

/** What surrounds the code: npm, TypeScript, git, CI, a README. */
export const projectFiles = (id: string, name: string, word: string): Record<string, string> => ({
  'package.json': `${JSON.stringify(manifest(id), null, 2)}\n`,
  'tsconfig.json': `${JSON.stringify({ compilerOptions: COMPILER, include: ['src'] }, null, 2)}\n`,
  '.gitignore': 'node_modules\ndist\n',
  'README.md': readme(id, name, word),
  '.github/workflows/ci.yml': CI,
})

const manifest = (id: string) => ({
  name: id,
  version: '0.1.0',
  description: 'A plugin for wsgi-core',
  keywords: ['wsgi-core-plugin'],
  license: 'MIT',
  type: 'module',
  exports: { types: './dist/index.d.ts', default: './dist/index.js' },
  files: ['dist'],
  engines: { node: '>=20.6' },
  scripts: {
    build: 'tsc',
    test: 'node --import tsx --test test/*.test.ts',
    prepack: 'npm run build',
  },
  peerDependencies: { 'wsgi-core': `^${version}` },
  devDependencies: {
    '@types/node': '^20.0.0',
    tsx: '^4.23.0',
    typescript: '>=5.7.0',
    'wsgi-core': `^${version}`,
  },
})

const COMPILER = {
  target: 'es2022',
  module: 'nodenext',
  strict: true,
  declaration: true,
  outDir: 'dist',
  rootDir: 'src',
  types: ['node'],
  skipLibCheck: true,
}

const readme = (id: string, name: string, word: string) => `# ${id}

A plugin for [wsgi-core](https://www.npmjs.com/package/wsgi-core): answers carry a header with a text of your choice.

\`\`\`sh
npm install ${id}
wsgi-core --plugins ${word} --${name}-text 'good morning' hello:app
\`\`\`

| option | default | meaning |
|---|---|---|
| \`--${name}-text\` | \`hello\` | What the header \`X-${name}\` says. |
`

const CI = `name: ci
on: [push, pull_request]
jobs:
  test:
    runs-on: ubuntu-latest
    strategy:
      matrix:
        node: [20, 22, 24]
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-node@v4
        with:
          node-version: \${{ matrix.node }}
      - run: npm install
      - run: npm run build
      - run: npm test
`
