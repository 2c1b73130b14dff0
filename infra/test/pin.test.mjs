// What was approved is what is deployed: the digests of the execution's own build go to its approvals and deployments.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { World, push, sha } from './machine.mjs'

const main = 'refs/heads/main', a = 'a'.repeat(64), b = 'b'.repeat(64)
const digests = (w) => Object.fromEntries(w.tasks.map((t) => [t.family, t.environment.RUNNER_ARTIFACT_DIGESTS]))
const failures = (w) => w.events.filter((e) => e.type === 'pipeline failed')
const manual = (detail) => ({ id: 'e', source: 'ci.manual', 'detail-type': 'manual', detail })
const key = `runs/main/${sha}/build/latest.json`

test('the digest of the build is asked for approval, and is what every environment may deploy', async () => {
  const w = new World()
  assert.equal((await w.run(push(main))).status, 'SUCCEEDED')
  const want = `builds=${a}`
  assert.deepEqual(digests(w), { Build: undefined, Test: undefined, MigrateStaging: want, DeployStaging: want, MigrateProduction: want, DeployProduction: want })
  const [asked] = w.events.filter((e) => e.type === 'approval needed')
  assert.equal(asked.digests, want)
  assert.match(asked.message, /waits for approval for production, builds sha256 a{12}: runner pipeline approve/)
  assert.equal(w.table['approval#one'].digests.S, want)
})

test('a build that replaces it while the approval is waited for is not deployed', async () => {
  const w = new World({ approve: () => { w.record({ BRANCH: 'main', GIT_SHA: sha }, 'another task', b) } })
  await w.run(push(main))
  assert.equal(digests(w).DeployProduction, `builds=${a}`)
})

test('a record of another task than the own build is refused', async () => {
  const w = new World()
  const record = w.record
  w.record = (variables) => record.call(w, variables, 'arn:aws:ecs:eu-west-1:123456789012:task/Cluster/other', b)
  assert.equal((await w.run(push(main))).status, 'FAILED')
  assert.deepEqual(Object.keys(digests(w)), ['Build'])
  assert.deepEqual(failures(w).map((e) => [e.step, e.error]), [['pipeline', 'OtherBuild']])
  assert.match(failures(w)[0].reason, /not that of task arn:.*Cluster\/1, which this pipeline started/)
})

test('a build that left no record goes no further', async () => {
  const w = new World()
  w.record = () => {}
  assert.equal((await w.run(push(main))).status, 'FAILED')
  assert.deepEqual(Object.keys(digests(w)), ['Build'])
  assert.equal(failures(w)[0].error, 'OtherBuild')
})

test('a build that publishes several sets, or none, hands on all of them', async () => {
  for (const [published, want, text] of [[{ builds: a, site: b }, `builds=${a},site=${b}`, /builds sha256 a{12}, site sha256 b{12}:/], [undefined, undefined, /for production: runner/], [{}, undefined, /for production: runner/]]) {
    const w = new World()
    w.record = (_, task) => { w.objects[key] = JSON.stringify({ passed: true, task, digests: published }) }
    assert.equal((await w.run(push(main))).status, 'SUCCEEDED')
    assert.equal(digests(w).DeployProduction, want)
    assert.match(w.events.find((e) => e.type === 'approval needed').message, text)
  }
})

test('a tag releases what the main branch built of its commit', async () => {
  const w = new World()
  w.record({ BRANCH: 'main', GIT_SHA: sha }, 'an earlier task', b)
  await w.run(push('refs/tags/v1.2.3'))
  assert.deepEqual(digests(w), { MigrateProduction: `builds=${b}`, DeployProduction: `builds=${b}` })
  assert.equal(w.events[0].digests, `builds=${b}`)
})

test('where nothing was built, or the build failed, nothing is approved', async () => {
  for (const record of [undefined, { passed: false, digests: { builds: a } }]) {
    const w = new World()
    if (record) w.objects[key] = JSON.stringify(record)
    await w.run(push('refs/tags/v1.2.3'))
    assert.deepEqual(digests(w), { MigrateProduction: 'none', DeployProduction: 'none' })
    assert.match(w.events[0].message, /for production, no build on record: /)
  }
})

test('a delivery by hand is pinned to what its branch built', async () => {
  const w = new World()
  w.record({ BRANCH: 'feature', GIT_SHA: sha }, 'an earlier task', b)
  await w.run(manual({ ref: 'refs/heads/feature', after: sha, environment: 'staging' }))
  assert.deepEqual(digests(w), { MigrateStaging: `builds=${b}`, DeployStaging: `builds=${b}` })
})

test('the record is read from the bucket of its owner, once', async () => {
  const asked = []
  class Watched extends World {
    task(state, input) { if (state === 'ReadBuild') asked.push(input); return super.task(state, input) }
  }
  const w = new Watched({ ArtifactBucketOwner: '210987654321' })
  await w.run(push(main))
  assert.deepEqual(asked, [{ Bucket: 'artifacts', ExpectedBucketOwner: '210987654321', Key: key }])
})

test('branches and forks, which deliver nothing, read nothing', async () => {
  const w = new World()
  w.record = () => {}
  assert.equal((await w.run(push('refs/heads/feature/x'))).status, 'SUCCEEDED')
})
