import { definePlugin } from '../../core/index.ts'
import { expectPreambles } from './binds.ts'
import { Gate } from './gate.ts'
import { resolveSettings } from './settings.ts'

const name = 'proxy'
/** As gunicorn has it; who can open a Unix socket is let in by its file. */
const LOOPBACK = ['127.0.0.1', '::1']

/** Whom to believe: what proxies in front say of requests and connections, and what only clients claim. */
export default definePlugin({
  name,
  config: {
    forwardedAllowIps: {
      doc: "Peers whose forwarded headers count: addresses, ranges, '*' for all. Unix sockets do, without 'no-unix'.",
      format: 'peers',
      default: LOOPBACK,
      arg: 'forwarded-allow-ips',
      envAliases: { FORWARDED_ALLOW_IPS: (text: string) => text },
    },
    forwardedHeaders: {
      doc: 'Which headers they send. auto: Forwarded where there is no X-Forwarded-*. The others are removed.',
      format: ['auto', 'x-forwarded', 'forwarded'],
      default: 'auto',
      arg: 'forwarded-headers',
    },
    forwardedParts: {
      doc: 'What they set, of for, proto, host, port, prefix; what is not named is removed. Default: for and proto.',
      format: 'forwardedParts',
      default: [] as string[],
      arg: 'forwarded-parts',
      metavar: 'PARTS',
    },
    passForwarded: {
      doc: 'These headers reach the application as they came, whoever sent them.',
      format: 'flag',
      default: false,
      arg: 'pass-forwarded',
    },
    removeHeaders: {
      doc: 'More headers that are removed where the peer is not one of --forwarded-allow-ips; NAME* for a beginning.',
      format: 'fieldNames',
      default: [] as string[],
      arg: 'remove-headers',
    },
    secureSchemeHeaders: {
      doc: 'Headers, and the value of each that means https. Where they disagree the answer is 400.',
      format: 'pairs',
      default: ['X-FORWARDED-PROTOCOL=ssl', 'X-FORWARDED-PROTO=https', 'X-FORWARDED-SSL=on'],
    },
    forwarderHeaders: {
      doc: 'More headers that they set, in capitals, NAME* for a beginning; also with underscores, which others may not have.',
      format: 'fieldNames',
      default: ['SCRIPT_NAME', 'PATH_INFO'],
      arg: 'forwarder-headers',
    },
    headerMap: {
      doc: 'Other headers with an underscore: drop them, or refuse the request.',
      format: ['drop', 'refuse'],
      default: 'drop',
      arg: 'header-map',
    },
    proxyProtocol: {
      doc: 'Connections begin with the PROXY protocol; without a word, in either version.',
      format: ['off', 'v1', 'v2', 'auto'],
      default: 'off',
      bare: 'auto',
      arg: 'proxy-protocol',
    },
    proxyProtocolBinds: {
      doc: 'Addresses of --bind where they do. Default: all.',
      format: 'texts',
      default: [] as string[],
      arg: 'proxy-protocol-binds',
      metavar: 'ADDRESSES',
    },
    proxyAllowIps: {
      doc: 'Peers that may connect where the PROXY protocol is spoken, as in --forwarded-allow-ips.',
      format: 'peers',
      default: LOOPBACK,
      arg: 'proxy-allow-ips',
      argAliases: ['proxy-allow-from'],
    },
    protocol: {
      doc: "What is spoken: http, or uwsgi as in nginx's uwsgi_pass.",
      format: ['http', 'uwsgi'],
      default: 'http',
      arg: 'protocol',
    },
    uwsgiBinds: {
      doc: 'Addresses of --bind that speak uwsgi, where not all do.',
      format: 'texts',
      default: [] as string[],
      arg: 'uwsgi-binds',
      metavar: 'ADDRESSES',
    },
    uwsgiAllowIps: {
      doc: 'Peers that may speak uwsgi, as in --forwarded-allow-ips.',
      format: 'peers',
      default: LOOPBACK,
      arg: 'uwsgi-allow-ips',
      argAliases: ['uwsgi-allow-from'],
    },
  },
  apply(core, options) {
    const gate = new Gate(resolveSettings(options, core.logger(name)))
    core.hooks.listeners.tap({ name, stage: LAST }, (specs) =>
      expectPreambles(specs, options, core.cwd),
    )
    core.hooks.ready.tap({ name, stage: FIRST, onlyRefuses: true }, (head) =>
      gate.minds(head) ? false : undefined,
    )
    core.hooks.request.tap({ name, stage: FIRST }, (request, response) =>
      gate.admit(request, response),
    )
  },
})

/** After all other plugins: they may add listeners. */
const LAST = 1_000_000
/** Before all others, which are to see what is believed. */
const FIRST = -LAST
