// What a plan says of the task of a job: kind, size, Spot, timeout. The template bounds all of them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ended, push } from './machine.mjs'
import { at, failures, main, planned, pullRequest } from './plan.mjs'

const job = (more, name = 'e2e') => ({ jobs: [{ steps: [name].flat(), ...more }] })
const placed = (environment, step, more) => ({ ...at(environment, step), settings: { [step]: more } })
const own = { OwnBuildSteps: ['package'], OwnMigrateSteps: ['seed'], OwnDeploySteps: ['smoke'], ApprovalEnvironments: ['none'] }
const overrides = (t) => ({ Cpu: t.input.Overrides.Cpu, Memory: t.input.Overrides.Memory, container: t.input.Overrides.ContainerOverrides[0].Memory })

test('the size of a step is that of its task and of its container', async () => {
  const w = planned([job({ cpu: '2048', memory: '8192' }), placed('staging', 'deploy', { cpu: '512', memory: '1024' })], own)
  assert.equal((await w.run(push(main))).status, 'SUCCEEDED', JSON.stringify(failures(w)))
  assert.deepEqual(w.tasks.map(overrides), [
    { Cpu: undefined, Memory: undefined, container: undefined }, { Cpu: '2048', Memory: '8192', container: 8192 }, { Cpu: '512', Memory: '1024', container: 1024 },
  ])
})

test('each shard, and what merges them, has the size of the step', async () => {
  const w = planned([job({ shards: 2, cpu: '1024', memory: '4096', timeoutSeconds: 60, spot: false })])
  w.ecs = (_, n, e) => { if (e.RUNNER_SHARD === '1/2') throw ended(137) }
  await w.run(push('refs/heads/x'))
  const all = w.tasks.slice(1)
  assert.deepEqual([all.length, ...new Set(all.map((t) => [t.input.Overrides.Memory, t.provider, t.environment.RUNNER_TIMEOUT].join(' ')))], [3, '4096 FARGATE 0s'])
})

test('a step runs on Spot if it asks for it and the template has it', async () => {
  const stages = [job({ spot: false }), job({ spot: true }, 'lint')]
  const w = planned(stages)
  await w.run(push(main))
  assert.deepEqual(w.tasks.slice(0, 3).map((t) => t.provider), ['FARGATE_SPOT', 'FARGATE', 'FARGATE_SPOT'])
  const onDemand = planned(stages, { UseSpot: 'false' })
  await onDemand.run(push(main))
  assert.deepEqual([...new Set(onDemand.tasks.map((t) => t.provider))], ['FARGATE'])
})

test('a timeout is that of the step, which the runner reads, with room for its task', async () => {
  const w = planned([job({ timeoutSeconds: 5400 }), job({}, 'lint')]), seen = []
  await w.run(push(main), 'one', { timeouts: seen })
  assert.deepEqual(w.tasks.map((t) => t.environment.RUNNER_TIMEOUT), [undefined, '0s', undefined])
  assert.deepEqual(seen, [6000, 9600, 6000])
})

test('the kind of a task is that of the list that names the step', async () => {
  const w = planned([job({ task: 'build' }, 'package'), job({ task: 'test' }), placed('staging', 'seed', { task: 'migrate' }), placed('staging', 'smoke', { task: 'deploy' }), at('production', 'seed', 'smoke')], own)
  assert.equal((await w.run(push(main))).status, 'SUCCEEDED', JSON.stringify(failures(w)))
  assert.deepEqual(w.tasks.map((t) => `${t.definition}:${t.environment.PIPELINE_STEP ?? ''}`), ['Build:', 'Build:package', 'Test:e2e', 'Migrate-staging:seed', 'Deploy-staging:smoke', 'Migrate-production:seed', 'Deploy-production:smoke'])
})

test('in a pull request from a fork each step has the rights of a fork, whatever kind it asks for', async () => {
  const w = planned([job({ task: 'build', cpu: '2048', memory: '8192' }, 'anything')], { ForkPullRequests: 'run' })
  assert.equal((await w.run(pullRequest)).status, 'SUCCEEDED', JSON.stringify(failures(w)))
  assert.deepEqual(w.tasks.map((t) => [t.definition, t.input.Overrides.Cpu]), [['Fork', undefined], ['Fork', '2048']])
})

test('what the template does not allow is refused by name, before anything of the plan runs', async () => {
  for (const [stage, want, event = push(main), given = {}] of [
    [job({ cpu: '8192', memory: '16384' }), /above LargestSize, 4-30, for e2e: 8192 units of CPU, 16384 MiB/],
    [job({ cpu: '2048', memory: '8192' }), /above LargestSize, 2-4, for e2e/, push(main), { LargestSize: '2-4' }],
    [job({ cpu: '2048', memory: '2048' }), /a size that Fargate does not have .* for e2e/], [job({ cpu: '256', memory: '1536' }), /does not have/], [job({ cpu: '3000', memory: '8192' }), /does not have/],
    [job({ cpu: '1024', memory: '2500' }), /does not have/], [job({ cpu: '1024' }), /does not have/], [job({ memory: '2048' }), /does not have/], [job({ cpu: '1e9', memory: '2048' }), /does not have/],
    [placed('staging', 'deploy', { cpu: '16384', memory: '32768' }), /LargestSize, 4-30, for deploy staging/],
    [job({ timeoutSeconds: 14401 }), /asks for 14401 seconds for e2e: LongestTimeout is 240 minutes/], [job({ timeoutSeconds: 0 }), /0 seconds/], [job({ timeoutSeconds: '60' }), /60 seconds/],
    [placed('staging', 'deploy', { timeoutSeconds: 601 }), /601 seconds for deploy staging: LongestTimeout is 10 minutes/, push(main), { LongestTimeout: 10 }],
    [placed('staging', 'migrate', { spot: true }), /asks for Spot for migrate staging: tasks of environments run on demand/],
    [job({ task: 'deploy' }), /the task of deploy for e2e, outside of an environment/], [job({ task: 'root' }), /the task of root for e2e/],
    [job({ task: 'migrate' }, 'anything'), /the task of migrate for anything/, pullRequest, { ForkPullRequests: 'run' }],
    [placed('staging', 'smoke', { task: 'test' }), /the task of test for smoke staging, which has only those of migrate and deploy/],
    [placed('staging', 'smoke', { task: 'migrate' }), /steps that are not in OwnMigrateSteps: smoke/], [placed('staging', 'deploy', { task: 'migrate' }), /not in OwnMigrateSteps: deploy/],
    [job({ task: 'build' }), /steps that are not in OwnBuildSteps: e2e/], [job({ task: 'test' }, 'package'), /not in OwnSteps: package/], [job({}, ['lint', 'e2e', 'x', 'y']), /not in OwnSteps: x, y/],
    [at('staging', 'rm'), /steps that are not in OwnDeploySteps: rm/], [job({}, 'build'), /not in OwnSteps: build/],
  ]) {
    const w = planned([stage], { ...own, ...given })
    assert.equal((await w.run(event)).status, 'FAILED', String(want))
    assert.equal(failures(w)[0][1], 'PlanRefused', String(want))
    assert.match(failures(w)[0][2], want)
    assert.equal(w.tasks.length, 1, String(want))
  }
})

test('every size of Fargate up to the largest is taken', async () => {
  for (const [cpu, memory] of [[256, 512], [256, 2048], [512, 1024], [512, 4096], [1024, 2048], [1024, 3072], [2048, 5120], [2048, 16384], [4096, 8192], [4096, 30720], [8192, 16384], [8192, 61440], [16384, 32768], [16384, 122880]]) {
    const w = planned([job({ cpu: String(cpu), memory: String(memory) })], { LargestSize: '16-120', UseSpot: 'false' })
    assert.equal((await w.run(push('refs/heads/x'))).status, 'SUCCEEDED', `${cpu} ${memory}: ${JSON.stringify(failures(w))}`)
  }
})
