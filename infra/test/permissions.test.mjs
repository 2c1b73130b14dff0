// Who may do what: the policies of the templates, decided as IAM decides.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decide, iam, options, resources, table } from './permissions.mjs'
import { ACCOUNT, environment, load, resolve, sample, source } from './template.mjs'

for (const [sentence, rows] of Object.entries(table)) {
  test(sentence, async () => {
    for (const row of rows) assert.equal(await decide(row), row[0], `${row.slice(1, 4).join(' ')} ${JSON.stringify(row[4] ?? {})}`)
  })
}

const documents = Object.entries(resources).flatMap(([id, r]) => [
  ...(r.Properties.Policies ?? []).map((p) => p.PolicyDocument), ...(/Policy$/.test(r.Type) && r.Type.startsWith('AWS::IAM') ? [r.Properties.PolicyDocument] : []),
].map((d) => [id, d]))
const written = documents.flatMap(([id, d]) => d.Statement.map((s) => [id, s]))

test('no action is a pattern', () => {
  assert.ok(written.length > 60)
  for (const [id, s] of written) for (const a of [s.Action].flat()) assert.doesNotMatch(a, /\*/, id)
})

test('a resource of * is there only where AWS knows no other, with a comment', () => {
  const free = ['ecr:GetAuthorizationToken', 'secretsmanager:BatchGetSecretValue', 'cloudformation:ListStacks', 'cloudformation:ValidateTemplate', 'ecs:DescribeTaskDefinition', /^states:SendTask/, /^ssmmessages:/, /^logs:(\w+LogDeliver|PutResourcePolicy|DescribeResourcePolicies|DescribeLogGroups)/]
  for (const [id, s] of written) if ([s.Resource].flat().includes('*')) for (const a of [s.Action].flat()) assert.ok(free.some((f) => (f.test ? f.test(a) : f === a)), `${id}: ${a}`)
  for (const name of ['base.yaml', 'cicd.yaml', 'environment.yaml', 'target.yaml']) for (const line of source(name).split('\n')) if (/Resource: "\*"/.test(line)) assert.match(line, /# ./)
})

test('policies fit into what IAM allows', () => {
  for (const [id, r] of Object.entries(resources)) {
    const inline = [...(r.Properties.Policies ?? []).map((p) => p.PolicyDocument), ...(r.Type === 'AWS::IAM::Role' ? documents.filter(([n]) => resources[n].Type === 'AWS::IAM::Policy' && resources[n].Properties.Roles.includes(id)).map(([, d]) => d) : [])]
    assert.ok(JSON.stringify(inline).length <= 10_240, `${id}: inline policies`)
    if (r.Type === 'AWS::IAM::ManagedPolicy') assert.ok(JSON.stringify(r.Properties.PolicyDocument).length <= 6_144, id)
  }
})

test('without a token for forks their execution role fetches the image and writes the log, nothing else', () => {
  const all = resolve(load('cicd.yaml'), { ...options, ForkTokenArn: '' })
  assert.deepEqual(Object.entries(all).filter(([, r]) => r.Type === 'AWS::IAM::Policy' && r.Properties.Roles.includes('ForkExecutionRole')), [])
  assert.deepEqual(all.ForkExecutionRole.Properties.ManagedPolicyArns, [`arn:aws:iam::${ACCOUNT}:policy/ExecutionPolicy`])
})

// Trust. A service acts for this account only; for CloudFormation's roles AWS documents no such condition.
test('every trust in a service names this account', () => {
  for (const [id, r] of Object.entries(resources).filter(([, r]) => r.Type === 'AWS::IAM::Role')) {
    for (const s of r.Properties.AssumeRolePolicyDocument.Statement.filter((x) => x.Principal.Service && x.Principal.Service !== 'cloudformation.amazonaws.com')) {
      assert.equal(s.Condition?.StringEquals?.['aws:SourceAccount'], ACCOUNT, id)
    }
  }
})

test('the roles of another account trust one role each, with an external id', () => {
  for (const [id, role] of [['target-DeployRole', 'abroad-DeployRole'], ['target-MigrateRole', 'abroad-MigrateRole']]) {
    assert.deepEqual(resources[id].Properties.AssumeRolePolicyDocument.Statement, [
      { Effect: 'Allow', Principal: { AWS: iam(role) }, Action: 'sts:AssumeRole', Condition: { StringEquals: { 'sts:ExternalId': 'shop-1' } } },
    ], id)
  }
})

test('the task that deploys to another account knows role, external id, account and region', () => {
  const variables = (id, given) => Object.fromEntries(environment('abroad', given)[id].Properties.ContainerDefinitions[0].Environment.map((e) => [e.Name, e.Value]))
  const target = { TargetRoleArn: 'arn:aws:iam::222222222222:role/deploy', TargetMigrateRoleArn: 'arn:aws:iam::222222222222:role/migrate', TargetExternalId: 'shop-1', TargetRegion: 'us-west-2' }
  for (const [id, role] of [['DeployTask', 'deploy'], ['MigrateTask', 'migrate']]) {
    const { RUNNER_ROLE, RUNNER_EXTERNAL_ID, RUNNER_ACCOUNT, RUNNER_REGION } = variables(id, target)
    assert.deepEqual([RUNNER_ROLE, RUNNER_EXTERNAL_ID, RUNNER_ACCOUNT, RUNNER_REGION], [`arn:aws:iam::222222222222:role/${role}`, 'shop-1', '222222222222', 'us-west-2'])
    assert.equal(variables(id).RUNNER_ROLE, undefined)
  }
  const role = environment('abroad', { TargetRegion: 'us-west-2' })
  assert.match(role.DeployStack.Properties.PolicyDocument.Statement[0].Resource, /:us-west-2:/, 'another region of this account needs no other role')
})

test('topics and queues accept messages of this account only', () => {
  for (const id of ['TopicPolicy', 'DlqPolicy']) for (const s of resources[id].Properties.PolicyDocument.Statement) assert.match(s.Condition.ArnLike['aws:SourceArn'], new RegExp(`:${ACCOUNT}:`), id)
})

test('a permissions boundary is on every role', () => {
  const PermissionsBoundaryArn = 'arn:aws:iam::123456789012:policy/boundary'
  let roles = 0
  for (const name of ['base.yaml', 'cicd.yaml', 'environment.yaml', 'target.yaml', 'webhook.yaml']) {
    const given = { ...sample(name), GitHubRoles: 'true', PermissionsBoundaryArn }
    for (const [id, r] of Object.entries(resolve(load(name), name === 'base.yaml' ? { VpcId: '' } : given))) if (r.Type === 'AWS::IAM::Role') {
      assert.equal(r.Properties.PermissionsBoundary, PermissionsBoundaryArn, `${name}: ${id}`)
      roles++
    }
  }
  assert.ok(roles > 20, `${roles} roles`)
})

test('in another partition each ARN and each audience is one of it', () => {
  for (const [partition, region, suffix] of [['aws-cn', 'cn-north-1', 'amazonaws.com.cn'], ['aws-us-gov', 'us-gov-west-1', 'amazonaws.com']]) {
    const there = { 'AWS::Partition': partition, 'AWS::Region': region, 'AWS::URLSuffix': suffix }
    for (const name of ['base.yaml', 'cicd.yaml', 'environment.yaml', 'target.yaml', 'webhook.yaml']) {
      const given = JSON.parse(JSON.stringify(sample(name) ?? {}).replaceAll('arn:aws:', `arn:${partition}:`).replace('eu-west-1.amazonaws.com', `${region}.${suffix}`))
      const all = JSON.stringify(resolve(load(name), { ...given, VpcId: '', CreateKey: 'true', ArtifactBucket: '', GitHubRoles: 'true', ...(name === 'environment.yaml' ? { ArtifactBucket: 'artifacts' } : {}) }, 'cicd', there))
      for (const [found] of all.matchAll(/\barn:aws[a-z-]*:/g)) assert.equal(found, `arn:${partition}:`, name)
      for (const [found] of all.matchAll(/dkr\.ecr\.[^/"]+/g)) assert.equal(found, `dkr.ecr.${region}.${suffix}`, name)
      for (const [found] of all.matchAll(/:aud":"[^"]+/g)) assert.equal(found, `:aud":"sts.${suffix}`, name)
    }
  }
})
