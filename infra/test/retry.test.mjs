// A retry goes on where an execution has failed, and a step can be run alone. The input only names them: what may run is
// decided by what the machine has on record.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { World, ended, push, sha } from './machine.mjs'
import { at, example, failures, jobs, main, manual, planned, pullRequest } from './plan.mjs'

const retry = (name, ref = main, more = {}) => manual({ version: '1', ref, after: sha, sender: 'hubot', retry: name, ...more })
const fails = (...names) => (family, n, e) => { if (names.includes(e.PIPELINE_STEP ?? family)) throw ended(1) }
const ran = (w) => w.tasks.map((t) => t.environment.PIPELINE_STEP ?? t.family)
const cut = (w) => { const before = ran(w); w.tasks.length = w.events.length = 0; return before }
const note = (w, name) => Object.fromEntries(Object.entries(w.table[`run#${name}`]).map(([k, v]) => [k, v.S ?? Number(v.N)]))

test('each stage is on record before it begins', async () => {
  const w = planned(example), seen = []
  w.ecs = (family) => { const { what, stage, stages } = note(w, 'one'); seen.push([family, what, stage, stages].join(' ')) }
  await w.run(push(main), 'one')
  assert.deepEqual(seen.filter((s, i) => seen.indexOf(s) === i), [
    'Build build 0 8', 'Test test, lint, e2e 1 8', 'MigrateStaging migrate staging 3 8', 'DeployStaging deploy staging 4 8', 'MigrateProduction migrate production 6 8', 'DeployProduction deploy production 7 8',
  ])
  const { what, attempt, first, retries, sha: commit, ref, build, digests, arn } = note(w, 'one')
  assert.deepEqual([what, attempt, first, retries, commit, ref], ['end', 1, 'one', '', sha, main])
  assert.deepEqual([build, digests, arn], ['arn:aws:ecs:eu-west-1:123456789012:task/Cluster/1', `builds=${'a'.repeat(64)}`, 'arn:aws:states:eu-west-1:123456789012:execution:Machine:one'])
  assert.deepEqual(Object.values(w.table['run#one']).map((v) => Object.keys(v)[0]).sort().join(''), 'N'.repeat(4) + 'S'.repeat(12))
})

test('a retry goes on from the stage that failed, wherever that is, and asks for approvals again', async () => {
  const all = ['Build', 'Test', 'lint', 'e2e', 'MigrateStaging', 'DeployStaging', 'MigrateProduction', 'DeployProduction']
  for (const [failing, from] of [['Build', 0], ['lint', 1], ['MigrateStaging', 4], ['DeployStaging', 5], ['MigrateProduction', 6], ['DeployProduction', 7]]) {
    const w = planned(example)
    w.ecs = fails(failing)
    assert.equal((await w.run(push(main), 'one')).status, 'FAILED', failing)
    cut(w)
    w.ecs = () => {}
    const { status } = await w.run(retry('one'), 'two', { started: '2026-11-23T08:10:00.000Z' })
    assert.equal(status, 'SUCCEEDED', `${failing}: ${JSON.stringify(failures(w))}`)
    assert.deepEqual(ran(w).sort(), all.slice(from).sort(), failing)
    assert.deepEqual(w.events.map((e) => [e.type, e.environment]), [['approval needed', 'production']], failing)
    const { attempt, first, retries, what } = note(w, 'two')
    assert.deepEqual([attempt, first, retries, what], [2, 'one', 'one', 'end'])
  }
})

test('a retry has the event, the plan, the builds and the rights of what it retries', async () => {
  const w = planned(example)
  w.ecs = fails('DeployStaging')
  await w.run(push(main), 'one')
  w.objects[`runs/main/${sha}/build/plan-manual.json`] = '{}'
  cut(w)
  w.ecs = () => {}
  await w.run(retry('one'), 'two')
  const { RUNNER_EVENT, RUNNER_ARTIFACT_DIGESTS, GITHUB_ACTOR } = w.tasks[0].environment
  assert.deepEqual([RUNNER_EVENT, RUNNER_ARTIFACT_DIGESTS, GITHUB_ACTOR], ['push', `builds=${'a'.repeat(64)}`, 'octocat'])
  assert.equal(w.table[`ref#acme/shop#${main}`].phase.S, 'delivering', 'a newer push does not stop it')
})

test('a retry that fails is retried from where it has failed, and counts on', async () => {
  const w = planned(example)
  w.ecs = fails('lint')
  await w.run(push(main), 'one')
  cut(w)
  w.ecs = fails('MigrateProduction')
  assert.equal((await w.run(retry('one'), 'two')).status, 'FAILED')
  assert.deepEqual(cut(w).length, 3 + 2 + 1)
  w.ecs = () => {}
  assert.equal((await w.run(retry('two'), 'three', { started: '2026-11-23T08:20:00.000Z' })).status, 'SUCCEEDED', JSON.stringify(failures(w)))
  assert.deepEqual(ran(w), ['MigrateProduction', 'DeployProduction'])
  const { attempt, first, retries } = note(w, 'three')
  assert.deepEqual([attempt, first, retries], [3, 'one', 'two'])
  assert.equal(w.tasks[0].environment.RUNNER_EVENT, 'push')
})

test('a retry of divided tests has shards of its own', async () => {
  const w = planned([{ jobs: [{ steps: ['e2e'], shards: 2 }] }])
  w.ecs = (family, n, e) => { if (e.RUNNER_SHARD === '1/2') throw ended(137) }
  await w.run(push('refs/heads/x'), 'one')
  cut(w)
  w.ecs = () => {}
  assert.equal((await w.run(retry('one', 'refs/heads/x'), 'two')).status, 'SUCCEEDED', JSON.stringify(failures(w)))
  assert.deepEqual([...new Set(w.tasks.map((t) => [t.definition, t.environment.RUNNER_SHARD_RUN].join(' ')))], ['BranchTest two'])
})

test('without a plan, for a tag, by hand and for the schedule a retry goes on as well', async () => {
  for (const [event, failing, want, ref = main] of [
    [push(main), 'DeployStaging', ['DeployStaging', 'MigrateProduction', 'DeployProduction']],
    [push('refs/tags/v1.2.3'), 'DeployProduction', ['DeployProduction'], 'refs/tags/v1.2.3'],
    [manual({ ref: main, after: sha, environment: 'staging' }), 'DeployStaging', ['DeployStaging']],
    [manual({ ref: main, after: sha }), 'Test', ['Test', 'MigrateStaging', 'DeployStaging', 'MigrateProduction', 'DeployProduction']],
    [{ source: 'ci.schedule', 'detail-type': 'schedule', detail: { version: '1', repository: 'acme/shop', ref: main, after: sha, steps: 'audit,lint' } }, 'lint', ['lint']],
  ]) {
    const w = new World()
    w.ecs = fails(failing)
    assert.equal((await w.run(event, 'one')).status, 'FAILED', failing)
    cut(w)
    w.ecs = () => {}
    assert.equal((await w.run(retry('one', ref), 'two', { started: '2026-11-23T08:10:00.000Z' })).status, 'SUCCEEDED', `${failing}: ${JSON.stringify(failures(w))}`)
    assert.deepEqual(ran(w), want)
  }
})

test('a retry of a pull request from a fork has the rights of a fork, and is approved again', async () => {
  const w = planned([jobs('test')], { ForkPullRequests: 'approve' })
  w.ecs = (family, n, e) => { if (e.PIPELINE_STEP === 'test') throw ended(1) }
  await w.run(pullRequest, 'one')
  cut(w)
  w.ecs = () => {}
  assert.equal((await w.run(retry('one', 'refs/pull/7/head'), 'two', { started: '2026-11-23T08:10:00.000Z' })).status, 'SUCCEEDED', JSON.stringify(failures(w)))
  assert.deepEqual(w.tasks.map((t) => [t.definition, t.environment.PIPELINE_STEP]), [['Fork', 'test']])
  assert.ok(w.table['answer#forks#two'], 'it has asked')
})

test('a retry that the records do not bear out is refused, and starts nothing', async () => {
  const failed = async (change = () => {}) => {
    const w = planned(example)
    w.ecs = fails('DeployStaging')
    await w.run(push(main), 'one')
    cut(w)
    w.ecs = () => {}
    change(w)
    return w
  }
  for (const [what, change, event, want] of [
    ['no such execution', undefined, retry('other'), /no execution other on record/],
    ['another commit', undefined, retry('one', main, { after: 'b'.repeat(40) }), /one is of refs\/heads\/main at 6dcb09b/],
    ['another ref', undefined, retry('one', 'refs/heads/x'), /one is of refs\/heads\/main/],
    ['an execution that has succeeded', (w) => { w.ends.one = 'SUCCEEDED' }, retry('one'), /has not failed: its status is SUCCEEDED/],
    ['an execution that still runs', (w) => { w.ends.one = 'RUNNING' }, retry('one'), /still runs: cancel it first/],
    ['another plan', (w) => { w.objects[`runs/main/${sha}/build/plan-push.json`] = JSON.stringify({ format: 1, event: 'push', branch: 'main', sha, stages: [jobs('build'), at('production', 'deploy')], skipped: [] }) }, retry('one'), /plan of 6dcb09b\w+ is not the one that one had/],
    ['a plan that is gone', (w) => { delete w.objects[`runs/main/${sha}/build/plan-push.json`] }, retry('one'), /is not the one that one had/],
    ['another build', (w) => { w.record({ BRANCH: 'main', GIT_SHA: sha, RUNNER_EVENT: 'push' }, 'arn:aws:ecs:eu-west-1:123456789012:task/Cluster/99', 'b'.repeat(64)) }, retry('one'), /newest record of build .* is not that of task/],
    ['the same build with other contents', (w) => { w.record({ BRANCH: 'main', GIT_SHA: sha, RUNNER_EVENT: 'push' }, w.table['run#one'].build.S, 'b'.repeat(64)) }, retry('one'), /what the build has published is not what one had/],
  ]) {
    const w = await failed(change)
    assert.equal((await w.run(event, 'two')).status, 'FAILED', what)
    assert.match(failures(w)[0][2], want, what)
    assert.equal(failures(w)[0][1], /another build/.test(what) ? 'OtherBuild' : 'RetryRefused', what)
    assert.equal(w.tasks.length, 0, what)
  }
})

test('only an event by hand retries, or runs a step alone', async () => {
  const w = new World()
  w.ecs = fails('Test')
  await w.run(push('refs/heads/x'), 'one')
  cut(w)
  w.ecs = () => {}
  assert.equal((await w.run(push('refs/heads/x', { retry: 'one', step: 'test', parallel: '2', delivery: 'other' }), 'two')).status, 'SUCCEEDED')
  assert.deepEqual(ran(w), ['Build', 'Test'])
})

test('a step is run alone, with the rights of its ref, and takes no turn', async () => {
  for (const [detail, want] of [
    [{ ref: main, step: 'e2e' }, ['Test:e2e']], [{ ref: 'refs/heads/x', step: 'build' }, ['BranchBuild:']], [{ ref: 'refs/heads/x', step: 'test' }, ['BranchTest:']],
    [{ ref: main, step: 'package' }, ['Build:package']], [{ ref: main, step: 'deploy', environment: 'staging' }, ['Deploy-staging:']],
    [{ ref: main, step: 'seed', environment: 'staging' }, ['Migrate-staging:seed']], [{ ref: main, step: 'smoke', environment: 'staging' }, ['Deploy-staging:smoke']],
  ]) {
    const w = planned(example, { OwnBuildSteps: ['package'], OwnMigrateSteps: ['seed'], OwnDeploySteps: ['smoke'] })
    assert.equal((await w.run(manual({ after: sha, ...detail }))).status, 'SUCCEEDED', JSON.stringify(failures(w)))
    assert.deepEqual(w.tasks.map((t) => `${t.definition}:${t.environment.PIPELINE_STEP ?? ''}`), want)
    assert.equal(w.table[`ref#acme/shop#${detail.ref}`], undefined)
  }
  const w = planned(example)
  await w.run(manual({ ref: main, after: sha, step: 'deploy', environment: 'production' }))
  assert.deepEqual([ran(w), w.events.map((e) => e.type)], [['DeployProduction'], ['approval needed']], 'an approval that is asked for is asked for')
})

test('a step alone can be divided', async () => {
  const w = planned(example)
  assert.equal((await w.run(manual({ ref: main, after: sha, step: 'e2e', parallel: '3' }), 'alone')).status, 'SUCCEEDED', JSON.stringify(failures(w)))
  assert.deepEqual(w.tasks.map((t) => [t.environment.RUNNER_SHARD, t.environment.RUNNER_SHARD_RUN, t.environment.RUNNER_SHARD_HISTORY].join(' ')).sort(), ['1/3 alone ', '2/3 alone ', '3/3 alone '])
})

test('a step that may not be run alone is refused by name', async () => {
  for (const [detail, want] of [
    [{ step: 'deploy' }, /deploy is no step that can be run alone: build, test, lint, e2e/], [{ step: 'rm' }, /rm is no step/],
    [{ step: 'e2e', environment: 'staging' }, /e2e is no step that can be run alone in staging: migrate, deploy/],
    [{ step: 'deploy', environment: 'nowhere' }, /nowhere is none of the environments/],
    [{ step: 'e2e', parallel: '41' }, /e2e cannot be divided among 41 tasks/], [{ step: 'e2e', parallel: '1' }, /among 1 tasks/], [{ step: 'e2e', parallel: 'x' }, /among x tasks/],
    [{ step: 'build', parallel: '2' }, /build cannot be divided/], [{ step: 'deploy', environment: 'staging', parallel: '2' }, /deploy cannot be divided/],
  ]) {
    const w = planned(example)
    assert.equal((await w.run(manual({ ref: main, after: sha, ...detail }))).status, 'FAILED', JSON.stringify(detail))
    assert.deepEqual([failures(w)[0][1], w.tasks.length], ['UnknownStep', 0])
    assert.match(failures(w)[0][2], want)
  }
})
