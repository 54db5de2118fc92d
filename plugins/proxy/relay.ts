/** What a preamble, which only somebody trusted may send, says of its connection. */
export interface Relay {
  /** Who has sent it, as far as that one has an address. */
  readonly peer: string
  /** Whom the connection is from is not known: whoever it is, nothing that it says is believed. */
  readonly isUnknown: boolean
  readonly scheme?: 'http' | 'https' | undefined
  readonly protocol?: string | undefined
  readonly serverName?: string | undefined
  readonly serverPort?: string | undefined
  readonly rootPath?: string | undefined
  readonly variables: readonly (readonly [name: string, value: string])[]
}
