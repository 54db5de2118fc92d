export type WorkerState = 'booting' | 'serving' | 'leaving' | 'dead'

/** One worker as the pool sees it. */
export class WorkerHandle {
  /** Names its scoreboard entries. */
  readonly number: number
  state: WorkerState = 'booting'
  /** Known once the process exists. */
  pid = 0
  /** When it was told to go, or aborted: a deadline for the next, harder step. */
  killAt: number | undefined
  /** Its spawner died: nobody tells when it ends, nor passes signals on. */
  isOrphan = false
  /** The worker that takes its place and is not ready yet. */
  replacement: WorkerHandle | undefined

  constructor(number: number) {
    this.number = number
  }

  get takesWork(): boolean {
    return this.state === 'serving' || this.state === 'leaving'
  }
}
