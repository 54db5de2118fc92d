import { IncomingMessage, ServerResponse } from 'node:http'
import { LeanRequest } from './lean-request.ts'
import { LeanResponse } from './lean-response.ts'

/**
 * Express gives each request and response a prototype of its own, which inherits from node:http's: the engine's
 * methods would be gone. This puts them between the two, for an Express application and, as they share their
 * prototypes, all others. node:http's own requests and responses are served as before.
 */
export function adoptExpress(application: { request: object; response: object }): void {
  insert(application.request, IncomingMessage.prototype, LeanRequest)
  insert(application.response, ServerResponse.prototype, LeanResponse)
}

interface LeanClass {
  readonly prototype: object
  /** @returns undefined where the value is of no such class. */
  prototypeOf(value: object): object | undefined
}

const bridges = new WeakSet<object>()

function insert(start: object, before: object, lean: LeanClass): void {
  for (let object = start; ; ) {
    const next = Object.getPrototypeOf(object) as object | null
    if (next === null || bridges.has(next)) return
    if (next === before) {
      Object.setPrototypeOf(object, bridge(before, lean))
      return
    }
    object = next
  }
}

type Member = (this: object, ...args: unknown[]) => unknown

/**
 * Has each member of the class, which does what that of the object's own class does, as over HTTP/2, and for an object
 * of another what `before` does.
 */
function bridge(before: object, lean: LeanClass): object {
  const made = Object.create(before) as object
  bridges.add(made)
  for (const [name, member] of Object.entries(membersOf(lean.prototype, before))) {
    if (name === 'constructor') continue
    const { set } = member
    Object.defineProperty(made, name, {
      configurable: true,
      get(this: object) {
        return Reflect.get(lean.prototypeOf(this) ?? before, name, this)
      },
      set(this: object, given: unknown) {
        const isLean = lean.prototypeOf(this) !== undefined
        if (isLean && set) (set as Member).call(this, given)
        else if (!isLean && findSetter(before, name)) Reflect.set(before, name, given, this)
        else own(this, name, given)
      },
    })
  }
  return made
}

/** Those of its base classes, too, up to `end`. */
function membersOf(prototype: object, end: object): PropertyDescriptorMap {
  if (prototype === end) return {}
  const inherited = membersOf(Object.getPrototypeOf(prototype) as object, end)
  return { ...inherited, ...Object.getOwnPropertyDescriptors(prototype) }
}

/** As an assignment does where no accessor is in its way. */
function own(object: object, name: string, value: unknown): void {
  Object.defineProperty(object, name, {
    value,
    writable: true,
    enumerable: true,
    configurable: true,
  })
}

function findSetter(start: object, name: string): boolean {
  for (let object: object | null = start; object; object = Object.getPrototypeOf(object)) {
    const found = Object.getOwnPropertyDescriptor(object, name)
    if (found) return found.set !== undefined
  }
  return false
}
