import { createServer } from 'node:http'
import type { Duplex } from 'node:stream'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { suite } from 'uvu'
import { type Client, type Handler, Stage } from '../wire.ts'

export type Build = (app: FastifyInstance) => unknown

/** Fastify on the engine, as a generation has it: the handler is captured, upgrades are passed on. */
export class App {
  readonly fastify: FastifyInstance
  readonly stage: Stage

  private constructor(fastify: FastifyInstance, stage: Stage) {
    this.fastify = fastify
    this.stage = stage
  }

  static async open(build: Build, options: FastifyServerOptions = {}): Promise<App> {
    let handler: Handler | undefined
    const serverFactory = (handle: Handler) => {
      handler = handle
      return createServer()
    }
    const fastify = Fastify({ ...options, serverFactory } as unknown as FastifyServerOptions)
    const instance = fastify as unknown as FastifyInstance
    await build(instance)
    await instance.ready()
    const stage = await Stage.open(handler as Handler)
    if (instance.server.listenerCount('upgrade') > 0) {
      stage.door.onUpgrade = (request, socket: Duplex, head) => {
        instance.server.emit('upgrade', request, socket, head)
      }
    }
    return new App(instance, stage)
  }

  get origin(): string {
    return `http://127.0.0.1:${this.stage.port}`
  }

  fetch(path: string, init?: RequestInit): Promise<Response> {
    return fetch(this.origin + path, init)
  }

  connect(): Promise<Client> {
    return this.stage.connect()
  }

  async close(): Promise<void> {
    await this.fastify.close()
    await this.stage.close()
  }
}

export interface Context {
  /** All that was opened ends with the test, the last first. */
  open(build: Build, options?: FastifyServerOptions): Promise<App>
  defer(undo: () => unknown): void
}

export function suiteOfApps(name: string) {
  const test = suite<Context & { undo: (() => unknown)[] }>(name)
  test.before.each((context) => {
    context.undo = []
    context.defer = (undo) => context.undo.push(undo)
    context.open = async (build, options) => {
      const app = await App.open(build, options)
      context.defer(() => app.close())
      return app
    }
  })
  test.after.each(async ({ undo }) => {
    for (const each of undo.reverse()) await each()
  })
  return test
}

/** Waits until this holds; the run's time limit ends it where it never does. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5))
}
