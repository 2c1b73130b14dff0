// Where a task runs and when: Spot and on demand, the account's quotas, MaxConcurrentTasks.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { World, Failed, ended, push } from './machine.mjs'

const main = 'refs/heads/main'
const names = (w) => w.tasks.map((t) => t.family)
const failure = (w) => w.events.find((e) => e.type === 'pipeline failed')
const unavailable = 'Capacity is unavailable at this time. Please try again later or in a different availability zone'
const quota = "You've reached the limit on the number of vCPUs you can run concurrently"
const interrupted = () => ended(143, { StopCode: 'SpotInterruption', StoppedReason: 'Your Spot Task was interrupted.' })
const pause = (ms) => new Promise((r) => setTimeout(r, ms))

test('migrations and deploys never run on Spot', async () => {
  const w = new World()
  await w.run(push(main))
  assert.deepEqual(w.tasks.map((t) => t.provider), ['FARGATE_SPOT', 'FARGATE_SPOT', 'FARGATE', 'FARGATE', 'FARGATE', 'FARGATE'])
  for (const t of w.tasks) assert.deepEqual(t.strategy, [{ CapacityProvider: t.provider, Weight: 1 }], 'ECS needs a weight above zero')
})

for (const [what, error] of [
  ['has no capacity', new Failed('AmazonECS.Unknown', unavailable)],
  ['has no capacity, as an exception', new Failed('ECS.AmazonECSException', unavailable)],
  ['turns out to have no capacity', ended(undefined, { StopCode: 'TaskFailedToStart', StoppedReason: unavailable })],
  ['interrupts it', interrupted()],
]) {
  test(`a test runs on demand when Spot ${what}`, async () => {
    const w = new World({ ecs: (f) => { if (f === 'Test' && w.tasks.at(-1).provider === 'FARGATE_SPOT') throw error } })
    assert.equal((await w.run(push('refs/heads/x'))).status, 'SUCCEEDED')
    assert.deepEqual([names(w).at(-1), w.tasks.at(-1).provider], ['Test', 'FARGATE'])
    assert.equal(names(w).filter((n) => n === 'Build').length, 1)
    assert.equal(failure(w), undefined)
  })
}

test('build and test know their capacity, the others run on demand', async () => {
  const seen = (w) => w.tasks.map((t) => [t.family, t.provider, t.environment.RUNNER_CAPACITY_PROVIDER ?? ''])
  const w = new World({ ecs: (f) => { if (f === 'Test' && w.tasks.at(-1).provider === 'FARGATE_SPOT') throw interrupted() } })
  assert.equal((await w.run(push(main))).status, 'SUCCEEDED')
  assert.deepEqual(seen(w), [
    ['Build', 'FARGATE_SPOT', 'FARGATE_SPOT'], ['Test', 'FARGATE_SPOT', 'FARGATE_SPOT'], ['Test', 'FARGATE', 'FARGATE'],
    ['MigrateStaging', 'FARGATE', ''], ['DeployStaging', 'FARGATE', ''], ['MigrateProduction', 'FARGATE', ''], ['DeployProduction', 'FARGATE', ''],
  ])
  const onDemand = new World({ UseSpot: 'false' })
  await onDemand.run(push('refs/heads/x'))
  assert.deepEqual(seen(onDemand), [['Build', 'FARGATE', 'FARGATE'], ['Test', 'FARGATE', 'FARGATE']])
})

test('a build waits at the vCPU quota', async () => {
  const w = new World({ ecs: (f, n) => { if (f === 'Build' && n <= 9) throw new Failed('AmazonECS.Unknown', quota) } })
  const { status, visited } = await w.run(push(main))
  assert.equal(status, 'SUCCEEDED')
  assert.deepEqual(w.tasks.filter((t) => t.family === 'Build').map((t) => t.provider), [...Array(4).fill('FARGATE_SPOT'), ...Array(4).fill('FARGATE'), ...Array(2).fill('FARGATE_SPOT')])
  assert.ok(visited.includes('RunTask'))
})

for (const [what, error, cause] of [
  ['at the vCPU quota', 'AmazonECS.Unknown', quota],
  ['without capacity', 'ECS.AmazonECSException', unavailable],
  ['while RunTask is throttled', 'ECS.AmazonECSException', 'Rate exceeded. (Service: AmazonECS; Status Code: 400; Error Code: ThrottlingException)'],
  ['while EC2 is throttled', 'ECS.InvalidParameterException', 'Error retrieving subnet information for [subnet-a]: Request limit exceeded. (ErrorCode: RequestLimitExceeded)'],
]) {
  test(`a deploy waits ${what}, and each wait has a client token of its own`, async () => {
    const w = new World({ ecs: (f, n) => { if (f === 'DeployStaging' && n <= 6) throw new Failed(error, cause) } })
    assert.equal((await w.run(push(main))).status, 'SUCCEEDED')
    const tokens = w.tasks.filter((t) => t.family === 'DeployStaging').map((t) => t.token)
    assert.deepEqual([tokens.length, new Set(tokens).size, new Set(tokens.slice(0, 4)).size], [7, 2, 1])
  })
}

test('a migration whose task never started for want of capacity is started again', async () => {
  const w = new World({ ecs: (f, n) => { if (f === 'MigrateStaging' && n <= 2) throw ended(undefined, { StopCode: 'TaskFailedToStart', StoppedReason: 'Timeout waiting for network interface provisioning to complete.' }) } })
  assert.equal((await w.run(push(main))).status, 'SUCCEEDED')
  assert.equal(names(w).filter((n) => n === 'MigrateStaging').length, 3)
})

test('the wait ends after QueueTimeout, and the message says for how long', async () => {
  const w = new World({ QueueTimeout: 200, ecs: (f) => { if (f === 'MigrateStaging') throw new Failed('AmazonECS.Unknown', unavailable) } })
  assert.equal((await w.run(push(main))).status, 'FAILED')
  assert.equal(names(w).filter((n) => n === 'MigrateStaging').length, 4 * 4, 'four tries, and after 30, 60 and 120 seconds four more each')
  assert.equal(failure(w).reason, `queued for 210 seconds: AmazonECS.Unknown: ${unavailable}`)
})

test('pauses of the queue grow to five minutes', async () => {
  const pauses = []
  const w = new World({ ecs: (f) => { if (f === 'MigrateStaging') throw new Failed('AmazonECS.Unknown', unavailable) } })
  const requeue = w.definition.States.Tasks.ItemProcessor.States.Requeue
  const { evaluate } = await import('./machine.mjs')
  for (let state = { pause: 30, waited: 0, preferred: 'FARGATE' }; state.waited < 3600;) { pauses.push(state.pause); state = await evaluate(requeue.Output, { input: state }) }
  assert.deepEqual(pauses.slice(0, 6), [30, 60, 120, 240, 300, 300])
  assert.equal(pauses.reduce((a, b) => a + b), 3750, 'an hour, and what the last pause adds')
})

test('other refusals of RunTask are not waited for', async () => {
  const w = new World({ ecs: (f) => { if (f === 'MigrateStaging') throw new Failed('ECS.InvalidParameterException', 'The subnet ID subnet-a does not exist') } })
  assert.equal((await w.run(push(main))).status, 'FAILED')
  assert.equal(names(w).filter((n) => n === 'MigrateStaging').length, 4)
  assert.equal(failure(w).reason, 'ECS.InvalidParameterException: The subnet ID subnet-a does not exist')
})

// A slot is held while a task runs.
const held = (w) => Object.keys(w.table['tasks#acme/shop']?.held.M ?? {})
test('MaxConcurrentTasks bounds the tasks of a pipeline, and all run in the end', async () => {
  let running = 0, most = 0
  const w = new World({ MaxConcurrentTasks: 2, ecs: async () => { most = Math.max(most, ++running); await pause(30); running-- } })
  const ends = await Promise.all([1, 2, 3, 4, 5].map((n) => w.run(push(`refs/heads/x${n}`), `run${n}`, { waits: { Queued: 20, SlotTaken: 5 } })))
  assert.deepEqual(ends.map((r) => r.status), Array(5).fill('SUCCEEDED'))
  assert.deepEqual([w.tasks.length, most, held(w)], [10, 2, []])
})

test('a task that fails gives its slot back, one that waits for capacity too', async () => {
  const seen = []
  const w = new World({ MaxConcurrentTasks: 1, ecs: (f, n) => { seen.push(held(w).length); if (f === 'Build' && n <= 9) throw new Failed('AmazonECS.Unknown', quota); if (f === 'Test') throw ended(1) } })
  await w.run(push('refs/heads/x'))
  assert.deepEqual([...new Set(seen)], [1])
  assert.deepEqual(held(w), [])
})

test('the slot of an execution that was stopped ends with its time, and at once for the one that superseded it', async () => {
  const other = new World({ MaxConcurrentTasks: 1, QueueTimeout: 30 })
  const slot = (expires) => { other.table['tasks#acme/shop'] = { id: { S: 'tasks#acme/shop' }, version: { N: '7' }, held: { M: { 'gone/3.0': { N: String(expires) } } } } }
  slot(Math.floor(Date.now() / 1000) + 3600)
  assert.equal((await other.run(push('refs/heads/x'), 'one')).status, 'FAILED')
  assert.equal(failure(other).reason, 'queued for 30 seconds: MaxConcurrentTasks are running')
  slot(Math.floor(Date.now() / 1000) - 1)
  assert.equal((await other.run(push('refs/heads/y'), 'two')).status, 'SUCCEEDED')

  let begun
  const started = new Promise((r) => { begun = r })
  const w = new World({ MaxConcurrentTasks: 1, QueueTimeout: 30, ecs: async (f, n) => { if (f === 'Build' && n === 1) { begun(); await pause(200) } } })
  const first = w.run(push('refs/heads/x'), 'one')
  await started
  assert.equal((await w.run(push('refs/heads/x', { after: 'b'.repeat(40) }), 'two')).status, 'SUCCEEDED')
  assert.equal((await first).status, 'ABORTED')
})

test('a counter that cannot be read or written holds no task up', async () => {
  for (const broken of ['get', 'put']) {
    const w = new World({ MaxConcurrentTasks: 1 }), right = w[broken].bind(w)
    w[broken] = (input, ...rest) => { if ((input.Key?.id.S ?? input.Item.id.S).startsWith('tasks#')) throw new Failed('DynamoDB.InternalServerErrorException', 'later'); return right(input, ...rest) }
    assert.equal((await w.run(push('refs/heads/x'))).status, 'SUCCEEDED')
  }
})
