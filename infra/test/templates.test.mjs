// The templates as documents: cfn-lint, carlin's reader, the rules of Control Tower and our own.
import assert from 'node:assert/strict'
import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { environment, infra, load, refused, resolve, sample, source } from './template.mjs'

const templates = readdirSync(infra).filter((n) => n.endsWith('.yaml'))
const everything = { AlarmEmail: 'a@example.com', SlackWebhookUrl: 'https://hooks.slack.com/services/x', SlackWebhookArn: 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:s', SlackBotTokenArn: 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:b', SlackChannel: 'C0123456789', SlackUsers: 'ana@example.com=U0123456789', GitHubComment: 'on', GitHubRoles: 'true', GitHubTokenArn: 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:t' }
const ours = templates.filter((n) => n !== 'webhook.yaml')
const regions = ['us-east-1', 'eu-west-1', 'us-gov-west-1', 'us-gov-east-1', 'cn-north-1', 'cn-northwest-1']

test('cfn-lint finds nothing in any partition', () => {
  for (const region of regions) { // one at a time: it tries what functions may result in for all of them together
    execFileSync('cfn-lint', ['--regions', region, '--', ...templates.map((n) => infra + n)], { stdio: ['ignore', 'inherit', 'inherit'] })
  }
})

test('no ARN is written for one partition only', () => {
  for (const name of templates) for (const line of source(name).split('\n')) assert.doesNotMatch(line.replace(/AllowedPattern: "[^"]*"|AllowedPattern: '[^']*'/, ''), /"arn:aws[a-z-]*:|[^$]amazonaws\.com\//, `${name}: ${line}`)
})

for (const name of templates) {
  test(`${name} has only what carlin's reader accepts`, () => {
    const text = source(name)
    assert.doesNotMatch(text.replaceAll(/#.*$/gm, ''), /[\s[{,]!(Ref|Sub|GetAtt|Join|If|Select|Split|Not|And|Or|Equals|FindInMap|ImportValue|GetAZs|Base64|Cidr)\b/, 'intrinsics in their long form')
    assert.doesNotMatch(text, /Version: *20\d\d-/, 'a date without quotes is a date')
    assert.ok(text.length < 1_000_000 / 2)
  })
}

test('all templates fit into a request, but for cicd.yaml, which is uploaded', () => {
  const size = (n) => Math.max(Buffer.byteLength(source(n)), JSON.stringify(load(n)).length)
  for (const n of templates) assert.ok(size(n) <= (n === 'cicd.yaml' ? 500_000 : 51_200), `${n}: ${size(n)} bytes`) // CloudFormation's limits are 1 MB and 51,200 bytes
})

test('templates keep to the quotas of CloudFormation', () => {
  for (const n of templates) {
    const t = load(n)
    assert.ok(Object.keys(t.Parameters).length <= 200 && Object.keys(t.Resources).length <= 500 && Object.keys(t.Outputs).length <= 200, n)
    for (const [name, p] of Object.entries(t.Parameters)) assert.ok(p.Description, `${n}: ${name} has no description`)
    const grouped = t.Metadata['AWS::CloudFormation::Interface'].ParameterGroups.flatMap((g) => g.Parameters)
    assert.deepEqual([...grouped].sort(), Object.keys(t.Parameters).sort(), `${n}: every parameter is in one group`)
  }
})

// Rules of AWS Control Tower. Those that do not hold, and why that is meant.
const meant = {
  'ct-s3-pr-2': 'access logs of artifacts cost more than the artifacts',
  'ct-s3-pr-4': 'nothing reacts to new objects',
  'ct-s3-pr-9': 'an object lock would keep what the lifecycle deletes',
  'ct-s3-pr-10': 'encrypted with keys of S3; a key of your own by KmsKeyArn',
  'ct-codebuild-pr-4': "Docker's daemon runs in it; nothing but the machine starts it, for commits of the main branch",
  'ct-dynamodb-pr-1': 'what is under way now is of no use tomorrow',
  'ct-dynamodb-pr-2': 'encrypted with a key of DynamoDB; a key of your own by KmsKeyArn',
  'ct-cloudwatch-pr-2': 'retention is a parameter, 90 days by default',
  'ct-cloudwatch-pr-3': 'encrypted with keys of CloudWatch; a key of your own by KmsKeyArn',
  'ct-ecr-pr-3': 'one tag moves, that of the image which the pipeline keeps up to date; all others are immutable',
  'ct-ecs-pr-2': 'Container Insights are paid by the metric, and the runner measures its own memory and CPU',
  'ct-ecs-pr-3': "the user is the image's",
  'ct-ecs-pr-6': 'a step writes all over its checkout, and Fargate has no tmpfs',
  'ct-sqs-pr-1': 'it is the dead-letter queue',
  'ct-stepfunctions-pr-2': 'the history of an execution says all that a trace would',
}

const guard = (() => {
  const home = dirname(createRequire(import.meta.url).resolve('@cdklabs/cdk-validator-cfnguard/package.json'))
  const cpu = process.arch === 'arm64' ? 'aarch64' : 'x86_64'
  return { home, binary: join(home, 'bin', process.platform === 'darwin' ? 'macos' : 'ubuntu', cpu, 'cfn-guard') }
})()

function violations(rules, name, change = (t) => t) {
  const dir = mkdtempSync(join(tmpdir(), 'guard-'))
  try {
    const template = load(name)
    const file = join(dir, 'template.json')
    const whole = { AWSTemplateFormatVersion: '2010-09-09', Resources: resolve(template, { ...sample(name), ...everything, ArtifactBucket: name === 'cicd.yaml' ? '' : 'artifacts' }) }
    for (const [id, r] of Object.entries(whole.Resources)) for (const k of ['DeletionPolicy', 'UpdateReplacePolicy']) if (template.Resources[id][k]) r[k] = template.Resources[id][k]
    writeFileSync(file, JSON.stringify(change(whole)))
    const { status, stdout, stderr } = spawnSync(guard.binary, ['validate', '-r', ...rules, '-d', file, '-S', 'none', '--type', 'CFNTemplate', '-o', 'json', '--structured'], { encoding: 'utf8', maxBuffer: 1 << 28 })
    assert.ok(status === 0 || status === 19, `cfn-guard ended with ${status}: ${stderr.slice(0, 2000)}`)
    return JSON.parse(stdout).flatMap((r) => r.not_compliant.map((n) => n.Rule.name))
  } finally { rmSync(dir, { recursive: true }) }
}

const known = join(guard.home, 'rules/control-tower/cfn-guard')
const wellKnown = readdirSync(known, { recursive: true }).filter((f) => f.endsWith('.guard')).map((f) => join(known, f))
const own = [join(infra, 'test/rules/ours.guard')]

test('the templates keep the rules of Control Tower, except for those that are listed with a reason', () => {
  const broken = new Set()
  for (const name of ours) for (const file of wellKnown) if (violations([file], name).length) broken.add(file.split('/').at(-1).replace('.guard', ''))
  assert.deepEqual([...broken].sort(), Object.keys(meant).sort())
})

for (const name of ours) {
  test(`${name} keeps our own rules`, () => assert.deepEqual(violations(own, name), []))
}

for (const [what, name, change] of [
  ['a task that may lose lines', 'cicd.yaml', (r) => { r.TestTask.Properties.ContainerDefinitions[0].LogConfiguration.Options.mode = 'non-blocking' }],
  ['a role that may do everything', 'cicd.yaml', (r) => { r.TestRole.Properties.Policies[0].PolicyDocument.Statement[0].Action = ['s3:*'] }],
  ['a rule without a dead-letter queue', 'cicd.yaml', (r) => { delete r.TagRule.Properties.Targets[0].DeadLetterConfig }],
  ['an open port', 'base.yaml', (r) => { r.SecurityGroup.Properties.SecurityGroupIngress = [{ IpProtocol: 'tcp', CidrIp: '0.0.0.0/0' }] }],
  ['a bucket that is deleted with the stack', 'cicd.yaml', (r) => { r.Bucket.DeletionPolicy = 'Delete' }],
  ['an alarm without a receiver', 'cicd.yaml', (r) => { r.DlqAlarm.Properties.AlarmActions = [] }],
]) {
  test(`our rules find ${what}`, () => assert.notDeepEqual(violations(own, name, (t) => { change(t.Resources); return t }), []))
}

test('objects expire unless they are deployed builds, locks, deployments or histories', () => {
  const rules = resolve(load('cicd.yaml'), { ArtifactBucket: '' }).Bucket.Properties.LifecycleConfiguration.Rules
  const ends = (key, tags = {}) => rules.some((r) => r.ExpirationInDays && key.startsWith(r.Prefix ?? '') && (r.TagFilters ?? []).every((t) => tags[t.Key] === t.Value))
  const build = load('cicd.yaml').Resources.BuildTask.Properties.ContainerDefinitions[0].Environment.find((e) => e.Name === 'RUNNER_S3_TAGS').Value
  const tags = Object.fromEntries(new URLSearchParams(build))
  for (const key of ['coverage/main/1/a', 'manifests/coverage/main/1.json', 'runs/main/1/test/2/finished.json', 'cache/main/pnpm/1', 'pr/5/builds/pr/5/1/a.js', 'image-sources/1.tar.gz']) assert.ok(ends(key), key)
  for (const key of ['builds/main/1/a.js', 'manifests/builds/main/1.json']) {
    assert.ok(ends(key, tags), `${key} as the build task puts it`)
    assert.ok(!ends(key, { retention: 'deployed' }), `${key} once it is deployed`)
    assert.ok(!ends(key), `${key} without the tag`)
  }
  for (const key of ['locks/production/Shop.json', 'deployments/production/Shop/1.json', 'tests/main/history.json']) assert.ok(!ends(key), key)
  assert.ok(rules.some((r) => r.AbortIncompleteMultipartUpload?.DaysAfterInitiation === 1 && !r.TagFilters))
})

test('a set stays readable as long as its manifest: old versions last as long', () => {
  const rules = Object.fromEntries(resolve(load('cicd.yaml'), { ArtifactBucket: '' }).Bucket.Properties.LifecycleConfiguration.Rules.map((r) => [r.Id, r]))
  for (const id of ['builds', 'coverage']) assert.ok(rules[id].NoncurrentVersionExpiration.NoncurrentDays >= rules[`manifests-of-${id}`].ExpirationInDays)
})

const pipeline = resolve(load('cicd.yaml')), staging = environment('staging')
const tasks = [pipeline, staging].flatMap((stack) => Object.entries(stack).filter(([, r]) => r.Type === 'AWS::ECS::TaskDefinition').map(([id, t]) => [id, t.Properties, stack]))
const variables = (p) => Object.fromEntries(p.ContainerDefinitions[0].Environment.map((x) => [x.Name, x.Value]))

test('every kind of task has a role of its own, tagged with its step', () => {
  assert.deepEqual(tasks.map(([id]) => id).sort(), ['BranchBuildTask', 'BranchTestTask', 'BuildTask', 'DeployTask', 'ForkTask', 'MigrateTask', 'TestTask'])
  assert.equal(new Set(tasks.map(([, p]) => p.TaskRoleArn)).size, 7)
  for (const [id, p, stack] of tasks) {
    const e = variables(p), role = stack[p.TaskRoleArn.split('/')[1].replace(/^staging-/, '')].Properties.Tags.find((x) => x.Key === 'step').Value
    assert.equal(role, id === 'ForkTask' ? 'fork' : e.ENVIRONMENT ? `${e.PIPELINE_STEP}-${e.ENVIRONMENT}` : e.PIPELINE_STEP, id)
    assert.equal(load(stack === staging ? 'environment.yaml' : 'cicd.yaml').Resources[id].UpdateReplacePolicy, 'Retain')
  }
})

test('every task knows its bucket, the owner of the bucket and the main branch', () => {
  for (const [id, p] of tasks) {
    const e = variables(p)
    assert.deepEqual([e.ARTIFACT_BUCKET, e.RUNNER_S3_BUCKET_OWNER, e.RUNNER_MAIN_BRANCH], ['artifacts', '123456789012', 'main'], id)
  }
  const elsewhere = resolve(load('cicd.yaml'), { ArtifactBucketOwner: '222222222222' })
  assert.equal(variables(elsewhere.BuildTask.Properties).RUNNER_S3_BUCKET_OWNER, '222222222222')
})

test("a fork's command gets no credentials, its runner those of one prefix, and its task no secret but a token of its own", () => {
  const fork = (given) => resolve(load('cicd.yaml'), { ...everything, ...given }).ForkTask.Properties
  assert.equal(variables(fork()).RUNNER_CREDENTIALS, 'none')
  assert.match(variables(fork()).RUNNER_STORE_ROLE, /:role\/ForkStoreRole$/)
  assert.deepEqual(fork({ ForkTokenArn: '' }).ContainerDefinitions[0].Secrets, [])
  const ForkTokenArn = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:fork-x1'
  assert.deepEqual(fork({ ForkTokenArn }).ContainerDefinitions[0].Secrets, [{ Name: 'GITHUB_TOKEN', ValueFrom: ForkTokenArn }])
  assert.equal(resolve(load('cicd.yaml'), everything).BuildTask.Properties.ContainerDefinitions[0].Secrets.length, 3)
})

test('tasks but those of forks know what they post to Slack and to pull requests', () => {
  const all = (given) => [resolve(load('cicd.yaml'), given), environment('staging', given)].flatMap((stack) => Object.entries(stack).filter(([id, r]) => r.Type === 'AWS::ECS::TaskDefinition' && id !== 'ForkTask').map(([id, r]) => [id, variables(r.Properties), r.Properties.ContainerDefinitions[0].Secrets.map((x) => [x.Name, x.ValueFrom])]))
  const posts = (e) => [e.SLACK_CHANNEL, e.RUNNER_SLACK_USERS, e.RUNNER_GITHUB_COMMENT], token = (secrets) => secrets.find(([n]) => n === 'SLACK_BOT_TOKEN')?.[1]
  assert.equal(all(everything).length, 6)
  for (const [id, e, secrets] of all(everything)) assert.deepEqual([...posts(e), token(secrets)], [everything.SlackChannel, everything.SlackUsers, 'on', everything.SlackBotTokenArn], id)
  for (const [id, e, secrets] of all({ ...everything, SlackBotTokenArn: '', GitHubTokenArn: '' })) assert.deepEqual([...posts(e), token(secrets)], [undefined, undefined, undefined, undefined], id)
  assert.deepEqual(posts(variables(resolve(load('cicd.yaml'), everything).ForkTask.Properties)), [undefined, undefined, undefined])
})

test('settings of Slack that the runner would refuse are refused', () => {
  const { SlackBotTokenArn, SlackChannel } = everything
  for (const name of ['cicd.yaml', 'environment.yaml']) {
    const given = sample(name) ?? {}
    assert.deepEqual(refused(load(name), { ...given, SlackBotTokenArn, SlackChannel, SlackUsers: 'a@b.c=U0123456789,d@e.f=W0123456789' }), [])
    assert.deepEqual(refused(load(name), { ...given, SlackBotTokenArn }), ['SlackBotTokenArn needs SlackChannel, the id of a channel.'])
    for (const SlackUsers of ['ana', 'ana=U0123456789', 'a@b.c=ana', 'a@b.c=U0123456789, d@e.f=U0123456788', 'a@b.c=U0123456789,']) assert.deepEqual(refused(load(name), { ...given, SlackUsers }), ['SlackUsers'], SlackUsers)
    assert.deepEqual([refused(load(name), { ...given, SlackChannel: '#builds' }), refused(load(name), { ...given, GitHubComment: 'true' })], [['SlackChannel'], ['GitHubComment']])
  }
})

test('a proxy, a larger disk and ARM64 reach every task', () => {
  const given = { HttpProxy: 'http://proxy:3128', BuildDisk: 100, TestDisk: 100, MigrateDisk: 100, DeployDisk: 100, Architecture: 'ARM64' }
  for (const stack of [resolve(load('cicd.yaml'), given), environment('staging', given)]) {
    for (const [id, { Properties: p }] of Object.entries(stack).filter(([, r]) => r.Type === 'AWS::ECS::TaskDefinition')) {
      const e = variables(p)
      assert.deepEqual([e.HTTP_PROXY, e.HTTPS_PROXY, p.EphemeralStorage, p.RuntimePlatform.CpuArchitecture], ['http://proxy:3128', 'http://proxy:3128', { SizeInGiB: 100 }, 'ARM64'], id)
      assert.match(e.NO_PROXY, /169\.254\.170\.2/, 'credentials of the task do not come by the proxy')
    }
  }
  for (const [id, p] of tasks) assert.deepEqual([variables(p).HTTP_PROXY, p.EphemeralStorage], [undefined, undefined], id)
})

const DIGEST = 'r.example/redis@sha256:0a1b:6379'
for (const [what, given, id, want] of [
  ['none', {}, 'TestTask', []],
  ['one', { TestServices: 'db=postgres:17:5432' }, 'BranchTestTask', [['db', 'postgres:17', '5432']]],
  ['those of tests, beside pull requests from forks', { TestServices: `db=postgres:17:5432,cache=${DIGEST}` }, 'ForkTask', [['db', 'postgres:17', '5432'], ['cache', 'r.example/redis@sha256:0a1b', '6379']]],
  ['three', { BuildServices: 'a=b/c:1:1,b-2=d:2:2,c=e:3-alpine:3' }, 'BranchBuildTask', [['a', 'b/c:1', '1'], ['b-2', 'd:2', '2'], ['c', 'e:3-alpine', '3']]],
  ['none of another kind', { TestServices: 'db=postgres:17:5432' }, 'BuildTask', []],
]) {
  test(`a task has services: ${what}`, () => {
    assert.deepEqual(refused(load('cicd.yaml'), given), [])
    const [runner, ...services] = resolve(load('cicd.yaml'), given)[id].Properties.ContainerDefinitions
    assert.deepEqual(services.map((c) => [c.Name, c.Image, c.Environment.find((e) => e.Name === 'SERVICE_PORT').Value]), want)
    assert.equal(runner.Name, 'runner')
    assert.deepEqual(runner.DependsOn, want.length ? want.map(([name]) => ({ ContainerName: name, Condition: 'START' })) : undefined)
    assert.equal(runner.Environment.find((e) => e.Name === 'RUNNER_SERVICES')?.Value, want.length ? want.map(([n, i, p]) => `${n}=${i}:${p}`).join(',') : undefined)
    for (const c of services) {
      assert.deepEqual([c.Essential, c.Secrets, c.Memory, c.LogConfiguration.Options['awslogs-stream-prefix']], [false, undefined, undefined, 'service'])
      assert.equal(c.HealthCheck.Command[0], 'CMD-SHELL')
    }
  })
}

test('services that the tasks could not have are refused', () => {
  for (const value of ['postgres:17:5432', 'db=postgres:5432', 'db=postgres:17', 'Db=postgres:17:5432', 'a=b:1:1,', 'a=b:1:1,b=b:1:1,c=b:1:1,d=b:1:1', 'a=b:1:1, b=b:1:1', 'a=host:5000/b:1:1']) {
    assert.deepEqual(refused(load('cicd.yaml'), { TestServices: value }), ['TestServices'], value)
  }
})

// The check of the template, in a shell that has nc, and in one that has bash only.
test('a service is healthy once its port accepts connections', async () => {
  const check = resolve(load('cicd.yaml'), { TestServices: 'db=postgres:17:5432' }).TestTask.Properties.ContainerDefinitions[1].HealthCheck.Command[1]
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const bin = mkdtempSync(join(tmpdir(), 'no-nc-'))
  symlinkSync('/bin/bash', join(bin, 'bash'))
  const ask = (PATH) => promisify(execFile)('/bin/sh', ['-c', check], { env: { PATH, SERVICE_PORT: String(server.address().port) }, timeout: 20000 })
  await ask(process.env.PATH)
  await ask(bin)
  await new Promise((closed) => server.close(closed))
  const closed = createServer().listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const { port } = closed.address()
  await new Promise((done) => closed.close(done))
  await assert.rejects(promisify(execFile)('/bin/sh', ['-c', check], { env: { PATH: process.env.PATH, SERVICE_PORT: String(port) } }))
  rmSync(bin, { recursive: true })
})

test('a repository has a bucket, images, logs and secrets of its own', () => {
  const own = (name, given = {}) => resolve(load('cicd.yaml'), { ArtifactBucket: '', ...given }, name)
  const [one, two] = [own('ci-one'), own('ci-two')]
  for (const stack of [one, two]) for (const id of ['Bucket', 'Repository', 'BuildLogs', 'Table', 'Bus', 'Topic', 'Dlq']) assert.ok(stack[id], id)
  const text = (stack) => JSON.stringify(stack)
  assert.doesNotMatch(text(one), /ci-two/)
  assert.doesNotMatch(text(two), /ci-one/)
  assert.match(text(one.SecretsPolicy), /secret:ci-one\/\$\{aws:PrincipalTag\/step\}/)
  const shared = own('ci-one', { ArtifactBucket: 'mine', RepositoryName: 'ci/mine', SecretsPrefix: 'ci/mine' })
  assert.deepEqual([shared.Bucket, shared.Repository], [undefined, undefined])
  assert.match(text(shared.SecretsPolicy), /secret:ci\/mine\//)
  assert.equal(shared.BuildTask.Properties.ContainerDefinitions[0].Image, '123456789012.dkr.ecr.eu-west-1.amazonaws.com/ci/mine:0123abc')
})

test('what is kept after the stack has no fixed name, so that the stack can be made again', () => {
  for (const name of templates) for (const [id, r] of Object.entries(load(name).Resources)) {
    if (!/^Retain/.test(r.DeletionPolicy ?? '')) continue
    for (const property of ['BucketName', 'RepositoryName', 'Name', 'LogGroupName', 'RoleName']) assert.ok(!(property in (r.Properties ?? {})), `${name}: ${id} has a ${property}`)
  }
})

test('a key of your own encrypts what is stored', () => {
  const KmsKeyArn = 'arn:aws:kms:eu-west-1:123456789012:key/1', r = resolve(load('cicd.yaml'), { KmsKeyArn, ArtifactBucket: '', RepositoryName: '' })
  const found = {
    Bucket: r.Bucket.Properties.BucketEncryption.ServerSideEncryptionConfiguration[0].ServerSideEncryptionByDefault.KMSMasterKeyID, Repository: r.Repository.Properties.EncryptionConfiguration.KmsKey,
    BuildLogs: r.BuildLogs.Properties.KmsKeyId, ImageLogs: r.ImageLogs.Properties.KmsKeyId, MachineLogs: r.MachineLogs.Properties.KmsKeyId, Table: r.Table.Properties.SSESpecification.KMSMasterKeyId, Dlq: r.Dlq.Properties.KmsMasterKeyId, Topic: r.Topic.Properties.KmsMasterKeyId,
    Logs: environment('staging', { KmsKeyArn }).Logs.Properties.KmsKeyId, Secret: resolve(load('webhook.yaml'), { ...sample('webhook.yaml'), KmsKeyArn }).Secret.Properties.KmsKeyId,
  }
  for (const [id, key] of Object.entries(found)) assert.equal(key, KmsKeyArn, id)
  assert.equal(resolve(load('cicd.yaml')).Topic.Properties.KmsMasterKeyId, undefined)
})

test('names that mean something else, or that would end up as a pattern or as JSON, are refused', () => {
  const name = (given) => refused(load('cicd.yaml'), given), env = (EnvironmentName) => refused(load('environment.yaml'), { ...sample('environment.yaml'), EnvironmentName })
  for (const given of [{}, { Environments: 'dev,eu,build,deploy', ApprovalEnvironments: '', OwnSteps: 'lint,e2e.web', OwnArtifacts: 'reports', TagPrefix: 'release/', MainBranch: 'release/main' }]) assert.deepEqual(name(given), [], JSON.stringify(given))
  for (const e of ['schedule', 'forks', 'artifacts', 'checks']) {
    assert.match(name({ Environments: `dev,${e}` }).join(), /^Environments cannot be called/, e)
    assert.match(name({ ReleaseEnvironments: `dev,${e}` }).join(), /^ReleaseEnvironments cannot be called/, e)
    assert.match(env(e).join(), /cannot be called/, e)
  }
  for (const e of ['staging', 'build', 'a-1']) assert.deepEqual(env(e), [])
  for (const s of ['build', 'test', 'migrate', 'deploy']) for (const p of ['OwnSteps', 'OwnBuildSteps', 'OwnMigrateSteps', 'OwnDeploySteps']) assert.match(name({ [p]: `lint,${s}` }).join(), new RegExp(`^${p} cannot have`), s)
  for (const k of ['builds', 'coverage', 'manifests', 'runs', 'tests', 'deployments', 'locks', 'cache', 'pr']) assert.match(name({ OwnArtifacts: `reports,${k}` }).join(), /^OwnArtifacts cannot have/, k)
  for (const t of ['h', 'heads', 'heads/', 'in', 'index/']) assert.match(name({ TagPrefix: t }).join(), /^TagPrefix cannot be/, t)
  for (const [p, v] of [['Environments', 'dev, eu'], ['Environments', 'dev","x'], ['ApprovalEnvironments', 'Production'], ['OwnSteps', 'lint,*'], ['OwnSteps', 'a/b'], ['OwnArtifacts', '*'], ['OwnArtifacts', 'a/b'], ['ScheduleSteps', 'a"b'], ['OperatorApprovals', 'staging,*'], ['MainBranch', 'ma*n'], ['TagPrefix', '*'], ['ArtifactBucket', 'a*']]) assert.deepEqual(name({ [p]: v }), [p], `${p}=${v}`)
  const target = { ...sample('environment.yaml'), TargetMigrateRoleArn: 'arn:aws:iam::222222222222:role/m' }
  assert.match(refused(load('environment.yaml'), target).join(), /need TargetExternalId/)
  assert.match(refused(load('base.yaml'), { VpcId: 'vpc-1' }).join(), /needs SubnetIds/)
})

// Types that CloudFormation cannot tag.
const untagged = ['AWS::IAM::ManagedPolicy', 'AWS::IAM::Policy', 'AWS::IAM::RolePolicy', 'AWS::IAM::ServiceLinkedRole', 'AWS::Events::Connection', 'AWS::Events::ApiDestination', 'AWS::Scheduler::Schedule', 'AWS::SNS::Subscription', 'AWS::SNS::TopicPolicy', 'AWS::SQS::QueuePolicy', 'AWS::S3::BucketPolicy', 'AWS::CloudWatch::Dashboard', 'AWS::Lambda::Url', 'AWS::Lambda::Permission', 'AWS::EC2::VPCGatewayAttachment', 'AWS::EC2::Route', 'AWS::EC2::SubnetRouteTableAssociation', 'AWS::EC2::SecurityGroupIngress']
test('every resource that can be tagged is tagged with its pipeline', () => {
  for (const name of templates) for (const [id, r] of Object.entries(load(name).Resources)) {
    if (untagged.includes(r.Type)) continue
    const tags = r.Properties.Tags
    assert.ok(Array.isArray(tags) ? tags.some((t) => t.Key === 'pipeline') : tags?.pipeline, `${name}: ${id} (${r.Type})`)
  }
})

test('a new account reserves no concurrency and makes the role of ECS on demand', () => {
  const webhook = (given) => resolve(load('webhook.yaml'), { ...sample('webhook.yaml'), ...given })
  assert.equal(webhook({}).Webhook.Properties.ReservedConcurrentExecutions, undefined)
  assert.equal(webhook({ ReservedConcurrency: 5 }).Webhook.Properties.ReservedConcurrentExecutions, 5)
  assert.equal(resolve(load('cicd.yaml')).EcsRole, undefined)
  assert.equal(resolve(load('cicd.yaml'), { EcsServiceLinkedRole: 'create' }).EcsRole.Properties.AWSServiceName, 'ecs.amazonaws.com')
  assert.equal(load('cicd.yaml').Resources.Cluster.DependsOn, 'EcsRole')
})

test('the status of a commit is set by an API destination of GitHub', () => {
  const r = resolve(load('cicd.yaml'), everything)
  assert.equal(r.GitHubStatuses.Properties.InvocationEndpoint, 'https://api.github.com/repos/acme/shop/statuses/*')
  assert.deepEqual(r.StatusRule.Properties.Targets[0].HttpParameters.PathParameterValues, ['$.detail.sha'])
  assert.equal(r.GitHubConnection.Properties.AuthParameters.ApiKeyAuthParameters.ApiKeyValue, `Bearer {{resolve:secretsmanager:${everything.GitHubTokenArn}}}`)
  assert.equal(resolve(load('cicd.yaml')).StatusRule, undefined, 'without a token there is none')
})

test("the pipeline's outputs are the environment's parameters, and those of target.yaml too", () => {
  const own = ['EnvironmentName', 'StackName', 'ExternalId']
  const required = (name) => Object.entries(load(name).Parameters).filter(([, p]) => !('Default' in p)).map(([n]) => n)
  const outputs = (...names) => names.flatMap((n) => Object.keys(load(n).Outputs))
  for (const n of required('environment.yaml')) assert.ok([...outputs('cicd.yaml'), ...own].includes(n), n)
  for (const n of required('target.yaml')) assert.ok([...outputs('cicd.yaml', 'environment.yaml'), ...own].includes(n), n)
  for (const n of ['TargetRoleArn', 'TargetMigrateRoleArn', 'TargetExternalId', 'TargetRegion']) assert.ok(load('environment.yaml').Parameters[n] && load('target.yaml').Outputs[n], n)
  for (const n of ['SubnetIds', 'SecurityGroupId', 'AssignPublicIp', 'KmsKeyArn']) assert.ok(load('base.yaml').Outputs[n] && load('cicd.yaml').Parameters[n], n)
})

test('the README has every parameter, with its default or as an output of the stack before', () => {
  const readme = source('README.md'), passedOn = new Set(Object.keys(load('cicd.yaml').Outputs))
  for (const name of templates) {
    const section = readme.slice(readme.indexOf(`\n### ${name}`)).split('\n### ')[1]
    for (const [p, { Default: d }] of Object.entries(load(name).Parameters)) {
      const row = d === undefined ? 'required' : d === '' ? 'empty' : `\`${d}\``
      const output = name === 'environment.yaml' && passedOn.has(p) && section.includes(`\`${p}\``)
      assert.ok(output || section.includes(`| \`${p}\` | ${row} |`), `${name}: ${p} ${row}`)
    }
  }
  for (const size of Object.keys(load('cicd.yaml').Mappings.Sizes)) assert.ok(readme.includes(`\`${size}\``), size)
})
