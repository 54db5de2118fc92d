import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Pace } from '../pace.ts'
import { WaitingLine } from '../waiting-line.ts'
import { NotingJob } from './fakes.ts'

const pace = suite('the pace of requests')
const QUICK = 8 // up to 256 µs
const SLOW = 16 // up to 65 ms

function learned(observations: readonly [string, number][]): Pace {
  const result = new Pace()
  for (const [url, exponent] of observations) result.learn(result.kindOf(url), exponent)
  return result
}

const isSlow = (known: Pace, url: string) => known.isSlow(known.kindOf(url))

pace('tells kinds apart by two segments of the path', () => {
  const known = new Pace()
  const kind = known.kindOf('/reports/yearly/2026')
  assert.is(known.kindOf('/reports/yearly/2027?x=1'), kind)
  assert.is(known.kindOf('/reports/yearly'), kind)
  assert.is.not(known.kindOf('/reports/monthly'), kind)
  assert.is(known.kindOf('/?a'), known.kindOf('/'))
})

pace('knows a bounded number of kinds', () => {
  const known = new Pace()
  for (let count = 0; count < 1000; count++) known.kindOf(`/${count}`)
  assert.is(known.kindOf('/1000'), known.kindOf('/1001'))
  assert.is.not(known.kindOf('/1'), known.kindOf('/2'))
})

pace('takes an unknown kind for quick', () => {
  assert.not(isSlow(new Pace(), '/'))
})

pace('takes for slow what is far slower than the mean', () => {
  const known = learned([
    ['/a', QUICK],
    ['/a', QUICK],
    ['/b', SLOW],
  ])
  assert.ok(isSlow(known, '/b'))
  assert.not(isSlow(known, '/a'))
})

pace('takes nothing for slow where all is', () => {
  assert.not(isSlow(learned([['/b', SLOW]]), '/b'))
})

pace('takes nothing for slow that takes less than 4 ms', () => {
  const known = learned([
    ['/a', 2],
    ['/b', 11],
  ])
  assert.not(isSlow(known, '/b'))
})

pace('forgets one slow answer of a quick kind', () => {
  const known = learned([
    ['/a', QUICK],
    ['/b', SLOW],
    ...Array.from({ length: 4 }, (): [string, number] => ['/b', QUICK]),
  ])
  assert.not(isSlow(known, '/b'))
})

pace.run()

const line = suite('the waiting line')

const jobs = (...slow: boolean[]) =>
  slow.map((isSlow, id) => Object.assign(new NotingJob(), { isSlow, id }))

line('gives each sort in its order, slow ones only where they may go', () => {
  const waiting = new WaitingLine()
  const [a, b, c, d] = jobs(false, true, false, true)
  for (const job of [a, b, c, d]) waiting.push(job as NotingJob)
  assert.is(waiting.length, 4)
  assert.is(waiting.shift(false), a)
  assert.is(waiting.shift(true), b)
  assert.is(waiting.shift(false), c)
  assert.is(waiting.shift(false), undefined)
  assert.is(waiting.shift(true), d)
  assert.is(waiting.length, 0)
})

line('lets one go ahead, and one leave', () => {
  const waiting = new WaitingLine()
  const [a, b, c] = jobs(false, false, false) as [NotingJob, NotingJob, NotingJob]
  waiting.push(a)
  waiting.push(b)
  waiting.pushFirst(c)
  waiting.remove(a)
  waiting.remove(a)
  assert.equal([waiting.shift(true), waiting.shift(true), waiting.shift(true)], [c, b, undefined])
})

line('keeps its order over many thousands', () => {
  const waiting = new WaitingLine()
  const all = jobs(...Array.from({ length: 5000 }, () => false))
  const seen: unknown[] = []
  all.forEach((job, index) => {
    waiting.push(job)
    if (index % 3 > 0) seen.push(waiting.shift(true))
  })
  seen.push(...waiting.clear())
  assert.ok(seen.every((job, index) => job === all[index]))
  assert.is(seen.length, 5000)
})

line.run()
