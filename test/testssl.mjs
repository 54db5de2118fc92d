// Runs testssl.sh against an address, and fails where it finds a weakness above "low":
// node test/testssl.mjs 127.0.0.1:8443 [CA.pem]
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Debian's name, and the project's own. */
const PROGRAMS = ['testssl', 'testssl.sh']
/** Protocols, ciphers by strength, what the server shows and prefers, and the weaknesses that have names. */
const CHECKS = ['-p', '-s', '-S', '-P', '-H', '-I', '-BB', '-R', '-C', '-W', '-A', '-F', '-J', '-4']
const ABOVE_LOW = ['MEDIUM', 'HIGH', 'CRITICAL']
/** What no server has a part in: that an authority made for a test tells nobody what it has revoked. */
const NOT_OURS = ['cert_revocation', 'OCSP_stapling']

const [address, authority] = process.argv.slice(2)
const program = PROGRAMS.find((name) => spawnSync('which', [name]).status === 0)
if (!address || !program) throw new Error('give HOST:PORT, and install testssl.sh')

const folder = mkdtempSync(join(tmpdir(), 'wsgi-core-testssl-'))
try {
  const report = join(folder, 'report.json')
  const trust = authority ? ['--add-ca', authority] : []
  const quiet = ['--quiet', '--color', '0', '--warnings', 'batch', '--nodns', 'none', '--fast']
  spawnSync(program, [...quiet, ...trust, ...CHECKS, '--jsonfile', report, address], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, HEADER_MAXSLEEP: '1' }, // a kept connection does not end by itself
  })
  const findings = JSON.parse(readFileSync(report, 'utf8'))
  const ids = findings.map(({ id }) => id)
  for (const id of ['TLS1_3', 'heartbleed', 'cert_expirationStatus']) {
    if (!ids.some((each) => each.startsWith(id)))
      throw new Error(`testssl.sh did not come as far as '${id}'`)
  }
  const weak = findings.filter(
    ({ severity, id }) =>
      ABOVE_LOW.includes(severity) && !NOT_OURS.some((own) => id.startsWith(own)),
  )
  for (const { severity, id, finding } of weak) console.log(`${severity} ${id}: ${finding}`)
  console.log(`${findings.length} findings, ${weak.length} above low`)
  process.exitCode = weak.length === 0 ? 0 : 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
