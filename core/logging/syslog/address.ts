/** Where a syslog listens, in gunicorn's form of `--log-syslog-to`. */
export type SyslogAddress =
  | { readonly kind: 'udp'; readonly host: string; readonly port: number }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  /** Without `type`, both are tried. */
  | { readonly kind: 'unix'; readonly path: string; readonly type: 'stream' | 'dgram' | undefined }

const FORM = 'udp://HOST:PORT, tcp://HOST:PORT, or unix://PATH with #dgram or #stream after it'
const DEFAULT_PORT = 514

/** @throws where the text is no such address. */
export function parseSyslogAddress(text: string): SyslogAddress {
  const [, path, type] = /^unix:\/\/(\/[^#]+)(?:#(stream|dgram))?$/.exec(text) ?? []
  if (path !== undefined)
    return { kind: 'unix', path, type: type as 'stream' | 'dgram' | undefined }
  const [, kind, bracketed, plain, port] =
    /^(udp|tcp):\/\/(?:\[([\da-fA-F:.]+)\]|([^:/#[\]\s]*))(?::(\d{1,5}))?$/.exec(text) ?? []
  if (kind === undefined || Number(port ?? 1) > 65_535 || Number(port ?? 1) === 0) {
    throw new Error(`must be ${FORM}`)
  }
  return {
    kind: kind as 'udp' | 'tcp',
    host: bracketed ?? (plain || 'localhost'),
    port: port === undefined ? DEFAULT_PORT : Number(port),
  }
}
