// Which of several executions goes on: events that come twice, late or out of order, pushes that follow each other, approvals.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { World, push, sha } from './machine.mjs'

const main = 'refs/heads/main', c = (digit) => digit.repeat(40)
const newer = c('b')
const names = (w) => w.tasks.map((t) => t.family)
const failures = (w) => w.events.filter((e) => e.type === 'pipeline failed')
const pause = (ms) => new Promise((r) => setTimeout(r, ms))

// during runs an execution, and calls back while its task of a family works.
function during(family, commit, ms = 400) {
  let begun
  const started = new Promise((r) => { begun = r })
  const w = new World({ ecs: async (f, _, e) => { if (f === family && e.GIT_SHA === commit) { begun(); await pause(ms) } } })
  return { w, started }
}

test('an event that comes twice is run once', async () => {
  const w = new World()
  await w.run(push('refs/heads/x'), 'one')
  assert.equal((await w.run(push('refs/heads/x'), 'two')).status, 'SUCCEEDED')
  assert.equal(w.tasks.length, 2)
})

test('of two pushes within the debounce only the second is built', async () => {
  const w = new World()
  const first = w.run(push('refs/heads/x'), 'one', { waits: { Debounce: 500 } })
  await pause(100)
  assert.equal((await w.run(push('refs/heads/x', { after: newer }), 'two')).status, 'SUCCEEDED')
  assert.equal((await first).status, 'ABORTED')
  assert.deepEqual(w.tasks.map((t) => t.environment.GIT_SHA), [newer, newer])
})

test('a push stops the tests of the one before it', async () => {
  const { w, started } = during('Test', sha)
  const first = w.run(push(main), 'one')
  await started
  await w.run(push(main, { after: newer }), 'two')
  assert.equal((await first).status, 'ABORTED')
  assert.deepEqual(w.stopped.map((s) => [s.ExecutionArn.split(':').at(-1), s.Error]), [['one', 'Superseded']])
  assert.equal(w.tasks.filter((t) => t.environment.GIT_SHA === sha && t.family.startsWith('Deploy')).length, 0)
})

test('a push does not stop a delivery', async () => {
  const { w, started } = during('DeployStaging', sha, 300)
  const first = w.run(push(main), 'one')
  await started
  await w.run(push(main, { after: newer }), 'two')
  assert.equal((await first).status, 'SUCCEEDED')
  assert.deepEqual(w.stopped, [])
})

test('an execution that could not be stopped does not deliver', async () => {
  const w = new World({ ecs: (family) => { if (family === 'Test') w.table[`ref#acme/shop#${main}`].execution = { S: 'two' } } })
  assert.equal((await w.run(push(main), 'one')).status, 'SUCCEEDED')
  assert.deepEqual(names(w), ['Build', 'Test'])
  assert.deepEqual(w.events, [])
})

// Three pushes of one branch, c0 to c3. Each row lists the pushes in the order in which their events arrive and what is built.
const chain = (n, more = {}) => push(main, { before: c(String(n - 1)), after: c(String(n)), ...more })
const timed = (n) => chain(n, { pushed: 1700000000 + n })
const forced = push(main, { before: c('2'), after: c('1'), pushed: 1700000009, delivery: 'forced' })
const rerun = (event, id) => ({ ...event, detail: { ...event.detail, delivery: id } })
for (const [what, arrivals, built] of [
  ['in order', [timed(1), timed(2), timed(3)], '123'],
  ['the second after the third', [timed(1), timed(3), timed(2)], '13'],
  ['the first after the third', [timed(3), timed(1)], '3'],
  ['a rerun of the first, under another id', [timed(1), timed(2), rerun(timed(1), 'again')], '12'],
  ['a rerun of the newest', [timed(1), timed(2), rerun(timed(2), 'again')], '122'],
  ['a forced push back to an older commit', [timed(1), timed(2), forced], '121'],
  ['a late event after a forced push', [timed(1), forced, timed(2)], '11'],
  ['in order, without times', [chain(1), chain(2), chain(3)], '123'],
  ['the second after the third, without times', [chain(3), chain(2)], '3'],
  ['two pushes within a second, the second first', [chain(2, { pushed: 1700000000 }), chain(1, { pushed: 1700000000 })], '2'],
  ['two pushes within a second, in order', [chain(1, { pushed: 1700000000 }), chain(2, { pushed: 1700000000 })], '12'],
  ['a time that only one of them has', [timed(2), chain(1)], '2'],
]) {
  test(`pushes arrive ${what}: ${[...built].join(', ')} ${built.length === 1 ? 'is' : 'are'} built`, async () => {
    const w = new World({ ApprovalEnvironments: ['none'] })
    for (const [i, event] of arrivals.entries()) assert.equal((await w.run(event, `run${i}`)).status, 'SUCCEEDED')
    assert.equal(w.tasks.filter((t) => t.family === 'Build').map((t) => t.environment.GIT_SHA[0]).join(''), built)
    assert.deepEqual(failures(w), [])
  })
}

test('a late event of an older push does not stop the newer one', async () => {
  const { w, started } = during('Test', c('2'), 600)
  const second = w.run(chain(2), 'newer')
  await started
  const older = await w.run(chain(1), 'older')
  assert.deepEqual([(await second).status, older.status, w.stopped], ['SUCCEEDED', 'SUCCEEDED', []])
  assert.ok(!w.tasks.some((t) => t.environment.GIT_SHA === c('1')))
})

// A workflow of a branch may say that it is the main one, when it likes and with whatever id.
const claim = (ref, more) => ({ ...push(ref, { after: c('e'), pushed: 9999999999, ...more }), 'detail-type': 'branch_push' })

test('a workflow of a branch that claims to be the main one stops no push to it, now or later', async () => {
  const { w, started } = during('Test', c('1'))
  const first = w.run(timed(1), 'one')
  await started
  assert.equal((await w.run(claim(main), 'claim')).status, 'SUCCEEDED')
  assert.equal((await first).status, 'SUCCEEDED')
  await w.run(timed(2), 'two')
  assert.deepEqual([w.stopped, w.tasks.filter((t) => t.definition === 'Build').map((t) => t.environment.GIT_SHA)], [[], [c('1'), c('2')]])
})

test('a workflow of a branch cannot use up the delivery of a push', async () => {
  const w = new World({ ApprovalEnvironments: ['none'] })
  await w.run(claim('refs/heads/x', { delivery: 'github-17-1' }), 'claim')
  await w.run(timed(1), 'one')
  await w.run({ ...timed(2), detail: { ...timed(2).detail, delivery: 'github-17-1' } }, 'two')
  assert.equal(w.tasks.filter((t) => t.definition === 'Build').length, 2)
})

test('a push that says it came in the future does not hold up those after it', async () => {
  const w = new World(), ref = 'refs/heads/x', later = Date.parse('2026-11-23T09:00:00.000Z')
  await w.run(claim(ref), 'claim')
  await w.run(push(ref, { before: sha, after: newer, pushed: later / 1000 }), 'two', { started: new Date(later).toISOString() })
  assert.deepEqual(w.tasks.map((t) => t.environment.GIT_SHA), [c('e'), c('e'), newer, newer])
})

test('by hand an older commit is run all the same, and does not count as the newest', async () => {
  const w = new World({ ApprovalEnvironments: ['none'] })
  await w.run(timed(1), 'one')
  await w.run(timed(2), 'two')
  await w.run({ id: 'e', source: 'ci.manual', 'detail-type': 'manual', detail: { ref: main, after: c('1') } }, 'hand')
  await w.run(rerun(timed(1), 'late'), 'late')
  assert.equal(w.tasks.filter((t) => t.family === 'Build').map((t) => t.environment.GIT_SHA[0]).join(''), '121')
})

test('a newer approval ends the older ones of its branch, without a failure', async () => {
  const w = new World({ ApprovalTimeout: 5, approve: (i) => (i.Item.sha.S === c('3') ? undefined : new Promise((r) => setTimeout(r, 6000).unref())) })
  const runs = []
  for (const n of [1, 2, 3]) { runs.push(w.run(timed(n), `run${n}`, { started: `2026-11-23T08:00:0${n}.000Z` })); await pause(300) }
  const ends = await Promise.all(runs)
  assert.deepEqual(ends.map((r) => r.status), ['SUCCEEDED', 'SUCCEEDED', 'SUCCEEDED'])
  assert.deepEqual(failures(w), [])
  assert.deepEqual(w.tasks.filter((t) => t.family === 'DeployProduction').map((t) => t.environment.GIT_SHA), [c('3')])
  assert.deepEqual(w.events.map((e) => e.type), Array(3).fill('approval needed'))
})

test('an older execution that asks after a newer one ends by itself', async () => {
  const w = new World({ ApprovalTimeout: 5, approve: (i) => (i.Item.sha.S === c('2') ? pause(600) : assert.fail('the older one must not ask')) })
  const second = w.run(timed(2), 'newer', { started: '2026-11-23T08:00:02.000Z' })
  await pause(300)
  w.table[`ref#acme/shop#${main}`] = undefined // as if it had delivered to staging before
  assert.equal((await w.run(timed(1), 'older', { started: '2026-11-23T08:00:01.000Z' })).status, 'SUCCEEDED')
  assert.equal((await second).status, 'SUCCEEDED')
  assert.deepEqual(failures(w), [])
})

test('an older execution that is about to wait finds that it is superseded', async () => {
  const w = new World({ approve: () => assert.fail('it must not wait') })
  w.table['token#production#one'] = { id: { S: 'token#production#one' }, superseded: { S: 'two' } }
  assert.equal((await w.run(push(main), 'one')).status, 'SUCCEEDED')
  assert.deepEqual([failures(w), w.tasks.some((t) => t.family === 'DeployProduction')], [[], false])
})

test('an execution that was approved before goes on', async () => {
  const { w, started } = during('DeployProduction', c('1'))
  w.approve = (i) => (i.Item.sha.S === c('1') ? undefined : pause(100))
  const first = w.run(timed(1), 'one', { started: '2026-11-23T08:00:01.000Z' })
  await started
  await w.run(timed(2), 'two', { started: '2026-11-23T08:00:02.000Z' })
  assert.equal((await first).status, 'SUCCEEDED')
  assert.equal(w.tasks.filter((t) => t.family === 'DeployProduction').length, 2)
})

test('the approvals of two tags do not end each other', async () => {
  const w = new World({ approve: () => pause(300) })
  const both = await Promise.all([w.run(push('refs/tags/v1'), 'one'), w.run(push('refs/tags/v2', { after: newer }), 'two')])
  assert.deepEqual(both.map((r) => r.status), ['SUCCEEDED', 'SUCCEEDED'])
  assert.equal(w.tasks.filter((t) => t.family === 'DeployProduction').length, 2)
})
