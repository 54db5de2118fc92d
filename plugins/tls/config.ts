import type { Options, Schema } from '../../core/index.ts'

/** Names are gunicorn's where gunicorn has the option. */
export const config = {
  certfile: {
    doc: 'PEM file with the certificate, then those that lead to its root. Repeatable: the name that a client asks for chooses.',
    format: 'texts',
    default: [] as string[],
    arg: 'certfile',
    metavar: 'FILES',
  },
  keyfile: {
    doc: 'PEM file with the private key. Repeatable: each certificate finds its own. Default: the key is in the certfile.',
    format: 'texts',
    default: [] as string[],
    arg: 'keyfile',
    metavar: 'FILES',
  },
  keyfilePasswordFile: {
    doc: 'File with passphrases of encrypted keys and PKCS#12 files, one a line; each is tried.',
    format: 'text',
    default: null as string | null,
    nullable: true,
    arg: 'keyfile-password-file',
    metavar: 'FILE',
  },
  pkcs12: {
    doc: 'PKCS#12 file with certificate and key. Repeatable.',
    format: 'texts',
    default: [] as string[],
    arg: 'pkcs12',
    metavar: 'FILES',
  },
  selfSigned: {
    doc: 'For development: make a certificate for localhost, which no browser trusts.',
    format: 'flag',
    default: false,
    arg: 'tls-self-signed',
  },
  bind: {
    doc: 'Address to listen at with TLS, beside those of --bind without. Repeatable. Default: TLS at those of --bind.',
    format: 'binds',
    default: null as string[] | null,
    nullable: true,
    arg: 'tls-bind',
  },
  unknownNames: {
    doc: 'A client asks for a name that no certificate has, or for none: it gets the first certificate, or is refused.',
    format: ['default', 'refuse'],
    default: 'default',
    arg: 'tls-unknown-names',
  },
  profile: {
    doc: "Versions and ciphers after Mozilla's recommendations: TLS 1.2 and 1.3, or 1.3 alone.",
    format: ['intermediate', 'modern'],
    default: 'intermediate',
    arg: 'tls-profile',
  },
  minVersion: {
    doc: 'Least version of TLS, instead of that of the profile.',
    format: ['profile', '1.2', '1.3'],
    default: 'profile',
    arg: 'tls-min-version',
  },
  ciphers: {
    doc: "Ciphers of TLS 1.2 in OpenSSL's words, instead of those of the profile; TLS_... names count for TLS 1.3.",
    format: 'text',
    default: null as string | null,
    nullable: true,
    arg: 'ciphers',
    metavar: 'LIST',
  },
  caCerts: {
    doc: "PEM file with the authorities that sign clients' certificates.",
    format: 'text',
    default: null as string | null,
    nullable: true,
    arg: 'ca-certs',
    metavar: 'FILE',
  },
  certReqs: {
    doc: 'Client certificates: none (0), optional (1) or required (2). One that is sent must be valid.',
    format: 'certReqs',
    default: 'none' as CertReqs,
    arg: 'cert-reqs',
  },
  sessionTickets: {
    doc: 'Clients resume sessions by tickets; with --no-tls-session-tickets each handshake is a full one.',
    format: 'flag',
    default: true,
    arg: 'tls-session-tickets',
  },
  ticketRotation: {
    doc: 'Seconds after which tickets get a new key, and those made with the old one are no longer taken.',
    format: 'seconds',
    default: 43_200,
    arg: 'tls-ticket-rotation',
  },
  staplingFile: {
    doc: 'OCSP response in DER, to be stapled. Repeatable: the first belongs to the first certificate, and so on.',
    format: 'texts',
    default: [] as string[],
    arg: 'tls-stapling-file',
    metavar: 'FILES',
  },
  plainRequests: {
    doc: 'Plain HTTP at an address for TLS: answer 400, or redirect to https.',
    format: ['refuse', 'redirect'],
    default: 'refuse',
    arg: 'tls-plain-requests',
  },
  redirectToHttps: {
    doc: 'Answer 308 to requests over plain HTTP, but those for /.well-known/acme-challenge/.',
    format: 'flag',
    default: false,
    arg: 'redirect-to-https',
  },
  httpsPort: {
    doc: 'Port that redirects name. Default: that of the first address with TLS.',
    format: 'positive',
    default: null as number | null,
    nullable: true,
    arg: 'https-port',
  },
  hstsMaxAge: {
    doc: 'Seconds for which browsers are to use https alone (HSTS); 0: they are not told.',
    format: 'natural',
    default: 0,
    arg: 'hsts-max-age',
  },
  hstsIncludeSubdomains: {
    doc: 'With --hsts-max-age: for all names below, too.',
    format: 'flag',
    default: false,
    arg: 'hsts-include-subdomains',
  },
  hstsPreload: {
    doc: "With --hsts-max-age: agree to be put on browsers' lists.",
    format: 'flag',
    default: false,
    arg: 'hsts-preload',
  },
  httpProtocols: {
    doc: 'Protocols offered to clients (ALPN): h2, h1.',
    format: 'protocols',
    default: ['h2', 'h1'] as string[],
    arg: 'http-protocols',
  },
  http2Cleartext: {
    doc: 'HTTP/2 at addresses without TLS, for clients that begin with it.',
    format: ['off', 'prior-knowledge'],
    default: 'off',
    arg: 'http2-cleartext',
  },
  http2MaxConcurrentStreams: {
    doc: 'Requests that a client may have under way on one HTTP/2 connection.',
    format: 'positive',
    default: 100,
    arg: 'http2-max-concurrent-streams',
  },
  http2InitialWindowSize: {
    doc: 'Bytes of a body that may come over HTTP/2 before somebody reads them.',
    format: 'positive',
    default: 65_535,
    arg: 'http2-initial-window-size',
  },
  http2MaxFrameSize: {
    doc: 'Bytes of the largest HTTP/2 frame that is taken, from 16384 to 16777215.',
    format: 'positive',
    default: 16_384,
    arg: 'http2-max-frame-size',
  },
  http2MaxHeaderListSize: {
    doc: 'Bytes of all fields of a request over HTTP/2; --limit-request-head counts too.',
    format: 'positive',
    default: 65_536,
    arg: 'http2-max-header-list-size',
  },
} as const satisfies Schema

export type CertReqs = 'none' | 'optional' | 'required'

export type TlsOptions = Options<typeof config>
