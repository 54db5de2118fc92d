import { X509Certificate } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { config, type TlsOptions } from '../config.ts'
import { inspect } from '../inspection.ts'
import { readIdentities } from '../material.ts'
import { NameTable, namesOf } from '../names.ts'
import { createSettings } from '../settings.ts'
import { Authority } from './authority.ts'

const defaults = Object.fromEntries(
  Object.entries(config).map(([key, { default: value }]) => [key, value]),
) as unknown as TlsOptions

interface Context {
  readonly authority: Authority
}

const read = ({ authority }: Context, options: Partial<TlsOptions>) =>
  readIdentities({ ...defaults, ...options }, authority.folder)

const fault = (context: Context, options: Partial<TlsOptions>): string => {
  try {
    read(context, options)
  } catch (error) {
    return `${(error as { code: string }).code} ${(error as Error).message.replaceAll(context.authority.folder, '')}`
  }
  throw new Error('it can be used')
}

function authoritySuite(name: string) {
  const made = suite<Context>(name)
  made.before((context) => {
    Object.assign(context, { authority: new Authority() })
  })
  made.after(({ authority }) => authority.remove())
  return made
}

const loading = authoritySuite('certificates and keys')

loading('are read from two files, in relative paths', (context) => {
  context.authority.issue('a')
  const [identity] = read(context, { certfile: ['a.pem'], keyfile: ['a.key'] })
  assert.match(identity?.key as string, /BEGIN PRIVATE KEY/)
  assert.is(identity?.exposedKey, undefined)
})

loading('are read from one file, the key before or after', (context) => {
  const { authority } = context
  authority.issue('one')
  authority.write('one-file.pem', authority.read('one.key') + authority.read('one.pem'))
  assert.is(read(context, { certfile: ['one-file.pem'] }).length, 1)
})

loading('find each other whatever their order', (context) => {
  context.authority.issue('x', { names: ['x.test'] })
  context.authority.issue('y', { names: ['y.test'], kind: 'rsa' })
  const found = read(context, { certfile: ['x.pem', 'y.pem'], keyfile: ['y.key', 'x.key'] })
  const kinds = found.map(({ key }) => (key as string).length > 500)
  assert.equal(kinds, [false, true]) // an RSA key is long
})

loading('with a passphrase: any line of the file may be it', (context) => {
  const { authority } = context
  authority.issue('locked', { passphrase: 'open sesame' })
  authority.write('passwords', 'wrong\nopen sesame\n')
  const options = { certfile: ['locked.pem'], keyfile: ['locked.key'] }
  assert.is(read(context, { ...options, keyfilePasswordFile: 'passwords' }).length, 1)
  assert.match(fault(context, options), /^WSGI_CORE_TLS_BAD_KEY .*--keyfile-password-file/)
  authority.write('passwords', 'wrong\n')
  assert.match(
    fault(context, { ...options, keyfilePasswordFile: 'passwords' }),
    /^WSGI_CORE_TLS_BAD_KEY .*no line/,
  )
})

loading('are read from PKCS#12, with and without a passphrase', (context) => {
  const { authority } = context
  authority.issue('packed')
  authority.write('passwords', 'no\nsecret\n')
  authority.pkcs12('packed', 'secret')
  const [identity] = read(context, { pkcs12: ['packed.p12'], keyfilePasswordFile: 'passwords' })
  assert.is(identity?.pkcs12?.passphrase, 'secret')
  assert.match(fault(context, { pkcs12: ['packed.p12'] }), /^WSGI_CORE_TLS_BAD_CERTIFICATE .*pass/)
  authority.pkcs12('packed', '')
  assert.is(read(context, { pkcs12: ['packed.p12'] }).length, 1)
})

loading('that do not belong together are refused, with both names', (context) => {
  context.authority.issue('left')
  context.authority.issue('right')
  const text = fault(context, { certfile: ['left.pem'], keyfile: ['right.key'] })
  assert.is(
    text,
    "WSGI_CORE_TLS_BAD_KEY private key '/right.key' cannot be used: it does not belong to certificate '/left.pem'; give the one it was made for",
  )
})

loading('whose chain begins with another are refused', (context) => {
  const { authority } = context
  authority.issue('late')
  authority.write('late-chain.pem', authority.read('ca.pem') + authority.read('late.pem'))
  assert.match(
    fault(context, { certfile: ['late-chain.pem'], keyfile: ['late.key'] }),
    /^WSGI_CORE_TLS_BAD_CERTIFICATE .*wrong order/,
  )
})

loading('that are missing, empty or damaged are refused, each in its own words', (context) => {
  const { authority } = context
  authority.issue('good')
  authority.write('empty.pem', '')
  authority.write('damaged.pem', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')
  const keyfile = ['good.key']
  assert.match(fault(context, { certfile: ['none.pem'], keyfile }), /BAD_FILE .*no such file/)
  assert.match(fault(context, { certfile: ['empty.pem'], keyfile }), /BAD_CERTIFICATE .*no certifi/)
  assert.match(fault(context, { certfile: ['damaged.pem'], keyfile }), /BAD_CERTIFICATE .*damaged/)
  assert.match(fault(context, { certfile: ['good.pem'] }), /BAD_KEY .*no private key/)
  authority.write('chain.pem', authority.read('good.pem') + authority.read('damaged.pem'))
  assert.match(fault(context, { certfile: ['chain.pem'], keyfile }), /BAD_CERTIFICATE .*damaged/)
})

loading('that OpenSSL does not take are refused, also where a better one hides them', (context) => {
  const { authority } = context
  const ticketKey = Buffer.alloc(48).toString('base64')
  const fault = (...certfile: string[]): string => {
    const keyfile = certfile.map((file) => file.replace('.pem', '.key'))
    const identities = read(context, { certfile, keyfile })
    try {
      createSettings(defaults, { identities, ca: undefined, ticketKey })
    } catch (error) {
      return `${(error as { code: string }).code} ${(error as Error).message}`
    }
    throw new Error('they can be used')
  }
  authority.issue('exact', { names: ['example.weak.test'], kind: 'rsa' })
  authority.issue('weak', { names: ['*.weak.test'], kind: 'weak' })
  assert.match(fault('weak.pem'), /^WSGI_CORE_TLS_BAD_CERTIFICATE .*weak.pem.*key too small/)
  assert.match(fault('exact.pem', 'weak.pem'), /^WSGI_CORE_TLS_BAD_CERTIFICATE .*weak.pem/)
})

loading('staples that are none are refused', (context) => {
  context.authority.issue('stapled')
  context.authority.write('not.der', 'hello')
  const options = { certfile: ['stapled.pem'], keyfile: ['stapled.key'], staplingFile: ['not.der'] }
  assert.match(fault(context, options), /BAD_FILE .*OCSP/)
})

const inspection = authoritySuite('what is said of a certificate')

const findings = (context: Context, name: string) =>
  read(context, { certfile: [`${name}.pem`], keyfile: [`${name}.key`] })
    .flatMap((identity) => inspect(identity))
    .map(({ level, text }) => `${level}: ${text.replaceAll(context.authority.folder, '')}`)

inspection('days left, for its names', (context) => {
  context.authority.issue('fine', { names: ['a.test', '*.b.test'], days: 40 })
  const [line, ...others] = findings(context, 'fine')
  assert.match(
    line as string,
    /^info: .*a\.test, \*\.b\.test is valid until \d{4}-\d\d-\d\d, 39 days/,
  )
  assert.equal(others, [])
})

inspection('that it ends soon: from two weeks on', (context) => {
  context.authority.issue('soon', { days: 14 })
  context.authority.issue('not-soon', { days: 15 })
  assert.match(findings(context, 'soon')[0] as string, /^warn: .* 13 days left$/)
  assert.match(findings(context, 'not-soon')[0] as string, /^info: .* 14 days left$/)
})

inspection('that it has expired, or is not valid yet', (context) => {
  context.authority.issue('old', { days: -3 })
  context.authority.issue('future', { from: '20980101000000Z' })
  assert.match(findings(context, 'old')[0] as string, /^error: .* has expired on \d{4}-/)
  assert.match(findings(context, 'future')[0] as string, /^error: .* not valid before 2098-01-01$/)
})

inspection('that its chain is in the wrong order', (context) => {
  const { authority } = context
  authority.issue('mixed')
  authority.issue('stranger')
  authority.write('mixed.pem', authority.read('mixed.pem') + authority.read('stranger.pem'))
  assert.equal(findings(context, 'mixed').slice(1), [
    'warn: chain in the wrong order: number 2 has not issued number 1',
  ])
  authority.issue('tidy')
  authority.write('tidy.pem', authority.read('tidy.pem') + authority.read('ca.pem'))
  assert.equal(findings(context, 'tidy').slice(1), [])
})

inspection('that everybody may read its key', (context) => {
  const { authority } = context
  authority.issue('open')
  authority.write('open.key', authority.read('open.key'), 0o644)
  assert.equal(findings(context, 'open').slice(1), [
    "warn: everybody on this machine may read the key in '/open.key'",
  ])
  authority.write('open.key', authority.read('open.key'), 0o640)
  assert.equal(findings(context, 'open').slice(1), [])
})

const names = authoritySuite('names')

names('are those of the certificate, in lower case', ({ authority }) => {
  authority.issue('named', { names: ['Shop.Test', '*.shop.test', '127.0.0.1'] })
  const certificate = new X509Certificate(authority.read('named.pem'))
  assert.equal(namesOf(certificate), ['shop.test', '*.shop.test'])
})

names('are found exactly, or by a wildcard for one label', () => {
  const table = new NameTable<number>()
  table.add('shop.test', 1)
  table.add('*.shop.test', 2)
  table.add('api.shop.test', 3)
  assert.equal(table.find('SHOP.test.'), [1])
  assert.equal(table.find('api.shop.test'), [3, 2])
  assert.equal(table.find('www.shop.test'), [2])
  assert.equal(table.find('a.b.shop.test'), [])
  assert.equal(table.find('.shop.test'), [])
  assert.equal(table.find('test'), [])
})

loading.run()
inspection.run()
names.run()
