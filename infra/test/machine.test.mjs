// The machine of cicd.yaml: it is valid, and an event takes the right way through it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import validator from 'asl-validator'
import { World, Failed, all, condition, definition, ended, evaluate, push, sha } from './machine.mjs'

const names = (w) => w.tasks.map((t) => t.family)
const main = 'refs/heads/main'
const newer = 'b'.repeat(40)
const delivery = ['Build', 'Test', 'MigrateStaging', 'DeployStaging', 'MigrateProduction', 'DeployProduction']
const failure = (w) => w.events.find((e) => e.type === 'pipeline failed')
const manual = (detail) => ({ id: 'e', source: 'ci.manual', 'detail-type': 'manual', detail })
const schedule = (steps) => ({ source: 'ci.schedule', 'detail-type': 'schedule', detail: { version: '1', repository: 'acme/shop', ref: main, after: '', steps } })

test('the definition is valid and every state is reachable', () => {
  for (const given of [{}, { UseSpot: 'false', IdempotentStart: 'false', MaxConcurrentTasks: 4, ForkPullRequests: 'off' }]) {
    const { isValid, errorsText } = validator(definition(given))
    assert.ok(isValid, isValid || errorsText())
  }
})

test('the validator finds a transition to a missing state', () => {
  const broken = definition()
  broken.States.Tasks.Next = 'Nowhere'
  assert.equal(validator(broken).isValid, false)
})

test('what runs in JSONata uses no field of JSONPath, and the reverse', () => {
  for (const [name, s] of Object.entries(all(definition().States))) {
    const jsonata = s.QueryLanguage === 'JSONata'
    for (const key of jsonata ? ['Parameters', 'ResultPath', 'InputPath', 'OutputPath', 'ResultSelector'] : ['Output', 'Arguments']) assert.ok(!(key in s), `${name} has ${key}`)
    if (!jsonata) assert.doesNotMatch(JSON.stringify({ ...s, ItemProcessor: undefined }), /\{%/, name)
  }
})

test('numbers of items are text that is computed in JSONata', () => {
  for (const [name, s] of Object.entries(all(definition().States))) assert.doesNotMatch(JSON.stringify(s.Parameters ?? {}), /"N\.\$":"States\.Format/, name)
})

test('the simulated DynamoDB and JSONata notice mistakes', async () => {
  const item = { a: { S: 'x' }, n: { N: '5' } }
  assert.equal(condition('attribute_not_exists(b) AND (a = :x OR n > :n)', item, {}, { ':x': { S: 'y' }, ':n': { N: '4' } }), true)
  assert.equal(condition('n < :n', item, {}, { ':n': { N: '10' } }), true, 'numbers are compared as numbers')
  assert.equal(condition('missing = :x', item, {}, { ':x': { S: 'x' } }), false)
  assert.throws(() => condition('a = :x b', item, {}, { ':x': { S: 'x' } }))
  await assert.rejects(evaluate('{% $states.input.missing %}', { input: {} }), /yields nothing/)
})

test('a push to main is delivered to staging and, once approved, to production', async () => {
  const w = new World()
  assert.equal((await w.run(push(main))).status, 'SUCCEEDED')
  assert.deepEqual(names(w), delivery)
  assert.deepEqual(w.tasks.map((t) => t.group), ['ci:build', 'ci:test', 'ci:migrate', 'ci:deploy', 'ci:migrate', 'ci:deploy'])
  assert.deepEqual(w.events.map((e) => e.type), ['approval needed'])
})

test('the token of an approval is in an item of its own, whose key names the environment', async () => {
  const w = new World()
  await w.run(push(main))
  const types = (item) => Object.fromEntries(Object.entries(item).map(([k, v]) => [k, Object.keys(v)[0]]))
  assert.deepEqual(types(w.table['approval#one']), { id: 'S', sha: 'S', repository: 'S', ref: 'S', environment: 'S', digests: 'S', since: 'S', expires: 'N', decision: 'S' })
  assert.equal(w.table['approval#one'].environment.S, 'production')
  assert.equal(w.table['token#production#one'].token.S, 'token of one')
  assert.ok(!JSON.stringify([w.events, w.table['approval#one']]).includes('token of'), 'the token must not leave its item')
})

test('the approver is on record with the approval', async () => {
  const w = new World({ approve: () => ({ approved: 'by arn:aws:sts::123456789012:assumed-role/release/octocat: it is green' }) })
  await w.run(push(main))
  assert.match(w.table['approval#one'].decision.S, /assumed-role\/release\/octocat/)
})

test('an answer by one who knows the token but may not write the answer approves nothing', async () => {
  const w = new World({ approve: () => ({ approved: 'by arn:aws:iam::123456789012:user/operator', forged: true }) })
  assert.equal((await w.run(push(main))).status, 'FAILED')
  assert.equal(names(w).at(-1), 'DeployStaging')
  assert.deepEqual([failure(w).step, failure(w).error], ['approval', 'NotAllowed'])
  assert.equal(w.table['approval#one'].decision, undefined)
  const elsewhere = new World({ approve: () => { elsewhere.table['answer#staging#one'] = { decision: { S: '{}' } }; return { forged: true } } })
  assert.equal((await elsewhere.run(push(main))).status, 'FAILED', 'an answer for another environment does not count')
})

test('a task gets the branch, the commit and the network', async () => {
  const w = new World()
  await w.run(push('refs/heads/feature/a/b'))
  assert.deepEqual(w.tasks[0].environment, {
    BRANCH: 'feature/a/b', GIT_SHA: sha, RUNNER_FORCE: '', GITHUB_ACTOR: 'octocat', RUNNER_EVENT: 'push', GITHUB_REPOSITORY: 'acme/shop', REPOSITORY_URL: 'https://github.com/acme/shop.git',
    RUNNER_CAPACITY_PROVIDER: 'FARGATE_SPOT',
  })
  assert.deepEqual(w.tasks[0].network.AwsvpcConfiguration, { Subnets: ['subnet-a', 'subnet-b'], SecurityGroups: ['sg-1'], AssignPublicIp: 'ENABLED' })
  const { sender, ...detail } = push('refs/heads/x').detail
  const anonymous = new World()
  assert.equal((await anonymous.run({ ...push('refs/heads/x'), detail })).status, 'SUCCEEDED', `without ${sender}`)
  assert.equal(anonymous.tasks[0].environment.GITHUB_ACTOR, '')
})

test('a step may have a network of its own', async () => {
  const w = new World({ BuildSubnetIds: ['subnet-private'], BuildSecurityGroupId: 'sg-build' })
  await w.run(push('refs/heads/x'))
  const of = (t) => [t.network.AwsvpcConfiguration.Subnets, t.network.AwsvpcConfiguration.SecurityGroups]
  assert.deepEqual(w.tasks.map(of), [[['subnet-private'], ['sg-build']], [['subnet-a', 'subnet-b'], ['sg-1']]])
})

test('the migrations of an environment may have a network of their own', async () => {
  const w = new World()
  const name = '/cicd/environments/staging', settings = JSON.parse(w.parameters[name])
  Object.assign(settings.migrate, { subnets: ['subnet-db'], groups: ['sg-db'], public: 'DISABLED' })
  w.parameters[name] = JSON.stringify(settings)
  await w.run(manual({ ref: main, after: sha, environment: 'staging' }))
  assert.deepEqual(w.tasks.map((t) => t.network.AwsvpcConfiguration), [
    { Subnets: ['subnet-db'], SecurityGroups: ['sg-db'], AssignPublicIp: 'DISABLED' },
    { Subnets: ['subnet-a', 'subnet-b'], SecurityGroups: ['sg-1'], AssignPublicIp: 'ENABLED' },
  ])
})

test('a shell in a task can be opened where that is wanted', async () => {
  for (const [given, want] of [['false', false], ['true', true]]) {
    const w = new World({ ExecuteCommand: given })
    await w.run(push(main))
    assert.deepEqual([...new Set(w.tasks.map((t) => t.input.EnableExecuteCommand))], [want])
  }
})

test('tasks carry the tags of their task definition', async () => {
  const w = new World()
  await w.run(push(main))
  for (const t of w.tasks) assert.deepEqual([t.input.PropagateTags, t.input.EnableECSManagedTags], ['TASK_DEFINITION', true])
})

test('a push to another branch is built and tested', async () => {
  const w = new World()
  assert.equal((await w.run(push('refs/heads/feature/x'))).status, 'SUCCEEDED')
  assert.deepEqual(names(w), ['Build', 'Test'])
})

test('a tag is released after an approval', async () => {
  const w = new World()
  assert.equal((await w.run(push('refs/tags/v1.2.3'))).status, 'SUCCEEDED')
  assert.deepEqual(names(w), ['MigrateProduction', 'DeployProduction'])
  assert.equal(w.tasks[0].environment.BRANCH, 'v1.2.3')
  assert.equal(w.events[0].type, 'approval needed')
})

test('a tag is released at once where ReleaseApproval is false', async () => {
  const w = new World({ ReleaseApproval: 'false', approve: () => assert.fail('no approval is needed') })
  assert.equal((await w.run(push('refs/tags/v1.2.3'))).status, 'SUCCEEDED')
  assert.deepEqual(names(w), ['MigrateProduction', 'DeployProduction'])
})

test('there can be any number of environments, in the order of the parameter', async () => {
  const environments = ['dev', 'eu', 'us', 'asia'], asked = []
  const w = new World({ environments, Environments: environments, ApprovalEnvironments: ['eu', 'asia'], approve: (i) => { asked.push(i.Item.id.S) } })
  assert.equal((await w.run(push(main))).status, 'SUCCEEDED')
  assert.deepEqual(names(w), ['Build', 'Test', 'MigrateDev', 'DeployDev', 'MigrateEu', 'DeployEu', 'MigrateUs', 'DeployUs', 'MigrateAsia', 'DeployAsia'])
  assert.deepEqual(asked, ['token#eu#one', 'token#asia#one'])
})

test('a pipeline may have one environment, or none of its own approval', async () => {
  const w = new World({ environments: ['live'], Environments: ['live'], ApprovalEnvironments: ['none'], ReleaseEnvironments: ['live'] })
  await w.run(push(main))
  assert.deepEqual(names(w), ['Build', 'Test', 'MigrateLive', 'DeployLive'])
  await w.run(push('refs/tags/v1'), 'two')
  assert.deepEqual(names(w).slice(4), ['MigrateLive', 'DeployLive'])
})

test('an environment without a stack fails with what to do', async () => {
  const w = new World({ environments: ['staging'], ApprovalEnvironments: ['none'] })
  assert.equal((await w.run(push(main))).status, 'FAILED')
  assert.deepEqual([names(w).at(-1), failure(w).reason], ['DeployStaging', 'NoEnvironment: the environment production has no stack: deploy environment.yaml for it'])
})

test('an environment that the pipeline does not have is refused by name', async () => {
  const w = new World()
  assert.equal((await w.run(manual({ ref: main, after: sha, environment: 'prod' }))).status, 'FAILED')
  assert.deepEqual(names(w), [])
  assert.match(failure(w).reason, /prod is none of the environments of this pipeline: \["staging","production"\]/)
})

test('by hand a ref and a commit are enough', async () => {
  const w = new World()
  await w.run(manual({ ref: 'refs/heads/fix', after: sha }))
  assert.deepEqual(names(w), ['Build', 'Test'])
  assert.ok(w.table['ref#acme/shop#refs/heads/fix'])
})

test('by hand one environment can be deployed', async () => {
  const staging = new World(), production = new World()
  await staging.run(manual({ ref: main, after: sha, environment: 'staging', force: 'true' }))
  assert.deepEqual(names(staging), ['MigrateStaging', 'DeployStaging'])
  assert.equal(staging.tasks[0].environment.RUNNER_FORCE, 'true')
  await production.run(manual({ ref: main, after: sha, environment: 'production' }))
  assert.deepEqual(names(production), ['MigrateProduction', 'DeployProduction'])
  assert.equal(production.events[0].type, 'approval needed')
})

test('the schedule runs its own steps in order, on demand and with the rights of test', async () => {
  const w = new World()
  assert.equal((await w.run(schedule('audit,e2e,test'))).status, 'SUCCEEDED')
  assert.deepEqual(w.tasks.map((t) => [t.definition, t.group, t.environment.PIPELINE_STEP, t.environment.ENVIRONMENT, t.environment.GIT_SHA, t.provider]),
    [['Test', 'ci:audit', 'audit', 'schedule', '', 'FARGATE'], ['Test', 'ci:e2e', 'e2e', 'schedule', '', 'FARGATE'], ['Test', 'ci:test', undefined, 'schedule', '', 'FARGATE']])
})

test('a step of the schedule that fails ends the schedule, with a message', async () => {
  const w = new World({ ecs: () => { throw ended(1) } })
  assert.equal((await w.run(schedule('audit,e2e'))).status, 'FAILED')
  assert.equal(failure(w).step, 'audit schedule')
  assert.equal(w.tasks.length, 1)
})

test('a failed test ends the pipeline with its exit code', async () => {
  const w = new World({ ecs: (f) => { if (f === 'Test') throw ended(7) } })
  assert.equal((await w.run(push(main))).status, 'FAILED')
  assert.deepEqual(names(w), ['Build', 'Test'])
  const message = failure(w)
  assert.deepEqual([message.step, message.error, message.reason], ['test', 'States.TaskFailed', 'exit code 7: Essential container in task exited'])
  assert.equal(message.message, `test failed for ${main} of ${sha}: exit code 7: Essential container in task exited (one)`)
})

for (const [family, step] of [['Build', 'build'], ['Test', 'test'], ['MigrateStaging', 'migrate staging'], ['DeployStaging', 'deploy staging'], ['MigrateProduction', 'migrate production'], ['DeployProduction', 'deploy production']]) {
  test(`a failure of ${family} is reported as one of ${step}, once, and nothing follows it`, async () => {
    const w = new World({ ecs: (f) => { if (f === family) throw ended(1) } })
    assert.equal((await w.run(push(main))).status, 'FAILED')
    assert.equal(names(w).at(-1), family)
    assert.equal(names(w).filter((n) => n === family).length, 1, 'a step that failed is not run again')
    assert.equal(failure(w).step, step)
    assert.equal(w.events.filter((e) => e.type === 'pipeline failed').length, 1)
  })
}

test('a rejection ends the pipeline and names who and why', async () => {
  const w = new World({ approve: () => { throw new Failed('Rejected', 'octocat: not on a Friday') } })
  assert.equal((await w.run(push(main))).status, 'FAILED')
  assert.equal(names(w).at(-1), 'DeployStaging')
  assert.deepEqual([failure(w).step, failure(w).error, failure(w).reason], ['approval', 'Rejected', 'Rejected: octocat: not on a Friday'])
})

test('an approval that is not given in time ends the pipeline', async () => {
  const w = new World({ ApprovalTimeout: 1, approve: () => new Promise((r) => setTimeout(r, 3000).unref()) })
  assert.equal((await w.run(push('refs/tags/v1'))).status, 'FAILED')
  assert.deepEqual(names(w), [])
  assert.deepEqual([failure(w).step, failure(w).error], ['approval', 'States.Timeout'])
})

test('a step that takes too long ends the pipeline and is named', async () => {
  const w = new World({ ecs: (f) => (f === 'MigrateStaging' ? new Promise((r) => setTimeout(r, 5000).unref()) : undefined) })
  const name = '/cicd/environments/staging', settings = JSON.parse(w.parameters[name])
  settings.migrate.timeout = 1
  w.parameters[name] = JSON.stringify(settings)
  assert.equal((await w.run(push(main))).status, 'FAILED')
  assert.deepEqual([failure(w).step, failure(w).error, failure(w).reason], ['migrate staging', 'States.Timeout', 'States.Timeout'])
})

test('a table that does not answer ends the pipeline with a message', async () => {
  const w = new World()
  w.put = () => { throw new Failed('DynamoDB.ProvisionedThroughputExceededException', 'slow down') }
  assert.equal((await w.run(push(main))).status, 'FAILED')
  assert.match(failure(w).reason, /slow down/)
})

test('the table forgets an execution after sixty days', async () => {
  const w = new World()
  await w.run(push(main), 'one', { started: '2027-02-28T12:00:00.000Z' })
  assert.equal(w.table[`ref#acme/shop#${main}`].expires.N, String(Date.parse('2027-04-29T12:00:00.000Z') / 1000))
})

test('the machine gives a step more time than the runner does, for its start and its stop', () => {
  const { settings } = { settings: definition({ BuildTimeout: 10 }).States.Settings.Result }
  assert.ok(settings.tasks.protected.build.timeout >= 10 * 60 + 120 + 240)
})

test('two executions do not share a client token', async () => {
  const w = new World()
  await w.run(push(main))
  await w.run(push(main, { after: newer }), 'two')
  assert.equal(new Set(w.tasks.map((t) => t.token)).size, 12)
})
