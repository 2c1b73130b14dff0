// The machine of cicd.yaml, valid and run: every way an event can take through it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import validator from 'asl-validator'
import { World, Failed, definition, ended, push, sha } from './machine.mjs'

const names = (w) => w.tasks.map((t) => t.family)
const main = 'refs/heads/main'
const newer = 'b'.repeat(40)
const delivery = ['Build', 'Test', 'MigrateStaging', 'DeployStaging', 'MigrateProduction', 'DeployProduction']
const failure = (w) => w.events.find((e) => e.type === 'pipeline failed')

test('the definition is valid, and every state can be reached', () => {
  const { isValid, errorsText } = validator(definition())
  assert.ok(isValid, isValid || errorsText())
})

test('the validator sees a transition to nowhere', () => {
  const broken = definition()
  broken.States.Build.Next = 'Nowhere'
  assert.equal(validator(broken).isValid, false)
})

test('a push to main goes to staging and, once approved, to production', async () => {
  const w = new World()
  assert.equal((await w.run(push(main))).status, 'SUCCEEDED')
  assert.deepEqual(names(w), delivery)
  assert.deepEqual(w.tasks.map((t) => t.group), ['ci:build', 'ci:test', 'ci:migrate', 'ci:deploy', 'ci:migrate', 'ci:deploy'])
  assert.deepEqual(w.events.map((e) => e.type), ['approval needed'])
  const approval = w.table['approval#one']
  assert.deepEqual(Object.fromEntries(Object.entries(approval).map(([k, v]) => [k, Object.keys(v)[0]])),
    { id: 'S', token: 'S', sha: 'S', repository: 'S', ref: 'S', environment: 'S', since: 'S', expires: 'N' })
  assert.ok(!JSON.stringify(w.events).includes('token of'), 'the token must not leave the table')
})

test('a task gets the branch, the commit and the network', async () => {
  const w = new World()
  await w.run(push('refs/heads/feature/a/b'))
  assert.deepEqual(w.tasks[0].environment, {
    BRANCH: 'feature/a/b', GIT_SHA: sha, RUNNER_FORCE: '', GITHUB_ACTOR: 'octocat', GITHUB_REPOSITORY: 'acme/shop', REPOSITORY_URL: 'https://github.com/acme/shop.git',
    RUNNER_CAPACITY_PROVIDER: 'FARGATE_SPOT',
  })
  const nobody = new World(), { sender, ...detail } = push('refs/heads/x').detail
  assert.equal((await nobody.run({ ...push('refs/heads/x'), detail })).status, 'SUCCEEDED', `without ${sender}`)
  assert.equal(nobody.tasks[0].environment.GITHUB_ACTOR, '')
  assert.deepEqual(w.tasks[0].network.AwsvpcConfiguration, { Subnets: ['subnet-a', 'subnet-b'], SecurityGroups: ['sg-1'], AssignPublicIp: 'ENABLED' })
})

test('a push to another branch is built and tested', async () => {
  const w = new World()
  assert.equal((await w.run(push('refs/heads/feature/x'))).status, 'SUCCEEDED')
  assert.deepEqual(names(w), ['Build', 'Test'])
})

test('a tag is released, after an approval', async () => {
  const w = new World()
  assert.equal((await w.run(push('refs/tags/v1.2.3'))).status, 'SUCCEEDED')
  assert.deepEqual(names(w), ['MigrateProduction', 'DeployProduction'])
  assert.equal(w.tasks[0].environment.BRANCH, 'v1.2.3')
  assert.equal(w.events[0].type, 'approval needed')
})

test('a tag is released at once where that is wanted', async () => {
  const w = new World({ ReleaseApproval: 'false', approve: () => assert.fail('nobody is to be asked') })
  assert.equal((await w.run(push('refs/tags/v1.2.3'))).status, 'SUCCEEDED')
  assert.deepEqual(names(w), ['MigrateProduction', 'DeployProduction'])
})

test('by hand a ref and a commit are enough', async () => {
  const w = new World()
  await w.run({ id: 'e', source: 'ci.manual', 'detail-type': 'manual', detail: { ref: 'refs/heads/fix', after: sha } })
  assert.deepEqual(names(w), ['Build', 'Test'])
  assert.ok(w.table['ref#acme/shop#refs/heads/fix'])
})

test('by hand one environment can be asked for', async () => {
  const by = (environment) => ({ id: 'e', source: 'ci.manual', 'detail-type': 'manual', detail: { ref: main, after: sha, environment, force: 'true' } })
  const staging = new World(), production = new World()
  await staging.run(by('staging'))
  assert.deepEqual(names(staging), ['MigrateStaging', 'DeployStaging'])
  assert.equal(staging.tasks[0].environment.RUNNER_FORCE, 'true')
  await production.run(by('production'))
  assert.deepEqual(names(production), ['MigrateProduction', 'DeployProduction'])
  assert.equal(production.events[0].type, 'approval needed')
})

test('the schedule runs its own steps, in order, with the rights of test', async () => {
  const w = new World()
  const event = { source: 'ci.schedule', 'detail-type': 'schedule', detail: { version: '1', repository: 'acme/shop', ref: main, after: '', steps: 'audit,e2e' } }
  assert.equal((await w.run(event)).status, 'SUCCEEDED')
  assert.deepEqual(w.tasks.map((t) => [t.family, t.group, t.environment.PIPELINE_STEP, t.environment.ENVIRONMENT, t.environment.GIT_SHA]),
    [['Test', 'ci:audit', 'audit', 'schedule', ''], ['Test', 'ci:e2e', 'e2e', 'schedule', '']])
})

test('a step of the schedule that fails is told of', async () => {
  const w = new World({ ecs: () => { throw ended(1) } })
  const run = await w.run({ source: 'ci.schedule', 'detail-type': 'schedule', detail: { repository: 'acme/shop', ref: main, after: '', steps: 'audit,e2e' } })
  assert.equal(run.status, 'FAILED')
  assert.equal(failure(w).step, 'schedule') // that the others do not start is MaxConcurrency 1, which is not played here
})

test('an event that comes twice is run once', async () => {
  const w = new World()
  await w.run(push('refs/heads/x'), 'one')
  const second = await w.run(push('refs/heads/x'), 'two')
  assert.equal(second.status, 'SUCCEEDED')
  assert.equal(w.tasks.length, 2)
})

test('of two pushes within the debounce only the second is built', async () => {
  const w = new World()
  const first = w.run(push('refs/heads/x'), 'one', { waits: { Debounce: 500 } })
  await new Promise((r) => setTimeout(r, 100))
  const second = await w.run(push('refs/heads/x', { after: newer }), 'two')
  assert.equal(second.status, 'SUCCEEDED')
  assert.equal((await first).status, 'ABORTED')
  assert.deepEqual(w.tasks.map((t) => t.environment.GIT_SHA), [newer, newer])
})

test('a push stops the tests of the one before it', async () => {
  let begun
  const testing = new Promise((r) => { begun = r })
  const w = new World({ ecs: async (family, _, e) => { if (family === 'Test' && e.GIT_SHA === sha) { begun(); await new Promise((r) => setTimeout(r, 400)) } } })
  const first = w.run(push(main), 'one')
  await testing
  await w.run(push(main, { after: newer }), 'two')
  await first
  assert.deepEqual(w.stopped.map((s) => [s.ExecutionArn.split(':').at(-1), s.Error]), [['one', 'Superseded']])
  assert.equal(w.tasks.filter((t) => t.environment.GIT_SHA === sha && t.family.startsWith('Deploy')).length, 0)
})

test('what is deploying is never stopped by a push', async () => {
  let begun
  const deploying = new Promise((r) => { begun = r })
  const w = new World({ ecs: async (family, _, e) => { if (family === 'DeployStaging' && e.GIT_SHA === sha) { begun(); await new Promise((r) => setTimeout(r, 300)) } } })
  const first = w.run(push(main), 'one')
  await deploying
  await w.run(push(main, { after: newer }), 'two')
  assert.equal((await first).status, 'SUCCEEDED')
  assert.deepEqual(w.stopped, [])
})

test('one that could not be stopped does not deploy', async () => {
  const w = new World({ ecs: (family, _, e) => { if (family === 'Test') w.table[`ref#acme/shop#${main}`].execution = { S: 'two' } } })
  assert.equal((await w.run(push(main), 'one')).status, 'SUCCEEDED')
  assert.deepEqual(names(w), ['Build', 'Test'])
  assert.deepEqual(w.events, [])
})

test('a test that fails stops the line, with its exit code', async () => {
  const w = new World({ ecs: (f) => { if (f === 'Test') throw ended(7) } })
  const run = await w.run(push(main))
  assert.equal(run.status, 'FAILED')
  assert.deepEqual(names(w), ['Build', 'Test'])
  const told = failure(w)
  assert.deepEqual([told.step, told.error, told.reason], ['test', 'States.TaskFailed', 'exit code 7: Essential container in task exited'])
  assert.equal(told.message, `test failed for ${main} of ${sha}: exit code 7: Essential container in task exited (one)`)
})

for (const [family, step] of [['Build', 'build'], ['Test', 'test'], ['MigrateStaging', 'migrate staging'], ['DeployStaging', 'deploy staging'], ['MigrateProduction', 'migrate production'], ['DeployProduction', 'deploy production']]) {
  test(`a failure of ${family} is told as one of ${step}, and nothing comes after it`, async () => {
    const w = new World({ ecs: (f) => { if (f === family) throw ended(1) } })
    assert.equal((await w.run(push(main))).status, 'FAILED')
    assert.equal(names(w).at(-1), family)
    assert.equal(names(w).filter((n) => n === family).length, 1, 'a step that failed is not run again')
    assert.equal(failure(w).step, step)
  })
}

test('a task that never started says why', async () => {
  const reason = 'CannotPullContainerError: pull image manifest has been retried 1 time(s): "ci/runner" not found'
  const w = new World({ ecs: () => { throw ended(undefined, { StopCode: 'TaskFailedToStart', StoppedReason: reason }) } })
  await w.run(push(main))
  assert.equal(failure(w).reason, `not started: ${reason}`)
})

test('a rejection goes no further, and says who and why', async () => {
  const w = new World({ approve: () => { throw new Failed('Rejected', 'octocat: not on a Friday') } })
  assert.equal((await w.run(push(main))).status, 'FAILED')
  assert.equal(names(w).at(-1), 'DeployStaging')
  assert.deepEqual([failure(w).step, failure(w).error, failure(w).reason], ['approval', 'Rejected', 'Rejected: octocat: not on a Friday'])
})

test('an approval that nobody gives ends', async () => {
  const w = new World({ ApprovalTimeout: 1, approve: () => new Promise((r) => setTimeout(r, 3000).unref()) })
  assert.equal((await w.run(push('refs/tags/v1'))).status, 'FAILED')
  assert.deepEqual(names(w), [])
  assert.deepEqual([failure(w).step, failure(w).error], ['approval', 'States.Timeout'])
})

test('a step that takes too long ends, and says which', async () => {
  const w = new World({ ecs: (f) => (f === 'MigrateStaging' ? new Promise((r) => setTimeout(r, 5000).unref()) : undefined) })
  w.definition.States.MigrateStaging.TimeoutSeconds = 1
  assert.equal((await w.run(push(main))).status, 'FAILED')
  assert.deepEqual([failure(w).step, failure(w).error], ['migrate staging', 'States.Timeout'])
})

for (const family of delivery) {
  test(`a RunTask for ${family} that ends in a server error is retried with the same client token`, async () => {
    const w = new World({ ecs: (f, n) => { if (f === family && n < 2) throw new Failed('ECS.ServerException', 'These errors are usually caused by a server issue.') } })
    assert.equal((await w.run(push(main))).status, 'SUCCEEDED')
    const tokens = w.tasks.filter((t) => t.family === family).map((t) => t.token)
    assert.equal(tokens.length, 2)
    assert.equal(new Set(tokens).size, 1, 'ECS answers a repeated token with the task that it has started')
    assert.match(tokens[0], /^[!-~]{1,64}$/, 'what ECS accepts as a token')
  })
}

test('no two steps share a client token', async () => {
  const w = new World()
  await w.run(push(main))
  await w.run(push(main, { after: newer }), 'two')
  assert.equal(new Set(w.tasks.map((t) => t.token)).size, 12)
})

test('on demand, a step has a token of its own', async () => {
  const w = new World({ ecs: () => { if (w.tasks.at(-1).provider === 'FARGATE_SPOT') throw ended(143, { StopCode: 'SpotInterruption', StoppedReason: 'Your Spot Task was interrupted.' }) } })
  await w.run(push('refs/heads/x'))
  assert.equal(new Set(w.tasks.map((t) => t.token)).size, w.tasks.length)
})

test('a deploy that finds no capacity is tried again', async () => {
  const w = new World({ ecs: (f, n) => { if (f === 'DeployStaging' && n < 3) throw new Failed('AmazonECS.Unknown', 'Capacity is unavailable at this time') } })
  assert.equal((await w.run(push(main))).status, 'SUCCEEDED')
  assert.equal(names(w).filter((n) => n === 'DeployStaging').length, 3)
})

test('without capacity for long, that is the failure', async () => {
  const w = new World({ ecs: (f) => { if (f === 'MigrateStaging') throw new Failed('AmazonECS.Unknown', 'Capacity is unavailable at this time') } })
  assert.equal((await w.run(push(main))).status, 'FAILED')
  assert.equal(names(w).filter((n) => n === 'MigrateStaging').length, 4)
  assert.equal(failure(w).reason, 'AmazonECS.Unknown: Capacity is unavailable at this time')
})

for (const [what, error] of [
  ['has none', new Failed('AmazonECS.Unknown', 'Capacity is unavailable at this time')],
  ['has none, which shows late', ended(undefined, { StopCode: 'TaskFailedToStart', StoppedReason: 'Capacity is unavailable at this time' })],
  ['takes it back', ended(143, { StopCode: 'SpotInterruption', StoppedReason: 'Your Spot Task was interrupted.' })],
]) {
  test(`a test runs on demand when Spot ${what}`, async () => {
    const w = new World({ ecs: (f) => { if (f === 'Test' && w.tasks.at(-1).provider === 'FARGATE_SPOT') throw error } })
    assert.equal((await w.run(push('refs/heads/x'))).status, 'SUCCEEDED')
    assert.deepEqual([names(w).at(-1), w.tasks.at(-1).provider], ['Test', 'FARGATE'])
    assert.equal(names(w).filter((n) => n === 'Build').length, 1)
  })
}

test('on demand there is no third way', async () => {
  const w = new World({ ecs: (f) => { if (f === 'Build') throw new Failed('AmazonECS.Unknown', 'Capacity is unavailable at this time') } })
  assert.equal((await w.run(push(main))).status, 'FAILED')
  assert.deepEqual(w.tasks.map((t) => t.provider), [...Array(4).fill('FARGATE_SPOT'), ...Array(4).fill('FARGATE')])
})

test('a task is told when it is on Spot, and only then', async () => {
  const told = (w) => w.tasks.map((t) => [t.family, t.provider, t.environment.RUNNER_CAPACITY_PROVIDER ?? ''])
  const w = new World({ ecs: (f) => { if (f === 'Test' && w.tasks.at(-1).provider === 'FARGATE_SPOT') throw ended(143, { StopCode: 'SpotInterruption', StoppedReason: 'Your Spot Task was interrupted.' }) } })
  assert.equal((await w.run(push(main))).status, 'SUCCEEDED')
  assert.deepEqual(told(w), [
    ['Build', 'FARGATE_SPOT', 'FARGATE_SPOT'], ['Test', 'FARGATE_SPOT', 'FARGATE_SPOT'], ['Test', 'FARGATE', 'FARGATE'],
    ['MigrateStaging', 'FARGATE', ''], ['DeployStaging', 'FARGATE', ''], ['MigrateProduction', 'FARGATE', ''], ['DeployProduction', 'FARGATE', ''],
  ])
  const [build, , , , deploy] = w.tasks // for build and test the definition picks what all are told one by one
  assert.deepEqual(build.environment, { ...deploy.environment, RUNNER_CAPACITY_PROVIDER: 'FARGATE_SPOT' })
  const dear = new World({ UseSpot: 'false' })
  await dear.run(push('refs/heads/x'))
  assert.deepEqual(told(dear), [['Build', 'FARGATE', 'FARGATE'], ['Test', 'FARGATE', 'FARGATE']])
})

test('migrate and deploy never run on Spot', async () => {
  const w = new World()
  await w.run(push(main))
  assert.deepEqual(w.tasks.map((t) => t.provider), ['FARGATE_SPOT', 'FARGATE_SPOT', 'FARGATE', 'FARGATE', 'FARGATE', 'FARGATE'])
})

test('a table that does not answer is told of, too', async () => {
  const w = new World()
  w.put = () => { throw new Failed('DynamoDB.ProvisionedThroughputExceededException', 'slow down') }
  assert.equal((await w.run(push(main))).status, 'FAILED')
  assert.match(failure(w).reason, /slow down/)
})

test('the table forgets between one and three months from now', async () => {
  const { StateMachine } = await import('aws-local-stepfunctions')
  // The interpreter has its own time of the start, so the state is handed another.
  const Prepare = { ...JSON.parse(JSON.stringify(definition().States.Prepare).replaceAll('$$.Execution.StartTime', '$.started').replaceAll('$$.Execution', '$.event')), Next: undefined, End: true }
  const only = new StateMachine({ StartAt: 'Prepare', States: { Prepare } }, { validationOptions: { noValidate: true } })
  for (let year = 2026; year < 2036; year++) for (let month = 1; month <= 12; month++) for (const day of [1, 28]) {
    const started = `${year}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}T00:00:00.000Z`
    const { expires } = await only.run({ started, event: { ...push(main), Name: 'n', Id: 'i' }, detail: push(main).detail }).result
    const days = (expires - Date.parse(started) / 1000) / 86400
    assert.ok(days > 28 && days < 95, `${started}: ${days} days`)
  }
})

test('the machine gives a step longer than the runner does, by its start and its stop', () => {
  const d = definition({ BuildTimeout: 10 })
  assert.ok(d.States.Build.TimeoutSeconds >= 10 * 60 + 120 + 240)
})
