// The templates as documents: what CloudFormation, carlin and the rules for good accounts make of them.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { infra, load, resolve, source } from './template.mjs'

const templates = readdirSync(infra).filter((n) => n.endsWith('.yaml'))
const everything = { AlarmEmail: 'a@example.com', SlackWebhookUrl: 'https://hooks.slack.com/services/x', SlackWebhookArn: 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:s', GitHubRoles: 'true', GitHubTokenArn: 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:t' }
const ours = ['base.yaml', 'cicd.yaml']

test('cfn-lint has nothing to say', () => {
  execFileSync('cfn-lint', templates.map((n) => infra + n), { stdio: ['ignore', 'inherit', 'inherit'] })
})

for (const name of templates) {
  test(`${name} has only what carlin's reader knows`, () => {
    const text = source(name)
    assert.doesNotMatch(text.replaceAll(/#.*$/gm, ''), /[\s[{,]!(Ref|Sub|GetAtt|Join|If|Select|Split|Not|And|Or|Equals|FindInMap|ImportValue|GetAZs|Base64|Cidr)\b/, 'intrinsics in their long form')
    assert.doesNotMatch(text, /Version: *20\d\d-/, 'a date without quotes is a date')
    assert.ok(text.length < 1_000_000 / 2)
  })
}

test('base.yaml is sent as it is; cicd.yaml goes by way of the bucket', () => {
  const size = (n) => Math.max(source(n).length, JSON.stringify(load(n)).length)
  assert.ok(size('base.yaml') <= 51_200, 'the limit of a template that is sent in the request')
  assert.ok(size('cicd.yaml') <= 100_000, `${size('cicd.yaml')} bytes: keep an eye on it`)
})

// Rules of AWS Control Tower. Those that do not hold, and why that is meant.
const meant = {
  'ct-s3-pr-2': 'access logs of artifacts cost more than the artifacts',
  'ct-s3-pr-4': 'nobody waits for objects',
  'ct-s3-pr-9': 'an object lock would keep what the lifecycle is to delete',
  'ct-s3-pr-10': 'encrypted with keys of S3; a key of your own goes with RUNNER_S3_KMS_KEY',
  'ct-dynamodb-pr-1': 'what is under way now is worth nothing tomorrow',
  'ct-dynamodb-pr-2': 'encrypted with a key of DynamoDB',
  'ct-cloudwatch-pr-2': 'retention is a parameter, 90 days by default',
  'ct-cloudwatch-pr-3': 'encrypted with keys of CloudWatch',
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
    const whole = { AWSTemplateFormatVersion: '2010-09-09', Resources: resolve(template, everything) }
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

test('the templates keep the rules of Control Tower, but for those that are not meant to hold', () => {
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
  ['a bucket that is deleted with the stack', 'base.yaml', (r) => { r.ArtifactBucket.DeletionPolicy = 'Delete' }],
  ['an alarm that nobody hears', 'cicd.yaml', (r) => { r.DlqAlarm.Properties.AlarmActions = [] }],
]) {
  test(`our rules see ${what}`, () => assert.notDeepEqual(violations(own, name, (t) => { change(t.Resources); return t }), []))
}

test('of the bucket all that is not deployed ends, and only that', () => {
  const rules = resolve(load('base.yaml')).ArtifactBucket.Properties.LifecycleConfiguration.Rules
  const ends = (key, tags = {}) => rules.some((r) => r.ExpirationInDays && key.startsWith(r.Prefix ?? '') && (r.TagFilters ?? []).every((t) => tags[t.Key] === t.Value))
  const build = load('cicd.yaml').Resources.BuildTask.Properties.ContainerDefinitions[0].Environment.find((e) => e.Name === 'RUNNER_S3_TAGS').Value
  const tags = Object.fromEntries(new URLSearchParams(build))
  for (const key of ['coverage/main/1/a', 'manifests/coverage/main/1.json', 'runs/main/1/test/2/finished.json']) assert.ok(ends(key), key)
  for (const key of ['builds/main/1/a.js', 'manifests/builds/main/1.json']) {
    assert.ok(ends(key, tags), `${key} as the build task puts it`)
    assert.ok(!ends(key, { retention: 'deployed' }), `${key} once it is deployed`)
    assert.ok(!ends(key), `${key} put by somebody else`)
  }
  for (const key of ['locks/production/Shop.json', 'deployments/production/Shop/1.json', 'tests/main/history.json']) assert.ok(!ends(key), key)
  assert.ok(rules.some((r) => r.AbortIncompleteMultipartUpload?.DaysAfterInitiation === 1 && !r.TagFilters))
})

test('a set stays readable as long as its manifest: old versions last as long again', () => {
  const rules = Object.fromEntries(resolve(load('base.yaml')).ArtifactBucket.Properties.LifecycleConfiguration.Rules.map((r) => [r.Id, r]))
  for (const id of ['builds', 'coverage']) assert.ok(rules[id].NoncurrentVersionExpiration.NoncurrentDays >= rules[`manifests-of-${id}`].ExpirationInDays)
})

test('steps differ by what they are for', () => {
  const r = resolve(load('cicd.yaml'))
  const tasks = Object.entries(r).filter(([, x]) => x.Type === 'AWS::ECS::TaskDefinition')
  assert.equal(tasks.length, 6)
  for (const role of ['TaskRoleArn', 'ExecutionRoleArn']) assert.equal(new Set(tasks.map(([, t]) => t.Properties[role])).size, 6)
  for (const [id, t] of tasks) {
    const e = Object.fromEntries(t.Properties.ContainerDefinitions[0].Environment.map((x) => [x.Name, x.Value]))
    const role = r[t.Properties.TaskRoleArn.split('/')[1]].Properties.Tags.find((x) => x.Key === 'step').Value
    assert.equal(role, e.ENVIRONMENT ? `${e.PIPELINE_STEP}-${e.ENVIRONMENT}` : e.PIPELINE_STEP, `${id} has the role of its step`)
    assert.equal(load('cicd.yaml').Resources[id].UpdateReplacePolicy, 'Retain')
  }
})

test('the README has every parameter, with its default', () => {
  const readme = source('README.md')
  for (const name of ours) for (const [p, { Default: d }] of Object.entries(load(name).Parameters)) {
    const row = d === undefined ? 'required' : d === '' ? 'empty' : `\`${d}\``
    assert.ok(readme.includes(`| \`${p}\` | ${row} |`), `${p} ${row}`)
  }
  for (const size of Object.keys(load('cicd.yaml').Mappings.Sizes)) assert.ok(readme.includes(`\`${size}\``), size)
})
