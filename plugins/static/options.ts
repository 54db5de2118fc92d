import type { Options } from '../../core/index.ts'

/** `['KEY=value']`, or `{ KEY: 'value' }`. */
type Pairs = string[] | Readonly<Record<string, string | readonly string[]>>

const NEVER = [] as string[]
const NO_PAIRS = [] as Pairs

/** What holds for every location that does not say otherwise. */
export const locationSchema = {
  index: {
    doc: 'Names of the files that stand for their folder; the first that exists.',
    format: 'texts',
    default: ['index.html'] as string[],
    arg: 'static-index',
  },
  tryFiles: {
    doc: "What is looked for, in order: $uri, $uri/, a path, then @app or =404. Default: $uri, $uri/, and at '/' the application.",
    format: 'texts',
    default: NEVER,
    arg: 'static-try-files',
  },
  expires: {
    doc: 'How long answers may be kept: max, off, epoch, 30d; or PATTERN=TIME, where the first pattern that fits counts. Repeatable.',
    format: 'rules',
    default: NO_PAIRS,
    arg: 'static-expires',
  },
  immutable: {
    doc: 'Files with a hash in their names (app.3f2a9c1e.js) may be kept for a year without asking again.',
    format: 'flag',
    default: false,
    arg: 'static-immutable',
  },
  addHeaders: {
    doc: 'Field that is added to the answers. Repeatable.',
    format: 'pairs',
    default: NO_PAIRS,
    arg: 'static-add-header',
    metavar: 'NAME=VALUE',
  },
  autoindex: {
    doc: 'Folders without an index are listed: for people, and as JSON for who asks for it.',
    format: 'flag',
    default: false,
    arg: 'static-autoindex',
  },
  followSymlinks: {
    doc: 'Symbolic links that are followed: those that stay inside of the folder, those whose file has the same owner, none, or all.',
    format: ['inside', 'owner', 'never', 'always'],
    default: 'inside',
    arg: 'static-follow-symlinks',
  },
  dotfiles: {
    doc: 'Files and folders whose names begin with a dot are served, too; .well-known always is.',
    format: 'flag',
    default: false,
    arg: 'static-dotfiles',
  },
  errorPages: {
    doc: 'Page in place of our own: STATUS=PATH, for example 404=/static/404.html. Repeatable.',
    format: 'rules',
    default: NO_PAIRS,
    arg: 'static-error-page',
    metavar: 'STATUS=PATH',
  },
  precompressed: {
    doc: 'Codings whose files (app.js.br, app.js.gz, app.js.zst) are sent to who takes them, the first one rather.',
    format: 'texts',
    default: ['br', 'zstd', 'gzip'] as string[],
    arg: 'static-precompressed',
  },
  types: {
    doc: 'Media type of an extension, for example .wasm=application/wasm. Repeatable.',
    format: 'pairs',
    default: NO_PAIRS,
    arg: 'static-type',
    metavar: '.EXT=TYPE',
  },
  defaultType: {
    doc: 'Media type of files with an extension that is not known.',
    format: 'text',
    default: 'application/octet-stream',
    arg: 'static-default-type',
  },
} as const

export const schema = {
  alias: {
    doc: 'Folder, or file, that is served at a path: /static/=./static. The path is cut off. Repeatable.',
    format: 'mappings',
    default: NO_PAIRS,
    arg: 'static',
  },
  root: {
    doc: 'Folder under which the whole path is looked for: /=./public. Repeatable.',
    format: 'mappings',
    default: NO_PAIRS,
    arg: 'static-root',
  },
  locations: {
    doc: 'Locations with settings of their own: path, alias or root, internal, and any of the keys below.',
    format: 'records',
    default: [] as Record<string, unknown>[],
  },
  ...locationSchema,
  xSendfile: {
    doc: 'Folders whose files the application may name by X-Sendfile.',
    format: 'texts',
    default: NEVER,
    arg: 'static-x-sendfile',
    metavar: 'FOLDERS',
  },
  cache: {
    doc: 'Memory for the contents of small files: 64M; 0 for none.',
    format: 'memory',
    default: 67_108_864,
    arg: 'static-cache',
  },
  compress: {
    doc: 'Texts are compressed as they are sent, those of the application too.',
    format: 'flag',
    default: false,
    arg: 'compress',
  },
} as const

/** As they are when they have been read: pairs are texts in every case. */
type Decoded<O> = { readonly [K in keyof O]: Pairs extends O[K] ? string[] : O[K] }

export type StaticOptions = Decoded<Options<typeof schema>>
export type LocationOptions = Decoded<Options<typeof locationSchema>>
