import { siteSuite } from '../../plugins/workers/test/harness.ts'
import { keepsUnixSocket, upgradesUnderLoad } from './upgrading.ts'

const test = siteSuite('upgrade of several fronts')

upgradesUnderLoad(test, ['-w', '2', '--fronts', '2'])
keepsUnixSocket(test, ['--fronts', '2'])

test.run()
