// Steps that are divided among tasks: one task for each shard, then the verdict of the merged record.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ended, push } from './machine.mjs'
import { failures, jobs, main, planned, pullRequest } from './plan.mjs'

const split = (shards, more = {}) => ({ jobs: [{ steps: ['lint'] }, { steps: ['e2e'], shards, history: 'h1', ...more }] })
const shards = (w) => w.tasks.filter((t) => t.environment.RUNNER_SHARD).map((t) => t.environment.RUNNER_SHARD).sort()
const mergers = (w) => w.tasks.filter((t) => t.environment.RUNNER_MERGE_SHARDS)
const dies = (shard, error) => (_, n, environment) => { if (environment.RUNNER_SHARD === shard) throw error }

test('a divided step is a task for each shard, and its verdict that of the merged record', async () => {
  const w = planned([split(4), jobs('test')])
  assert.equal((await w.run(push(main), 'run-1')).status, 'SUCCEEDED', JSON.stringify(failures(w)))
  assert.deepEqual(shards(w), ['1/4', '2/4', '3/4', '4/4'])
  const one = w.tasks.find((t) => t.environment.RUNNER_SHARD === '2/4')
  assert.deepEqual([one.definition, one.group, one.input.Overrides.TaskRoleArn], ['Test', 'ci:e2e', 'arn:aws:iam::123456789012:role/ShardRole'])
  const { PIPELINE_STEP, RUNNER_SHARD_RUN, RUNNER_SHARD_HISTORY } = one.environment
  assert.deepEqual([PIPELINE_STEP, RUNNER_SHARD_RUN, RUNNER_SHARD_HISTORY], ['e2e', 'run-1', 'h1'])
  assert.deepEqual(mergers(w), [], 'the last shard has merged')
  assert.equal(w.tasks.at(-1).family, 'Test')
  const lint = w.tasks.find((t) => t.environment.PIPELINE_STEP === 'lint')
  assert.deepEqual([lint.environment.RUNNER_SHARD_RUN, lint.input.Overrides.TaskRoleArn], [undefined, undefined])
})

test('a shard whose task dies leaves nothing: a task merges what there is, and the shard is named', async () => {
  const w = planned([split(4), jobs('test')])
  w.ecs = dies('3/4', ended(137, { StoppedReason: 'OutOfMemoryError: Container killed due to memory usage' }))
  assert.equal((await w.run(push(main), 'run-1')).status, 'FAILED')
  assert.deepEqual(mergers(w).map((t) => [t.environment.PIPELINE_STEP, t.environment.RUNNER_MERGE_SHARDS, t.environment.RUNNER_SHARD_RUN, t.environment.RUNNER_SHARD]), [['e2e', '4', 'run-1', undefined]])
  assert.deepEqual(failures(w), [['e2e', 'States.TaskFailed', 'shard 3 of 4 left nothing (3/4: exit code 137: OutOfMemoryError: Container killed due to memory usage)']])
  assert.equal(w.tasks.filter((t) => t.family === 'Test' && t.environment.PIPELINE_STEP === undefined).length, 0, 'the next stage is not begun')
  assert.deepEqual(w.events.map((e) => e.type), ['pipeline failed'], 'the merged record has set the status')
})

test('a shard whose tests fail fails the step, not the shards beside it', async () => {
  const w = planned([split(4)])
  w.ecs = dies('1/4', ended(1))
  assert.equal((await w.run(push(main))).status, 'FAILED')
  assert.deepEqual([shards(w), mergers(w)], [['1/4', '2/4', '3/4', '4/4'], []])
  assert.deepEqual(failures(w), [['e2e', 'States.TaskFailed', 'shard 1 of 4 failed (1/4: exit code 1: Essential container in task exited)']])
})

test('shards that pass do not pass the step if they do not pass together', async () => {
  const w = planned([split(2)])
  w.merged = { passed: false, reason: 'results' }
  w.ecs = dies('2/2', ended(1)) // the last one exits with the verdict of the merge
  assert.equal((await w.run(push(main))).status, 'FAILED')
  assert.equal(failures(w)[0][0], 'e2e')
  const floor = planned([split(2)])
  floor.merged = { passed: false, reason: 'results' }
  assert.equal((await floor.run(push(main))).status, 'FAILED')
  assert.deepEqual(failures(floor), [['e2e', 'States.TaskFailed', 'the shards together: results']])
})

test('if the task that merges dies too, the step has failed, and the machine sets the status of the commit', async () => {
  const w = planned([split(2)])
  w.ecs = (_, n, e) => { if (e.RUNNER_SHARD === '2/2' || e.RUNNER_MERGE_SHARDS) throw ended(undefined, { StopCode: 'TaskFailedToStart', StoppedReason: 'CannotPullContainerError' }) }
  assert.equal((await w.run(push(main))).status, 'FAILED')
  const [[step, error, reason]] = failures(w)
  assert.deepEqual([step, error], ['e2e', 'NotMerged'])
  assert.match(reason, /^the shards were not merged: not started: CannotPullContainerError \(2\/2: not started: CannotPullContainerError\)$/)
  assert.deepEqual(w.events.filter((e) => e.type === 'commit status').map((e) => [e.context, e.state]), [['carlin-cicd/e2e', 'failure']])
})

test('a merged record of another number of shards does not count', async () => {
  const w = planned([split(2)])
  w.merged = { of: 3 }
  assert.equal((await w.run(push(main))).status, 'FAILED')
  assert.deepEqual([mergers(w).length, failures(w)[0][1]], [1, 'NotMerged'])
})

test('a merger that died is replaced by a task of its own, and the step passes', async () => {
  const w = planned([split(2)])
  const part = w.part
  w.part = (place, environment, passed) => { part.call(w, place, environment, passed); if (environment.RUNNER_SHARD) delete w.objects[`${place}/merged.json`] }
  assert.equal((await w.run(push(main))).status, 'SUCCEEDED', JSON.stringify(failures(w)))
  assert.equal(mergers(w).length, 1)
})

test('a shard that Spot interrupts runs again on demand, as any task does', async () => {
  const w = planned([split(3)])
  w.ecs = (_, n, e) => { if (e.RUNNER_SHARD === '2/3' && e.RUNNER_CAPACITY_PROVIDER === 'FARGATE_SPOT') throw ended(143, { StopCode: 'SpotInterruption', StoppedReason: 'Your Spot Task was interrupted.' }) }
  assert.equal((await w.run(push(main))).status, 'SUCCEEDED', JSON.stringify(failures(w)))
  assert.deepEqual([shards(w), mergers(w).length], [['1/3', '2/3', '2/3', '3/3'], 0])
  assert.equal(new Set(w.tasks.map((t) => t.token)).size, w.tasks.length, 'each task has a client token of its own')
})

test('two divided steps of a stage are merged one without the other', async () => {
  const w = planned([{ jobs: [{ steps: ['test'], shards: 2 }, { steps: ['e2e'], shards: 2 }] }])
  w.ecs = (family, n, e) => { if (e.PIPELINE_STEP === 'e2e' && e.RUNNER_SHARD === '1/2') throw ended(137) }
  assert.equal((await w.run(push(main))).status, 'FAILED')
  assert.deepEqual(mergers(w).map((t) => t.environment.PIPELINE_STEP), ['e2e'])
  assert.deepEqual(failures(w).map(([step]) => step), ['e2e'])
  assert.equal(w.tasks.find((t) => t.environment.RUNNER_SHARD && !t.environment.PIPELINE_STEP).environment.RUNNER_SHARD_HISTORY, '', 'a job without a history has an empty one')
})

test('shards of other branches have the rights of branches, those of forks the rights of forks', async () => {
  const branch = planned([split(2)])
  assert.equal((await branch.run(push('refs/heads/x'))).status, 'SUCCEEDED')
  assert.deepEqual(branch.tasks.filter((t) => t.environment.RUNNER_SHARD).map((t) => [t.definition, t.input.Overrides.TaskRoleArn.split('/')[1]]), Array(2).fill(['BranchTest', 'BranchShardRole']))
  const fork = planned([split(2)], { ForkPullRequests: 'run' })
  assert.equal((await fork.run(pullRequest)).status, 'SUCCEEDED', JSON.stringify(failures(fork)))
  assert.deepEqual(fork.tasks.filter((t) => t.environment.RUNNER_SHARD).map((t) => [t.definition, t.input.Overrides.TaskRoleArn]), Array(2).fill(['Fork', undefined]))
  const statuses = fork.events.filter((e) => e.type === 'commit status' && e.context === 'carlin-cicd/e2e')
  assert.deepEqual(statuses.map((e) => e.state), ['pending', 'success'], 'one status for all shards')
})

test('a plan of forty tasks runs them side by side, its shards counted', async () => {
  const w = planned([{ jobs: [{ steps: ['test'], shards: 20 }, { steps: ['e2e'], shards: 19 }, { steps: ['lint'] }] }])
  let running = 0, most = 0
  w.ecs = async (family) => { if (family === 'Build') return; most = Math.max(most, ++running); await new Promise((r) => setTimeout(r, 50)); running-- }
  const { status, states } = await w.run(push(main))
  assert.equal(status, 'SUCCEEDED', JSON.stringify(failures(w)))
  assert.deepEqual([w.tasks.length, shards(w).length], [41, 39])
  assert.ok(most > 30, `${most} at once`)
  assert.ok(states.largest < 64 << 10, `the largest state is ${states.largest} bytes, of 256 KiB`)
})

test('what cannot be divided is refused by name', async () => {
  for (const [stages, want] of [
    [[split(41)], /divides e2e among 41 tasks/],
    [[split(1)], /divides e2e among 1 tasks/],
    [[split(2.5)], /divides e2e among 2\.5 tasks/],
    [[split('4')], /divides e2e among 4 tasks/],
    [[{ jobs: [{ steps: ['lint', 'e2e'], shards: 2 }] }], /divides lint,e2e among/],
    [[{ jobs: [{ steps: ['package'], task: 'build', shards: 2 }] }], /divides package among/],
    [[{ jobs: [{ steps: ['test'], shards: 21 }, { steps: ['e2e'], shards: 20 }] }], /40 jobs side by side/],
    [Array(11).fill({ jobs: [{ steps: ['e2e'], shards: 40 }] }), /400 in all/],
  ]) {
    const w = planned(stages, { OwnBuildSteps: ['package'] })
    assert.equal((await w.run(push(main))).status, 'FAILED', String(want))
    assert.equal(failures(w)[0][1], 'PlanRefused', String(want))
    assert.match(failures(w)[0][2], want)
    assert.equal(w.tasks.length, 1)
  }
})

test('shards count as tasks for MaxConcurrentTasks', async () => {
  const w = planned([split(4)], { MaxConcurrentTasks: 2 })
  let running = 0, most = 0
  w.ecs = async () => { most = Math.max(most, ++running); await new Promise((r) => setTimeout(r, 20)); running-- }
  assert.equal((await w.run(push(main), 'one', { waits: { Queued: 25 } })).status, 'SUCCEEDED', JSON.stringify(failures(w)))
  assert.deepEqual([shards(w).length, most], [4, 2])
})
