import { randomBytes } from 'node:crypto'
import type { SecureContext } from 'node:tls'

/** In a set of keys: name, authentication, encryption. */
const PART = 16
const REFUSED = 0
const TAKEN = 1
const TAKEN_AND_RENEWED = 2

type Answer = [verdict: number, authentication: Buffer, encryption: Buffer, ...made: Buffer[]]

interface NativeContext {
  onticketkeycallback?: (name: Buffer, vector: Buffer, isNew: boolean) => Answer
  enableTicketKeyCallback?(): void
}

/**
 * Has each resumption bring a new ticket (RFC 8446 §C.4), which Node has not. Without one a server of TLS 1.3 is silent
 * after the client's Finished: its acknowledgement waits, and a client's request for that, where it has not set TCP_NODELAY.
 * @param keys as for `ticketKeys`
 */
export function renewTickets({ context }: SecureContext, keys: Buffer): void {
  const native = context as NativeContext
  if (typeof native.enableTicketKeyCallback !== 'function') return
  const [name, authentication, encryption] = [0, 1, 2].map((index) =>
    keys.subarray(index * PART, (index + 1) * PART),
  ) as [Buffer, Buffer, Buffer]
  native.onticketkeycallback = (asked, _vector, isNew) => {
    if (isNew) return [TAKEN, authentication, encryption, name, randomBytes(PART)]
    return [asked.equals(name) ? TAKEN_AND_RENEWED : REFUSED, authentication, encryption]
  }
  native.enableTicketKeyCallback()
}
