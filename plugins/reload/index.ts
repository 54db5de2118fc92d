import { definePlugin, type OptionsOf } from '../../core/index.ts'
import { Reloader } from './reloader.ts'

const name = 'reload'

/** What the plugin offers to those that load an application, while it is developed. */
export type Development = Pick<Reloader, 'watch' | 'show' | 'errorPage'>

declare module '../../core/index.ts' {
  interface Services {
    /** undefined without `--reload`. */
    reload: Development | undefined
  }
  interface Sections {
    reload?: OptionsOf<typeof reload>
  }
}

/** Development: reloads when a file of the application changes, and shows why it cannot be loaded. */
const reload = definePlugin({
  name,
  config: {
    enabled: {
      doc: 'For development: reload when a file of the application changes, and show tracebacks of failed imports.',
      format: 'flag',
      default: false,
      arg: 'reload',
    },
    extraFiles: {
      doc: 'With --reload, another file to watch, or a glob such as templates/**/*.html. Repeatable.',
      format: 'texts',
      default: [] as string[],
      arg: 'reload-extra-file',
      metavar: 'FILES',
    },
  },
  apply(core, { enabled, extraFiles }) {
    core.provide(name, enabled ? new Reloader(core, extraFiles) : undefined)
    if (!enabled && extraFiles.length > 0) {
      core.logger(name).warn('--reload-extra-file has no effect without --reload')
    }
  },
})

export default reload
