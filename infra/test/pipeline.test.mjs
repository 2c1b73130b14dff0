// The pipeline of runner.yaml: the plan that the build stores orders the stages, and this machine decides what they may reach.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { World, ended, push, sha } from './machine.mjs'
import { at, example, failures, jobs, main, manual, planned, pullRequest } from './plan.mjs'

const schedule = (steps) => ({ source: 'ci.schedule', 'detail-type': 'schedule', detail: { version: '1', repository: 'acme/shop', ref: main, after: sha, steps } })
const side = ['Test', 'lint', 'e2e'] // jobs side by side start in any order
const steps = (w) => {
  const all = w.tasks.map((t) => t.environment.PIPELINE_STEP ?? t.family), order = (i) => (side.includes(all[i]) ? all.findIndex((n) => side.includes(n)) + side.indexOf(all[i]) / 10 : i)
  return w.tasks.map((t, i) => [order(i), [all[i], t.definition].join(':')]).sort(([a], [b]) => a - b).map(([, text]) => text)
}

test('the order is that of the plan: side by side, by environment, after an approval', async () => {
  const w = planned(example)
  assert.equal((await w.run(push(main))).status, 'SUCCEEDED', JSON.stringify(failures(w)))
  assert.deepEqual(steps(w), ['Build:Build', 'Test:Test', 'lint:Test', 'e2e:Test', 'MigrateStaging:Migrate-staging', 'DeployStaging:Deploy-staging', 'MigrateProduction:Migrate-production', 'DeployProduction:Deploy-production'])
  assert.deepEqual(w.events.map((e) => e.type), ['approval needed'])
  assert.equal(w.table['ref#acme/shop#refs/heads/main'].phase.S, 'delivering')
  assert.equal(w.tasks.at(-1).environment.RUNNER_ARTIFACT_DIGESTS, `builds=${'a'.repeat(64)}`)
  assert.deepEqual([...new Set(w.tasks.map((t) => t.environment.RUNNER_EVENT))], ['push'])
  for (const { environment: e } of w.tasks) { // for the page of all runs, which shows what waits
    assert.deepEqual([e.RUNNER_ENVIRONMENTS, e.RUNNER_APPROVAL_ENVIRONMENTS], ['staging,production', 'production'])
  }
})

test('without a plan the order is as it was', async () => {
  const w = new World()
  await w.run(push(main))
  assert.deepEqual(steps(w).slice(0, 3), ['Build:Build', 'Test:Test', 'MigrateStaging:Migrate-staging'])
})

test('a plan without stages ends after the build', async () => {
  const w = planned([])
  assert.equal((await w.run(push(main))).status, 'SUCCEEDED')
  assert.deepEqual(steps(w), ['Build:Build'])
})

test('steps of one task run in it', async () => {
  const w = planned([jobs(['lint', 'test'])])
  assert.equal((await w.run(push('refs/heads/x'))).status, 'SUCCEEDED')
  assert.deepEqual(steps(w), ['Build:BranchBuild', 'lint,test:BranchTest'])
  assert.equal(w.tasks[1].group, 'ci:lint,test')
})

test('a branch, a schedule and a tag run the plan of their event', async () => {
  const branch = planned([jobs('test', 'lint')])
  assert.equal((await branch.run(push('refs/heads/x'))).status, 'SUCCEEDED')
  assert.deepEqual(steps(branch), ['Build:BranchBuild', 'Test:BranchTest', 'lint:BranchTest'])

  const nightly = planned([jobs('e2e')])
  assert.equal((await nightly.run(schedule('pipeline'))).status, 'SUCCEEDED', JSON.stringify(failures(nightly)))
  assert.deepEqual(steps(nightly), ['Build:Build', 'e2e:Test'])
  assert.equal(nightly.tasks[0].environment.RUNNER_EVENT, 'schedule')
  assert.equal(nightly.tasks[0].environment.RUNNER_ENVIRONMENTS, undefined)

  const tag = planned(example)
  await tag.run(push('refs/tags/v1.2.3'))
  assert.deepEqual(steps(tag), ['MigrateProduction:Migrate-production', 'DeployProduction:Deploy-production'], 'what was built of the commit is released')
})

test('a schedule of the pipeline delivers nothing by itself', async () => {
  const w = new World()
  assert.equal((await w.run(schedule('pipeline'))).status, 'SUCCEEDED')
  assert.deepEqual(steps(w), ['Build:Build'])
})

test('a pull request from a fork runs its own plan with its own rights', async () => {
  const w = planned([jobs('test', 'lint')], { ForkPullRequests: 'run' })
  assert.equal((await w.run(pullRequest)).status, 'SUCCEEDED', JSON.stringify(failures(w)))
  assert.deepEqual(w.tasks.map((t) => t.definition), ['Fork', 'Fork', 'Fork'])
  assert.deepEqual(w.tasks.map((t) => t.environment.PIPELINE_STEP).sort(), ['build', 'lint', 'test'])
})

test('what the plan may not ask for is refused by name, before anything of it runs', async () => {
  for (const [event, stages, more, want] of [
    [push('refs/heads/x'), [at('production', 'deploy')], {}, /the plan asks for production, which refs\/heads\/x does not reach/],
    [push('refs/heads/x'), [jobs('test'), { approval: 'production' }, at('production', 'deploy')], {}, /asks for production, which/],
    [push(main), [at('preview', 'deploy'), at('canary', 'deploy')], {}, /asks for preview, canary, which refs\/heads\/main does not reach/],
    [pullRequest, [at('staging', 'deploy')], { ForkPullRequests: 'run' }, /asks for staging, which refs\/pull\/7\/head does not reach/],
    [schedule('pipeline'), [at('nowhere', 'deploy')], {}, /asks for nowhere/],
    [push(main), [jobs('test', 'deploy-all')], {}, /steps that are not in OwnSteps: deploy-all/],
    [push(main), [jobs('test')], { plan: { sha: 'b'.repeat(40) } }, /not of this commit/],
    [push(main), [jobs('test')], { plan: { event: 'tag' } }, /not of this commit, event/],
    [push(main), [jobs('test')], { plan: { format: 2 } }, /format/],
    [push(main), [jobs('test')], { entry: [jobs('lint')] }, /does not begin with build/],
    [push(main), [jobs(...Array(41).fill('test'))], {}, /40 jobs side by side/],
    [push(main), Array(20).fill(jobs('test')), {}, /more than 20 stages/],
  ]) {
    const w = planned(stages, more)
    assert.equal((await w.run(event)).status, 'FAILED', String(want))
    assert.deepEqual(failures(w).map(([step, error]) => [step, error]), [['pipeline', 'PlanRefused']], String(want))
    assert.match(failures(w)[0][2], want)
    assert.equal(w.tasks.length, 1, String(want))
  }
})

test('an approval that the settings ask for cannot be left out of the plan', async () => {
  const w = planned([jobs('test'), at('staging', 'deploy'), at('production', 'deploy')])
  assert.equal((await w.run(push(main))).status, 'SUCCEEDED')
  assert.deepEqual(w.events.map((e) => [e.type, e.environment]), [['approval needed', 'production']])
  const late = planned([at('production', 'deploy'), { approval: 'production' }])
  assert.equal((await late.run(push(main))).status, 'SUCCEEDED')
  assert.deepEqual(late.events.map((e) => e.environment), ['production', 'production'], 'one that comes after it does not count')
})

test('a plan may ask for more approvals than the settings', async () => {
  const w = planned([{ approval: 'staging' }, at('staging', 'deploy')])
  assert.equal((await w.run(push(main))).status, 'SUCCEEDED')
  assert.deepEqual(w.events.map((e) => e.environment), ['staging'])
})

test('a failure at any place ends the pipeline there, after the jobs beside it', async () => {
  const all = ['Build', 'Test', 'lint', 'e2e', 'MigrateStaging', 'DeployStaging', 'MigrateProduction', 'DeployProduction']
  const started = { Build: 1, Test: 4, lint: 4, e2e: 4, MigrateStaging: 5, DeployStaging: 6, MigrateProduction: 7, DeployProduction: 8 }
  for (const failing of all) {
    const w = planned(example)
    w.ecs = (family, n, environment) => { if ((environment.PIPELINE_STEP ?? family) === failing) throw ended(1) }
    assert.equal((await w.run(push(main))).status, 'FAILED', failing)
    assert.equal(w.tasks.length, started[failing], failing)
    assert.equal(failures(w)[0][1], 'States.TaskFailed', failing)
  }
})

test('a delivery by hand has no plan', async () => {
  const w = planned(example)
  await w.run(manual({ ref: main, after: sha, environment: 'staging' }))
  assert.deepEqual(steps(w), ['MigrateStaging:Migrate-staging', 'DeployStaging:Deploy-staging'])
})

test('a plan of forty jobs runs them side by side', async () => {
  const names = Array.from({ length: 40 }, (_, i) => `s${i}`)
  const w = planned([jobs(...names)], { OwnSteps: names })
  let running = 0, most = 0
  w.ecs = async (family) => { if (family === 'Build') return; most = Math.max(most, ++running); await new Promise((r) => setImmediate(r)); running-- }
  assert.equal((await w.run(push(main))).status, 'SUCCEEDED', JSON.stringify(failures(w)))
  assert.equal(w.tasks.length, 41)
  assert.ok(most > 1, `${most} at once`)
})

test('the rest of a pipeline that was superseded is not run', async () => {
  const w = planned(example)
  w.ecs = (family) => { if (family === 'Build') w.table['ref#acme/shop#refs/heads/main'].execution.S = 'newer' }
  assert.equal((await w.run(push(main))).status, 'SUCCEEDED')
  assert.deepEqual(steps(w), ['Build:Build', 'Test:Test', 'lint:Test', 'e2e:Test'])
})
