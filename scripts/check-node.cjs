// Runs before everything else, on any Node: nothing here may be newer than ES5.
'use strict'

var MINIMUM = [20, 6]

/** Returns one line that says what is wrong with this Node version, or undefined. */
function checkNode(version) {
  var parts = version.replace(/^v/, '').split('.').map(Number)
  var isNewer = parts[0] > MINIMUM[0]
  var isEnough = parts[0] === MINIMUM[0] && parts[1] >= MINIMUM[1]
  if (isNewer || isEnough) return undefined
  var need = 'wsgi-core needs Node.js ' + MINIMUM.join('.') + ' or newer'
  return need + ', and this is ' + version + '; install a newer one from https://nodejs.org/'
}

module.exports = checkNode

var problem = require.main === module && checkNode(process.version)
if (problem) {
  console.error(problem)
  process.exit(1)
}
