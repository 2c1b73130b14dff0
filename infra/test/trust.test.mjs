// Whose code runs with which rights: the main branch, release tags, other branches, merge queues, pull requests from forks.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { World, Failed, ended, push, sha } from './machine.mjs'

const main = 'refs/heads/main'
const rights = (w) => w.tasks.map((t) => t.definition)
const statuses = (w) => w.events.filter((e) => e.type === 'commit status').map((e) => [e.context, e.state, e.sha])
const failures = (w) => w.events.filter((e) => e.type === 'pipeline failed')
const fork = (more = {}) => ({
  source: 'ci.github', 'detail-type': 'pull_request',
  detail: { version: '1', repository: 'acme/shop', action: 'opened', number: '5', ref: 'refs/heads/main', base: main, before: '', after: sha, fork: true, merged: false, sender: 'mallory', delivery: `d-${more.after ?? sha}`, ...more },
})

for (const [what, event, want, branch] of [
  ['the main branch', push(main), ['Build', 'Test'], 'main'],
  ['another branch', push('refs/heads/feature/a'), ['BranchBuild', 'BranchTest'], 'feature/a'],
  ['a branch whose name ends like the main one', push('refs/heads/feature/main'), ['BranchBuild', 'BranchTest'], 'feature/main'],
  ['a branch that is named like a release tag', push('refs/heads/v1.2.3'), ['BranchBuild', 'BranchTest'], 'heads/v1.2.3'],
  ['a branch that begins like a release tag', push('refs/heads/vue/a'), ['BranchBuild', 'BranchTest'], 'heads/vue/a'],
  ['a workflow that says it is the main branch', { ...push(main), 'detail-type': 'branch_push' }, ['BranchBuild', 'BranchTest'], 'main'],
  ['a merge queue', { ...push('refs/heads/gh-readonly-queue/main/pr-5-' + sha), 'detail-type': 'merge_group' }, ['BranchBuild', 'BranchTest'], 'gh-readonly-queue/main/pr-5-' + sha],
  ['the main branch by hand', { source: 'ci.manual', 'detail-type': 'manual', detail: { ref: main, after: sha } }, ['Build', 'Test'], 'main'],
]) {
  test(`${what} is built and tested as ${want.join(' and ')}`, async () => {
    const w = new World({ ApprovalEnvironments: ['none'] })
    assert.equal((await w.run(event)).status, 'SUCCEEDED')
    assert.deepEqual(rights(w).slice(0, 2), want)
    assert.equal(w.tasks[0].environment.BRANCH, branch)
    assert.equal(rights(w).length, want[0] === 'Build' ? 6 : 2, 'only the main branch is delivered')
  })
}

test('a pull request from a fork runs after an approval, with the rights of a fork', async () => {
  const asked = [], w = new World({ approve: (i) => { asked.push(i.Item.id.S) } })
  assert.equal((await w.run(fork())).status, 'SUCCEEDED')
  assert.deepEqual(asked, ['token#forks#one'])
  assert.deepEqual(rights(w), ['Fork', 'Fork'])
  assert.deepEqual(w.tasks.map((t) => [t.environment.PIPELINE_STEP, t.environment.BRANCH, t.environment.ARTIFACT_BUCKET, t.environment.GIT_SHA]),
    [['build', 'pr/5', 's3://artifacts/pr/5', sha], ['test', 'pr/5', 's3://artifacts/pr/5', sha]])
})

test('a fork never reaches an environment, whatever branch it names', async () => {
  const w = new World({ ForkPullRequests: 'run', ApprovalEnvironments: ['none'] })
  await w.run(fork({ ref: main, base: main, environment: '' }))
  assert.deepEqual(rights(w), ['Fork', 'Fork'])
})

// The rules match what an event must have, and workflows of any branch add what they like to it.
for (const [what, event, want] of [
  ['a workflow of a branch', { ...push('refs/heads/feature/a', { environment: 'staging', force: true }), 'detail-type': 'branch_push' }, ['BranchBuild', 'BranchTest']],
  ['a merge queue', { ...push('refs/heads/gh-readonly-queue/main/pr-5-' + sha, { environment: 'staging', force: true }), 'detail-type': 'merge_group' }, ['BranchBuild', 'BranchTest']],
  ['a pull request from a fork', fork({ environment: 'staging', force: true }), ['Fork', 'Fork']],
  ['a push to the main branch', push(main, { environment: 'production', force: true }), ['Build', 'Test']],
]) {
  test(`${what} cannot ask for an environment, nor force`, async () => {
    const w = new World({ ForkPullRequests: 'run', ApprovalEnvironments: ['none'] })
    await w.run(event)
    assert.deepEqual(rights(w).slice(0, 2), want)
    assert.deepEqual([...new Set(w.tasks.map((t) => t.environment.RUNNER_FORCE))], [''])
    assert.equal(w.tasks.length, want[0] === 'Build' ? 6 : 2)
  })
}

test('an event that names another repository counts for this one', async () => {
  const w = new World()
  await w.run({ source: 'ci.manual', 'detail-type': 'manual', detail: { repository: 'acme/other', ref: 'refs/heads/x', after: sha } })
  assert.deepEqual(Object.keys(w.table), ['ref#acme/shop#refs/heads/x', 'run#one'])
})

test('pull requests from forks run at once where that is wanted', async () => {
  const w = new World({ ForkPullRequests: 'run', approve: () => assert.fail('no approval is needed') })
  assert.equal((await w.run(fork())).status, 'SUCCEEDED')
  assert.deepEqual(rights(w), ['Fork', 'Fork'])
})

test('the statuses of a fork come from the machine, since its tasks have no token', async () => {
  const w = new World({ ForkPullRequests: 'run' })
  await w.run(fork())
  assert.deepEqual(statuses(w), [
    ['carlin-cicd/build', 'pending', sha], ['carlin-cicd/build', 'success', sha], ['carlin-cicd/test', 'pending', sha], ['carlin-cicd/test', 'success', sha],
  ])
  const red = new World({ ForkPullRequests: 'run', ecs: (f) => { if (f === 'Test') throw ended(1) } })
  assert.equal((await red.run(fork())).status, 'FAILED')
  assert.deepEqual(statuses(red).at(-1), ['carlin-cicd/test', 'failure', sha])
})

test('a fork that is rejected or not approved in time is no failure of the pipeline', async () => {
  for (const [timeout, approve] of [[60, () => { throw new Failed('Rejected', 'by octocat') }], [1, () => new Promise((r) => setTimeout(r, 3000).unref())]]) {
    const w = new World({ ApprovalTimeout: timeout, approve })
    assert.equal((await w.run(fork())).status, 'SUCCEEDED')
    assert.deepEqual([failures(w), w.tasks], [[], []])
  }
})

test('a push to the pull request of a fork ends the approval that waits for the older one', async () => {
  const newer = 'b'.repeat(40)
  const w = new World({ ApprovalTimeout: 5, approve: (i) => (i.Item.sha.S === newer ? undefined : new Promise((r) => setTimeout(r, 6000).unref())) })
  const first = w.run(fork(), 'one', { started: '2026-11-23T08:00:01.000Z' })
  await new Promise((r) => setTimeout(r, 200))
  await w.run(fork({ action: 'synchronize', before: sha, after: newer }), 'two', { started: '2026-11-23T08:00:02.000Z' })
  await first
  assert.deepEqual(w.tasks.map((t) => t.environment.GIT_SHA), [newer, newer])
  assert.deepEqual(failures(w), [])
})

test('two forks, and a branch of the same name, do not supersede each other', async () => {
  const w = new World({ ForkPullRequests: 'run' })
  await Promise.all([w.run(fork(), 'one'), w.run(fork({ number: '6', delivery: 'd6' }), 'two'), w.run(push('refs/heads/pr/5'), 'three')])
  assert.deepEqual([w.stopped, w.tasks.length], [[], 6])
})

// A check that GitHub requires would wait for ever for the status of a task that never started.
for (const [what, error, description] of [
  ['an image that cannot be pulled', ended(undefined, { StopCode: 'TaskFailedToStart', StoppedReason: 'CannotPullContainerError: "ci/runner" not found' }), 'not started: CannotPullContainerError: "ci/runner" not found'],
  ['a RunTask that is refused', new Failed('ECS.AccessDeniedException', 'not authorized to perform: ecs:RunTask'), 'ECS.AccessDeniedException: not authorized to perform: ecs:RunTask'],
]) {
  test(`${what} is the status of the commit, and the message`, async () => {
    const w = new World({ ecs: (f) => { if (f === 'Test') throw error } })
    assert.equal((await w.run(push(main))).status, 'FAILED')
    assert.deepEqual(statuses(w), [['carlin-cicd/test', 'error', sha]])
    assert.equal(w.events.find((e) => e.type === 'commit status').description, description)
    assert.equal(failures(w)[0].reason, description)
  })
}

// A runner that is killed leaves its commit pending. Whether it was, or its command, is known by its record.
for (const [what, step, error, record, want] of [
  ['whose runner was killed', 'test', ended(137, { TaskArn: 'arn:task/2' }), undefined, [['carlin-cicd/test', 'failure', sha]]],
  ['whose runner was killed after an earlier run of the step', 'test', ended(137, { TaskArn: 'arn:task/2' }), { task: 'arn:task/1' }, [['carlin-cicd/test', 'failure', sha]]],
  ['that was stopped by the machine', 'test', new Failed('States.Timeout', ''), { task: 'arn:task/1' }, [['carlin-cicd/test', 'failure', sha]]],
  ['of an environment, whose runner was killed', 'deploy@staging', ended(137, { TaskArn: 'arn:task/2' }), undefined, [['carlin-cicd/deploy-staging', 'failure', sha]]],
  ['whose command was killed', 'test', ended(137, { TaskArn: 'arn:task/2' }), { task: 'arn:task/2' }, []],
  ['of an environment, whose command was killed', 'deploy@staging', ended(137, { TaskArn: 'arn:task/2' }), { task: 'arn:task/2' }, []],
  ['that failed', 'test', ended(1, { TaskArn: 'arn:task/2' }), undefined, []],
]) {
  test(`a task ${what} leaves no pending status`, async () => {
    const w = new World({ ecs: (f) => { if (f === { test: 'Test', 'deploy@staging': 'DeployStaging' }[step]) throw error } })
    if (record) w.objects[`runs/main/${sha}/${step}/latest.json`] = JSON.stringify({ run_id: 'r', passed: false, ...record })
    assert.equal((await w.run(push(main))).status, 'FAILED')
    assert.deepEqual(statuses(w), want)
  })
}

test('a step that failed has set its status by itself', async () => {
  const w = new World({ ecs: (f) => { if (f === 'DeployStaging') throw ended(1) } })
  await w.run(push(main))
  assert.deepEqual(statuses(w), [])
})

test('a status names the environment as the runner does, and is short enough for GitHub', async () => {
  const w = new World({ ecs: (f) => { if (f === 'DeployStaging') throw ended(undefined, { StopCode: 'TaskFailedToStart', StoppedReason: 'x'.repeat(500) }) } })
  await w.run(push(main))
  assert.deepEqual(statuses(w), [['carlin-cicd/deploy-staging', 'error', sha]])
  assert.equal(w.events.find((e) => e.type === 'commit status').description.length, 140)
})
