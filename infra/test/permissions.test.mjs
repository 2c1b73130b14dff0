// Who may do what: the policies of the templates, put to the question as IAM would decide.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runSimulation } from '@cloud-copilot/iam-simulate'
import { ACCOUNT, REGION, load, resolve, source } from './template.mjs'

const all = resolve(load('cicd.yaml'), { GitHubRoles: 'true', GitHubTokenArn: `arn:aws:secretsmanager:${REGION}:${ACCOUNT}:secret:github-x1`, SlackWebhookArn: `arn:aws:secretsmanager:${REGION}:${ACCOUNT}:secret:slack-x1` })

// Policies and tags of a role, as far as they are in the template.
function role(name) {
  const p = all[name].Properties
  const policies = (p.Policies ?? []).map((x) => ({ name: x.PolicyName, policy: x.PolicyDocument }))
  for (const arn of p.ManagedPolicyArns ?? []) policies.push({ name: arn, policy: all[arn.split('/')[1]].Properties.PolicyDocument })
  for (const [id, r] of Object.entries(all)) if (r.Type === 'AWS::IAM::Policy' && r.Properties.Roles.includes(name)) policies.push({ name: id, policy: r.Properties.PolicyDocument })
  return { policies, tags: Object.fromEntries((p.Tags ?? []).map((t) => [`aws:PrincipalTag/${t.Key}`, t.Value])) }
}

async function decide(name, action, resource, context = {}) {
  const { policies, tags } = role(name)
  const { result, overallResult, errors } = flat(await runSimulation({
    request: { principal: `arn:aws:iam::${ACCOUNT}:role/${name}`, action, resource: { resource, accountId: ACCOUNT }, contextVariables: { ...tags, ...context } },
    identityPolicies: policies, serviceControlPolicies: [], resourceControlPolicies: [],
  }, {}))
  assert.ok(!errors, JSON.stringify(errors))
  return overallResult ?? result
}
const flat = (r) => ({ result: r.analysis?.result, overallResult: r.overallResult, errors: r.resultType === 'error' ? r.errors ?? r : undefined })

const key = (k) => `arn:aws:s3:::artifacts/${k}`
const secret = (n) => `arn:aws:secretsmanager:${REGION}:${ACCOUNT}:secret:${n}`
const stack = (n) => `arn:aws:cloudformation:${REGION}:${ACCOUNT}:stack/${n}/0`
const iam = (n) => `arn:aws:iam::${ACCOUNT}:role/${n}`
const family = (n) => `arn:aws:ecs:${REGION}:${ACCOUNT}:task-definition/cicd-${n}:8`
const tag = (v) => ({ 's3:RequestObjectTag/retention': v, 's3:RequestObjectTagKeys': ['retention'] })
const to = (service) => ({ 'iam:PassedToService': `${service}.amazonaws.com` })
const here = { 'ecs:cluster': `arn:aws:ecs:${REGION}:${ACCOUNT}:cluster/Cluster` }

const table = {
  'build writes builds, and lets go of them': [
    ['yes', 'BuildRole', 's3:PutObject', key('builds/main/1/a.js')],
    ['yes', 'BuildRole', 's3:PutObject', key('manifests/builds/main/1.json')],
    ['yes', 'BuildRole', 's3:PutObject', key('runs/main/1/build/2/finished.json')],
    ['yes', 'BuildRole', 's3:PutObject', key('locks/artifacts/abc.json')],
    ['yes', 'BuildRole', 's3:PutObjectTagging', key('builds/main/1/a.js'), tag('30d')],
    ['no', 'BuildRole', 's3:PutObjectTagging', key('builds/main/1/a.js'), tag('deployed')],
    ...['builds/main/1/a.js', 'manifests/builds/main/1~pending.json', 'manifests/builds/main/1.json'].map((k) => ['no', 'BuildRole', 's3:DeleteObject', key(k)]),
    ['no', 'BuildRole', 's3:DeleteObjectVersion', key('builds/main/1/a.js')],
    ['no', 'BuildRole', 's3:PutObject', key('runs/main/1/test/2/finished.json')],
    ['no', 'BuildRole', 's3:PutObject', key('deployments/production/Shop/1.json')],
  ],
  'test writes coverage and its own records, no builds': [
    ['yes', 'TestRole', 's3:PutObject', key('coverage/main/1/a')],
    ['yes', 'TestRole', 's3:PutObject', key('manifests/coverage/main/latest.json')],
    ['yes', 'TestRole', 's3:PutObject', key('runs/main/1/test/2/finished.json')],
    ['yes', 'TestRole', 's3:PutObject', key('runs/main/1/audit@schedule/2/finished.json')],
    ['yes', 'TestRole', 's3:GetObject', key('builds/main/1/a.js')],
    ['no', 'TestRole', 's3:PutObject', key('builds/main/1/a.js')],
    ['no', 'TestRole', 's3:PutObject', key('manifests/builds/main/1.json')],
    ['no', 'TestRole', 's3:PutObject', key('runs/main/1/build/latest.json')],
    ['yes', 'TestRole', 's3:PutObject', key('runs/main/latest/test/latest.json')],
    ['no', 'TestRole', 's3:PutObject', key('runs/main/latest/deploy@production/latest.json')],
    ['no', 'TestRole', 's3:PutObject', key('runs/main/1/deploy@production/latest.json')],
    ['no', 'TestRole', 's3:PutObject', key('locks/production/Shop.json')],
    ['no', 'TestRole', 's3:PutObjectTagging', key('builds/main/1/a.js'), tag('deployed')],
  ],
  'test deletes nothing, not even what it has put': [
    ...['coverage/main/latest/a', 'manifests/coverage/main/1~pending.json', 'manifests/coverage/main/1.json', 'builds/main/1/a.js', 'manifests/builds/main/1.json', 'runs/main/1/test/2/finished.json', 'tests/main/history.json', 'locks/artifacts/a.json', 'deployments/staging/Shop/1.json']
      .map((k) => ['no', 'TestRole', 's3:DeleteObject', key(k)]),
    ...['coverage/main/latest/a', 'builds/main/1/a.js', 'runs/main/1/test/2/finished.json'].map((k) => ['no', 'TestRole', 's3:DeleteObjectVersion', key(k)]),
  ],
  'build and test cannot touch CloudFormation': ['BuildRole', 'TestRole'].flatMap((r) => [
    ...['CreateStack', 'UpdateStack', 'DeleteStack', 'DescribeStacks', 'CreateChangeSet'].map((a) => ['no', r, `cloudformation:${a}`, stack('Shop-Staging')]),
    ['no', r, 'iam:PassRole', iam('ProductionStackRole'), to('cloudformation')],
  ]),
  'deploy has its stack, its lock and its history, and no other': [
    ['yes', 'DeployStagingRole', 'cloudformation:UpdateStack', stack('Shop-Staging')],
    ['no', 'DeployStagingRole', 'cloudformation:UpdateStack', stack('Shop-Production')],
    ['yes', 'DeployProductionRole', 'cloudformation:UpdateStack', stack('Shop-Production')],
    ['yes', 'DeployProductionRole', 'cloudformation:RollbackStack', stack('Shop-Production')],
    ['no', 'DeployProductionRole', 'cloudformation:DeleteStack', stack('Shop-Production')],
    ['no', 'DeployProductionRole', 'cloudformation:UpdateStack', stack('Shop-Staging')],
    ['yes', 'DeployStagingRole', 'iam:PassRole', iam('StagingStackRole'), to('cloudformation')],
    ['no', 'DeployStagingRole', 'iam:PassRole', iam('ProductionStackRole'), to('cloudformation')],
    ['no', 'DeployStagingRole', 'iam:PassRole', iam('StagingStackRole'), to('lambda')],
    ['yes', 'DeployStagingRole', 's3:PutObject', key('locks/staging/Shop-Staging.json')],
    ['no', 'DeployStagingRole', 's3:PutObject', key('locks/production/Shop-Production.json')],
    ['yes', 'DeployProductionRole', 's3:PutObject', key('deployments/production/Shop-Production/1.json')],
    ['no', 'DeployProductionRole', 's3:PutObject', key('deployments/staging/Shop-Staging/1.json')],
    ['yes', 'DeployProductionRole', 's3:PutObject', key('runs/main/1/deploy@production/2/finished.json')],
    ['no', 'DeployProductionRole', 's3:PutObject', key('runs/main/1/test/latest.json')],
    ['no', 'DeployProductionRole', 's3:PutObject', key('builds/main/1/a.js')],
    ['no', 'DeployProductionRole', 's3:DeleteObject', key('builds/main/1/a.js')],
    ['yes', 'DeployProductionRole', 's3:PutObjectVersionTagging', key('builds/main/1/a.js'), tag('deployed')],
    ['no', 'DeployProductionRole', 's3:PutObjectTagging', key('builds/main/1/a.js'), tag('30d')],
  ],
  'a step reads its own secrets': [
    ...[['BuildRole', 'build'], ['TestRole', 'test'], ['MigrateStagingRole', 'migrate-staging'], ['DeployStagingRole', 'deploy-staging'], ['MigrateProductionRole', 'migrate-production'], ['DeployProductionRole', 'deploy-production']]
      .flatMap(([r, mine], _, every) => [r, r.replace('Role', 'ExecutionRole')].flatMap((x) => every.map(([, dir]) => [dir === mine ? 'yes' : 'no', x, 'secretsmanager:GetSecretValue', secret(`ci/${dir}/database-a1b2c3`)]))),
    ['no', 'DeployStagingRole', 'ssm:GetParameters', `arn:aws:ssm:${REGION}:${ACCOUNT}:parameter/ci/deploy-production/key`],
    ['yes', 'DeployProductionRole', 'ssm:GetParameters', `arn:aws:ssm:${REGION}:${ACCOUNT}:parameter/ci/deploy-production/key`],
    ['no', 'TestRole', 'secretsmanager:GetSecretValue', secret('github-x1')],
    ['yes', 'TestExecutionRole', 'secretsmanager:GetSecretValue', secret('github-x1')],
    ['no', 'TestRole', 'secretsmanager:GetSecretValue', secret('slack-x1')],
    ...['Build', 'Test', 'MigrateStaging', 'DeployStaging', 'MigrateProduction', 'DeployProduction'].map((t) => ['yes', `${t}ExecutionRole`, 'secretsmanager:GetSecretValue', secret('slack-x1')]),
  ],
  'the machine starts these tasks with these roles, and tells and stops': [
    ['yes', 'MachineRole', 'ecs:RunTask', family('Build'), here],
    ['no', 'MachineRole', 'ecs:RunTask', family('Build'), { 'ecs:cluster': `arn:aws:ecs:${REGION}:${ACCOUNT}:cluster/other` }],
    ['no', 'MachineRole', 'ecs:RunTask', `arn:aws:ecs:${REGION}:${ACCOUNT}:task-definition/other:1`, here],
    ['yes', 'MachineRole', 'iam:PassRole', iam('DeployProductionRole'), to('ecs-tasks')],
    ['no', 'MachineRole', 'iam:PassRole', iam('ProductionStackRole'), to('ecs-tasks')],
    ['yes', 'MachineRole', 'states:StopExecution', `arn:aws:states:${REGION}:${ACCOUNT}:execution:Machine:x`],
    ['no', 'MachineRole', 'states:StopExecution', `arn:aws:states:${REGION}:${ACCOUNT}:execution:Other:x`],
    ['no', 'MachineRole', 'dynamodb:DeleteTable', `arn:aws:dynamodb:${REGION}:${ACCOUNT}:table/Table`],
  ],
  'a workflow starts the pipeline and tests; production is for its environment': [
    ['yes', 'GitHubTriggerRole', 'events:PutEvents', `arn:aws:events:${REGION}:${ACCOUNT}:event-bus/cicd`, { 'events:source': ['ci.github'], 'events:detail-type': ['push'] }],
    ['no', 'GitHubTriggerRole', 'events:PutEvents', `arn:aws:events:${REGION}:${ACCOUNT}:event-bus/cicd`, { 'events:source': ['ci.manual'], 'events:detail-type': ['push'] }],
    ['yes', 'GitHubTriggerRole', 'ecs:RunTask', family('Test'), here],
    ['no', 'GitHubTriggerRole', 'ecs:RunTask', family('DeployProduction'), here],
    ['no', 'GitHubTriggerRole', 'iam:PassRole', iam('DeployProductionRole'), to('ecs-tasks')],
    ['yes', 'GitHubDeployRole', 'ecs:RunTask', family('DeployProduction'), here],
    ['no', 'GitHubDeployRole', 'ecs:RunTask', family('DeployStaging'), here],
    ['no', 'GitHubDeployRole', 'states:StartExecution', `arn:aws:states:${REGION}:${ACCOUNT}:stateMachine:Machine`],
  ],
}

for (const [sentence, rows] of Object.entries(table)) {
  test(sentence, async () => {
    for (const [want, who, action, resource, context] of rows) {
      const got = await decide(who, action, resource, context)
      assert.equal(got === 'Allowed' ? 'yes' : 'no', want, `${who} ${action} ${resource} ${JSON.stringify(context ?? {})}: ${got}`)
    }
  })
}

const statements = Object.entries(all).flatMap(([id, r]) => [
  ...(r.Properties.Policies ?? []).map((p) => p.PolicyDocument), ...(/Policy$/.test(r.Type) && r.Type.startsWith('AWS::IAM') ? [r.Properties.PolicyDocument] : []),
].flatMap((d) => d.Statement.map((s) => [id, s])))

test('no action is everything', () => {
  assert.ok(statements.length > 25)
  for (const [id, s] of statements) for (const a of [s.Action].flat()) assert.doesNotMatch(a, /\*/, id)
})

test('where the resource is everything, AWS knows no other, and a comment says so', () => {
  const free = ['ecr:GetAuthorizationToken', 'cloudformation:ListStacks', 'cloudformation:ValidateTemplate', 'ecs:DescribeTaskDefinition', /^logs:(\w+LogDeliver|PutResourcePolicy|DescribeResourcePolicies|DescribeLogGroups)/]
  for (const [id, s] of statements) if ([s.Resource].flat().includes('*')) for (const a of [s.Action].flat()) assert.ok(free.some((f) => (f.test ? f.test(a) : f === a)), `${id}: ${a}`)
  for (const line of source('cicd.yaml').split('\n')) if (/Resource: "\*"/.test(line)) assert.match(line, /# ./)
})

test('GitHub is trusted with one repository, and for production with one environment', () => {
  const condition = (n) => all[n].Properties.AssumeRolePolicyDocument.Statement[0].Condition
  for (const n of ['GitHubTriggerRole', 'GitHubDeployRole']) assert.equal(condition(n).StringEquals['token.actions.githubusercontent.com:aud'], 'sts.amazonaws.com')
  assert.equal(condition('GitHubTriggerRole').StringLike['token.actions.githubusercontent.com:sub'], 'repo:acme/shop:ref:refs/*')
  assert.equal(condition('GitHubDeployRole').StringEquals['token.actions.githubusercontent.com:sub'], 'repo:acme/shop:environment:production')
})
