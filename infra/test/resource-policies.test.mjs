// What policies of resources and trust policies of roles let others do, decided as IAM decides; and that each statement and each
// condition of theirs makes a difference.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { arn, iam, keyArn, resources, simulate } from './permissions.mjs'
import { ACCOUNT, REGION, load, resolve, sample } from './template.mjs'

const base = resolve(load('base.yaml'), { CreateKey: 'true', VpcId: '' })
const bucket = resolve(load('cicd.yaml'), { ArtifactBucket: '' })
const hook = resolve(load('webhook.yaml'), { ...sample('webhook.yaml'), KmsKeyArn: keyArn })
// The simulator does not know keys of encryption contexts: another one stands for that of logs.
const known = (policy) => JSON.parse(JSON.stringify(policy).replace('kms:EncryptionContext:aws:logs:arn', 'aws:SourceArn'))
const documents = {
  'base.yaml Key': known(base.Key.Properties.KeyPolicy), 'base.yaml TemplateBucketPolicy': base.TemplateBucketPolicy.Properties.PolicyDocument,
  BucketPolicy: bucket.BucketPolicy.Properties.PolicyDocument, 'webhook.yaml Role': hook.Role.Properties.AssumeRolePolicyDocument,
}
for (const [id, r] of Object.entries(resources)) {
  if (/^AWS::(S3::Bucket|SNS::Topic|SQS::Queue)Policy$/.test(r.Type)) documents[id] = r.Properties.PolicyDocument
  if (r.Type === 'AWS::IAM::Role' && !id.startsWith('GitHub')) documents[id] = r.Properties.AssumeRolePolicyDocument // theirs: oidc.test.mjs
}

const mine = { 'aws:SourceAccount': ACCOUNT }, foreign = { 'aws:SourceAccount': '999999999999' }
const from = (service, rest, account = ACCOUNT) => ({ 'aws:SourceArn': `arn:aws:${service}:${REGION}:${account}:${rest}` })
const assumed = (id, service, source, context = {}) => [
  ['yes', id, `${service}.amazonaws.com`, 'sts:AssumeRole', iam(id), { ...mine, ...source, ...context }],
  ['no', id, `${service}.amazonaws.com`, 'sts:AssumeRole', iam(id), { ...source }], ['no', id, `${service}.amazonaws.com`, 'sts:AssumeRole', iam(id), { ...foreign, ...source }],
  ...(Object.keys(source).length ? [['no', id, `${service}.amazonaws.com`, 'sts:AssumeRole', iam(id), mine], ['no', id, `${service}.amazonaws.com`, 'sts:AssumeRole', iam(id), { ...mine, 'aws:SourceArn': Object.values(source)[0].replace(ACCOUNT, '999999999999') }]] : []),
  ['no', id, 'ec2.amazonaws.com', 'sts:AssumeRole', iam(id), { ...mine, ...source }],
]
const tasks = Object.entries(resources).filter(([, r]) => r.Type === 'AWS::IAM::Role' && [r.Properties.AssumeRolePolicyDocument.Statement[0].Principal.Service].flat().includes('ecs-tasks.amazonaws.com')).map(([id]) => id)
const object = 'arn:aws:s3:::bucket/builds/main/x', template = 'arn:aws:s3:::templatebucket/templates/x'
const logs = { 'aws:SourceArn': arn('logs', 'log-group:/carlin-cicd/x') }
const asked = (prefix, more = []) => ({ ...(prefix ? { 'aws:RequestTag/prefix': prefix, 'aws:TagKeys': ['prefix', ...more] } : {}) })
const table = {
  'tasks of this account and region have the roles': tasks.flatMap((id) => assumed(id, 'ecs-tasks', from('ecs', 'task/x'))),
  'services act for this account': [
    ...assumed('MachineRole', 'states', from('states', 'stateMachine:Machine')), ...assumed('PostRole', 'events', from('events', 'rule/x')),
    ...assumed('ImageRole', 'codebuild', from('codebuild', 'project/cicd-image')), ['no', 'ImageRole', 'codebuild.amazonaws.com', 'sts:AssumeRole', iam('ImageRole'), { ...mine, ...from('codebuild', 'project/other') }],
    ...assumed('StartRole', 'events', from('events', 'rule/cicd/BranchRule')), ...assumed('StartRole', 'scheduler', from('scheduler', 'schedule-group/default')), ['no', 'StartRole', 'events.amazonaws.com', 'sts:AssumeRole', iam('StartRole'), { ...mine, ...from('events', 'rule/other/x') }],
    ['yes', 'webhook.yaml Role', 'lambda.amazonaws.com', 'sts:AssumeRole', iam('Role'), mine], ['no', 'webhook.yaml Role', 'lambda.amazonaws.com', 'sts:AssumeRole', iam('Role'), foreign],
    ...['staging', 'production', 'target'].flatMap((e) => [['yes', `${e}-StackRole`, 'cloudformation.amazonaws.com', 'sts:AssumeRole', iam(`${e}-StackRole`)], ['no', `${e}-StackRole`, 'ecs-tasks.amazonaws.com', 'sts:AssumeRole', iam(`${e}-StackRole`)]]),
  ],
  'the store of a fork is for the task of a fork, with a prefix below pr/ and no other tag': ['sts:AssumeRole', 'sts:TagSession'].flatMap((action) => [
    ['yes', 'ForkStoreRole', iam('ForkRole'), action, iam('ForkStoreRole'), asked('pr/5')], ['no', 'ForkStoreRole', iam('BuildRole'), action, iam('ForkStoreRole'), asked('pr/5')],
    ['no', 'ForkStoreRole', iam('ForkRole'), action, iam('ForkStoreRole'), asked('builds/main')], ['no', 'ForkStoreRole', iam('ForkRole'), action, iam('ForkStoreRole'), asked('')], ['no', 'ForkStoreRole', iam('ForkRole'), action, iam('ForkStoreRole'), asked('pr/5', ['step'])],
  ]),
  'the roles of another account trust one role each, with the external id': ['Deploy', 'Migrate'].flatMap((step) => {
    const id = `target-${step}Role`, row = (want, who, context) => [want, id, who, 'sts:AssumeRole', iam(id), context]
    return [row('yes', iam(`abroad-${step}Role`), { 'sts:ExternalId': 'shop-1' }), row('no', iam(`abroad-${step}Role`), {}), row('no', iam(`abroad-${step}Role`), { 'sts:ExternalId': 'shop-2' }), row('no', iam('abroad-OtherRole'), { 'sts:ExternalId': 'shop-1' })]
  }),
  'rules and alarms of this account publish, rules leave what they cannot deliver': [
    ['yes', 'TopicPolicy', 'events.amazonaws.com', 'sns:Publish', arn('sns', 'Topic'), from('events', 'rule/x')], ['no', 'TopicPolicy', 'events.amazonaws.com', 'sns:Publish', arn('sns', 'Topic'), from('events', 'rule/x', '999999999999')],
    ['yes', 'TopicPolicy', 'cloudwatch.amazonaws.com', 'sns:Publish', arn('sns', 'Topic'), { ...mine, ...from('cloudwatch', 'alarm:x') }],
    ['no', 'TopicPolicy', 'cloudwatch.amazonaws.com', 'sns:Publish', arn('sns', 'Topic'), mine], ['no', 'TopicPolicy', 'cloudwatch.amazonaws.com', 'sns:Publish', arn('sns', 'Topic'), from('cloudwatch', 'alarm:x')],
    ['yes', 'DlqPolicy', 'events.amazonaws.com', 'sqs:SendMessage', arn('sqs', 'Dlq'), { ...mine, ...from('events', 'rule/x') }],
    ['no', 'DlqPolicy', 'events.amazonaws.com', 'sqs:SendMessage', arn('sqs', 'Dlq'), mine], ['no', 'DlqPolicy', 'events.amazonaws.com', 'sqs:SendMessage', arn('sqs', 'Dlq'), from('events', 'rule/x')],
  ],
  'nothing is kept or read without TLS': [['BucketPolicy', object], ['base.yaml TemplateBucketPolicy', template]].flatMap(([id, what]) => [
    ['yes', id, iam('someone'), 's3:GetObject', what, { 'aws:SecureTransport': 'true' }, true], ['no', id, iam('someone'), 's3:GetObject', what, { 'aws:SecureTransport': 'false' }, true],
  ]),
  'the key is used by this account, its logs, and rules and alarms': [
    ['yes', 'base.yaml Key', iam('someone'), 'kms:Decrypt', keyArn, {}, true], ['no', 'base.yaml Key', iam('someone'), 'kms:Decrypt', keyArn],
    ['yes', 'base.yaml Key', `logs.${REGION}.amazonaws.com`, 'kms:Encrypt', keyArn, logs], ['no', 'base.yaml Key', `logs.${REGION}.amazonaws.com`, 'kms:Encrypt', keyArn],
    ['no', 'base.yaml Key', `logs.${REGION}.amazonaws.com`, 'kms:Encrypt', keyArn, { 'aws:SourceArn': `arn:aws:logs:${REGION}:999999999999:log-group:x` }],
    ...['events', 'cloudwatch'].map((s) => ['yes', 'base.yaml Key', `${s}.amazonaws.com`, 'kms:GenerateDataKey', keyArn]), ['no', 'base.yaml Key', 'sns.amazonaws.com', 'kms:Decrypt', keyArn],
  ],
}

// A row is [want, document, principal, action, resource, context, whether the caller's own policies allow it].
async function decide([, id, principal, action, resource, contextVariables = {}, own], without, instead) {
  const Statement = documents[id].Statement.map((s) => (s === without ? instead : s)).filter(Boolean)
  // A trust policy has no resource, which the simulator wants: it is the role.
  return simulate({
    request: { principal, action, resource: { resource, accountId: ACCOUNT }, contextVariables },
    identityPolicies: own ? [{ name: 'own', policy: { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: action, Resource: resource }] } }] : [],
    ...(Statement.length ? { resourcePolicy: { Version: '2012-10-17', Statement } } : {}),
  })
}

for (const [sentence, rows] of Object.entries(table)) {
  test(sentence, async () => {
    assert.ok(rows.length > 0)
    for (const row of rows) assert.equal(await decide(row), row[0], `${row.slice(1, 5).join(' ')} ${JSON.stringify(row[5] ?? {})}`)
  })
}

test('without any one statement or key of a condition some decision is another one', async () => {
  const rows = Object.values(table).flat(), left = [], all = []
  for (const [id, { Statement }] of Object.entries(documents)) {
    for (const s of Statement) {
      const without = (operator, key) => ({ ...s, Condition: { ...s.Condition, [operator]: Object.fromEntries(Object.entries(s.Condition[operator]).filter(([k]) => k !== key)) } })
      const keys = Object.entries(s.Condition ?? {}).flatMap(([operator, of]) => Object.keys(of).map((key) => [`${operator} ${key}`, clean(without(operator, key))]))
      for (const [what, instead] of [['gone', undefined], ...keys]) {
        all.push(what)
        let noticed = false
        for (const row of rows.filter((r) => r[1] === id)) if (!noticed && await decide(row, s, instead) !== row[0]) noticed = true
        if (!noticed) left.push(`${id} ${s.Sid ?? ''}: ${what}`)
      }
    }
  }
  assert.deepEqual(left, [])
  assert.ok(all.length > 60, `${all.length} mutations`)
})

// clean removes operators that have no key left.
function clean(statement) {
  const Condition = Object.fromEntries(Object.entries(statement.Condition).filter(([, of]) => Object.keys(of).length > 0))
  const { Condition: _, ...rest } = statement
  return Object.keys(Condition).length ? { ...rest, Condition } : rest
}
