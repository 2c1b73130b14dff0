// Who may do what: the roles and policies of all stacks, decisions about them as IAM takes them, and the table of decisions.
import assert from 'node:assert/strict'
import { runSimulation } from '@cloud-copilot/iam-simulate'
import { ACCOUNT, REGION, environment, load, resolve, sample } from './template.mjs'

export const secretArn = (n) => `arn:aws:secretsmanager:${REGION}:${ACCOUNT}:secret:${n}`
export const keyArn = `arn:aws:kms:${REGION}:${ACCOUNT}:key/1`
const signingArn = `arn:aws:kms:${REGION}:${ACCOUNT}:key/2`
const ownSteps = ['lint', 'e2e', 's3', 's4', 's5', 's6', 's7', 's8'], ownKinds = ['reports', 'k2', 'k3', 'k4']
const ownBuilds = ['package', 'b2', 'b3', 'b4'], ownMigrations = ['seed', 'm2', 'm3', 'm4'], ownDeploys = ['smoke', 'd2', 'd3', 'd4']
export const options = { BaseRepository: 'team/base', OwnSteps: ownSteps, OwnArtifacts: ownKinds, OwnBuildSteps: ownBuilds, OwnMigrateSteps: ownMigrations, OwnDeploySteps: ownDeploys, SigningKeyArn: signingArn, GitHubTokenArn: secretArn('github-x1'), ForkTokenArn: secretArn('fork-x1'), SlackWebhookArn: secretArn('slack-x1'), SlackBotTokenArn: secretArn('slack-bot-x1'), SlackChannel: 'C0123456789', KmsKeyArn: keyArn, ExecuteCommand: 'true' }
export const iam = (n) => `arn:aws:iam::${ACCOUNT}:role/${n}`
const stacks = {
  '': resolve(load('cicd.yaml'), { GitHubRoles: 'true', SlackWebhookUrl: 'https://hooks.slack.com/services/x', ...options }),
  staging: environment('staging', options),
  production: environment('production', { ...options, GitHubDeploys: 'true', GitHubDeployRoleName: 'GitHubDeployRole' }),
  abroad: environment('abroad', { ...options, TargetRoleArn: 'arn:aws:iam::222222222222:role/deploy', TargetMigrateRoleArn: 'arn:aws:iam::222222222222:role/migrate', TargetExternalId: 'shop-1' }),
}
stacks.target = resolve(load('target.yaml'), sample('target.yaml'), 'target')
export const resources = Object.fromEntries(Object.entries(stacks).flatMap(([stack, all]) => Object.entries(all).map(([id, r]) => [stack ? `${stack}-${id}` : id, r])))

// statements lists what a role or a managed policy may and may not, as [where it is written, statement].
export function statements(name) {
  const { Type, Properties: p } = resources[name]
  if (Type === 'AWS::IAM::ManagedPolicy') return p.PolicyDocument.Statement.map((s) => [name, s])
  const inline = (p.Policies ?? []).flatMap((x) => x.PolicyDocument.Statement.map((s) => [name, s]))
  const managed = (p.ManagedPolicyArns ?? []).flatMap((arn) => statements(arn.split('/')[1]))
  const attached = Object.entries(resources).filter(([, r]) => r.Type === 'AWS::IAM::Policy' && r.Properties.Roles.includes(name)).flatMap(([id, r]) => r.Properties.PolicyDocument.Statement.map((s) => [id, s]))
  return [...inline, ...managed, ...attached]
}

// Of a key its own policy decides too; that of base.yaml leaves it to the account.
export const keyPolicy = { Version: '2012-10-17', Statement: resolve(load('base.yaml'), { CreateKey: 'true', VpcId: '' }).Key.Properties.KeyPolicy.Statement.slice(0, 1) }

// decide returns 'yes' or 'no' for a row of the table: [want, role or policy, action, resource, context, attached], where attached
// is a statement of a policy that is attached besides. One statement can be left out, or replaced.
export async function decide([, name, action, resource, context = {}, attached], without, instead) {
  const Statement = [...statements(name).map(([, s]) => (s === without ? instead : s)), attached].filter(Boolean)
  const tags = Object.fromEntries((resources[name].Properties.Tags ?? []).map((t) => [`aws:PrincipalTag/${t.Key}`, t.Value]))
  return simulate({
    request: { principal: `arn:aws:iam::${ACCOUNT}:role/${name}`, action, resource: { resource, accountId: ACCOUNT }, contextVariables: { ...tags, ...context } },
    identityPolicies: Statement.length ? [{ name: 'all', policy: { Version: '2012-10-17', Statement } }] : [],
    ...(action.startsWith('kms:') ? { resourcePolicy: keyPolicy } : {}),
  })
}

// simulate asks the simulator, and takes whatever is not allowed for a no.
export async function simulate(what) {
  const r = await runSimulation({ serviceControlPolicies: [], resourceControlPolicies: [], ...what }, {})
  assert.notEqual(r.resultType, 'error', JSON.stringify(r.errors))
  return (r.overallResult ?? r.analysis?.result) === 'Allowed' ? 'yes' : 'no'
}

const S = '6dcb09b5b57875f334f61aebed695e2e4193db5e'
const key = (k) => `arn:aws:s3:::artifacts/${k}`
const bucket = 'arn:aws:s3:::artifacts'
const everything = { Effect: 'Allow', Action: 's3:*', Resource: '*' }
const stack = (n) => `arn:aws:cloudformation:${REGION}:${ACCOUNT}:stack/${n}/0`
const family = (n) => `arn:aws:ecs:${REGION}:${ACCOUNT}:task-definition/cicd-${n}:8`
const tag = (v) => ({ 's3:RequestObjectTag/retention': v, 's3:RequestObjectTagKeys': ['retention'] })
export const to = (service) => ({ 'iam:PassedToService': `${service}.amazonaws.com` })
const elsewhere = { 'ecs:cluster': `arn:aws:ecs:${REGION}:${ACCOUNT}:cluster/other` }
const here = { 'ecs:cluster': `arn:aws:ecs:${REGION}:${ACCOUNT}:cluster/Cluster` }
export const arn = (service, rest) => `arn:aws:${service}:${REGION}:${ACCOUNT}:${rest}`
const tableArn = arn('dynamodb', 'table/Table'), leading = (...keys) => ({ 'dynamodb:LeadingKeys': keys })
const group = (n) => arn('logs', `log-group:/carlin-cicd/cicd/${n}:log-stream:x`)
const put = (want, role, ...keys) => keys.map((k) => [want, role, 's3:PutObject', key(k)])
const ofPull = (n) => ({ 'aws:PrincipalTag/prefix': `pr/${n}` })
const deny = (role, action, ...keys) => keys.map((k) => ['no', role, action, key(k)])

const images = arn('ecr', 'repository/Repository')
// The roles of tasks and their execution roles, of workflows and of people, but for the image's own and the machine's.
const everyTask = ['BuildRole', 'TestRole', 'ShardRole', 'BranchBuildRole', 'BranchTestRole', 'BranchShardRole', 'ForkRole', 'ForkStoreRole', 'BuildExecutionRole', 'TestExecutionRole', 'ForkExecutionRole', 'staging-DeployRole', 'production-MigrateRole', 'GitHubTriggerRole', 'GitHubBranchRole', 'GitHubDeployRole', 'StartRole', 'OperatorPolicy', 'ViewerPolicy', 'ReleaserPolicy', 'TriggerPolicy']

export const table = {
  'the main branch builds: it writes builds and its own records, nothing else': [
    ...put('yes', 'BuildRole', `builds/main/${S}/a/b.js`, `manifests/builds/main/${S}.json`, 'manifests/builds/main/latest.json', `runs/main/${S}/build/1/finished.json`, `runs/main/${S}/build/latest.json`, 'runs/main/latest/build/latest.json', 'cache/main/pnpm/1', 'locks/artifacts/main/ab.json'),
    ...put('yes', 'BuildRole', `builds/v1.2.3/${S}/a.js`, `runs/v1.2.3/${S}/build/1/finished.json`, 'locks/artifacts/v1.2.3/ab.json'),
    ...put('no', 'BuildRole', 'locks/artifacts/feature/ab.json', 'locks/artifacts/abc.json'),
    ['yes', 'BuildRole', 's3:PutObjectTagging', key(`builds/main/${S}/a.js`), tag('30d')],
    ['no', 'BuildRole', 's3:PutObjectTagging', key(`builds/main/${S}/a.js`), tag('deployed')],
    // RUNNER_S3_TAGS are on every object that a build puts, so it may tag whatever it may put.
    ...[`manifests/builds/main/${S}.json`, `runs/main/${S}/build/1/finished.json`, 'runs/main/latest/build/latest.json', 'runs/index/main~/head.json.gz', 'runs/index/~protected/head.json.gz', 'cache/main/pnpm/1', 'locks/artifacts/main/ab.json'].map((k) => ['yes', 'BuildRole', 's3:PutObjectTagging', key(k), tag('30d')]),
    ...[`builds/feature/a/${S}/a.js`, `runs/feature/a/${S}/build/1/finished.json`, 'runs/index/feature/a~/head.json.gz', 'cache/feature/a/pnpm/1', 'locks/artifacts/feature/a/ab.json'].map((k) => ['yes', 'BranchBuildRole', 's3:PutObjectTagging', key(k), tag('30d')]),
    ...put('no', 'BuildRole', `runs/main/${S}/test/1/finished.json`, `runs/main/${S}/deploy@production/1/finished.json`, `builds/feature/${S}/a.js`, `coverage/main/${S}/a`, 'deployments/production/Shop/1.json', 'locks/production/Shop.json', 'tests/main/history-test.json.gz', 'pr/5/x'),
    ['yes', 'BuildRole', 's3:DeleteObject', key('cache/main/pnpm~/blocks/1')], ['yes', 'TestRole', 's3:DeleteObject', key('cache/v1.2.3/jest~/blocks/1')],
    ...['BranchBuildRole', 'BranchTestRole'].flatMap((role) => [['yes', role, 's3:DeleteObject', key('cache/feature/a/pnpm~/blocks/1')], ...deny(role, 's3:DeleteObject', 'cache/main/pnpm~/blocks/1', 'cache/v1.2.3/pnpm~/blocks/1', `builds/feature/a/${S}/a.js`)]),
    ...deny('BuildRole', 's3:DeleteObject', 'cache/feature/a/pnpm~/blocks/1', `builds/main/${S}/a.js`, `manifests/builds/main/${S}.json`),
    ...deny('BuildRole', 's3:DeleteObjectVersion', `builds/main/${S}/a.js`),
  ],
  'the main branch tests: it writes coverage, history and its own records, no builds': [
    ...put('yes', 'TestRole', `coverage/main/${S}/a`, 'coverage/main/latest/a', `manifests/coverage/main/${S}.json`, 'manifests/coverage/main/latest.json', `runs/main/${S}/test/1/junit/a.xml`, 'runs/main/latest/test/latest.json', 'tests/main/history-test.json.gz', 'cache/main/jest/1', 'locks/artifacts/main/ab.json'),
    ['yes', 'TestRole', 's3:GetObject', key(`builds/main/${S}/a.js`)],
    ['yes', 'TestRole', 's3:ListBucket', bucket],
    ...put('no', 'TestRole', `builds/main/${S}/a.js`, `manifests/builds/main/${S}.json`, `runs/main/${S}/build/latest.json`, 'runs/main/latest/deploy@production/latest.json', `runs/main/${S}/deploy@production/latest.json`, 'locks/production/Shop.json', `coverage/feature/${S}/a`),
    ['no', 'TestRole', 's3:PutObjectTagging', key(`builds/main/${S}/a.js`), tag('deployed')],
  ],
  'steps of the schedule write records in an environment of that name, at their own depth': [
    ...put('yes', 'TestRole', `runs/main/${S}/audit@schedule/1/finished.json`, 'runs/main/latest/audit@schedule/latest.json'),
    ...put('no', 'TestRole', `runs/main/${S}/build/1@schedule/finished.json`, `runs/main/${S}/build/x@schedule/y`, 'runs/main/latest/build/x@schedule/latest.json', `runs/feature/${S}/audit@schedule/1/finished.json`),
  ],
  'test deletes nothing, not even what it has written': [
    ...ownSteps.flatMap((n) => [
      ...put('yes', 'TestRole', `runs/main/${S}/${n}/1/finished.json`, `runs/v1.2/${S}/${n}/latest.json`, `runs/main/latest/${n}/latest.json`, `runs/v1.2/latest/${n}/latest.json`),
      ...put('yes', 'BranchTestRole', `runs/feature/a/${S}/${n}/1/finished.json`, `runs/feature/a/latest/${n}/latest.json`),
      ...put('no', 'BranchTestRole', `runs/main/${S}/${n}/latest.json`, `runs/feature/a/${S}/${n}@production/latest.json`),
      ...put('no', 'TestRole', `runs/main/${S}/${n}@production/1/finished.json`, `runs/feature/${S}/${n}/latest.json`),
    ]),
    ...ownKinds.flatMap((k) => [
      ...put('yes', 'TestRole', `${k}/main/${S}/a`, `${k}/main/latest/a`, `manifests/${k}/main/${S}.json`, `${k}/v1.2/${S}/a`, `manifests/${k}/v1.2/${S}.json`),
      ...put('yes', 'BranchTestRole', `${k}/feature/a/${S}/a`, `${k}/feature/a/latest/a`, `manifests/${k}/feature/a/${S}.json`),
      ...put('no', 'BranchTestRole', `${k}/main/${S}/a`, `manifests/${k}/main/${S}.json`, `${k}/v1.2/${S}/a`, `manifests/${k}/v1.2/${S}.json`),
    ]),
    ...put('no', 'TestRole', `runs/main/${S}/other/1/finished.json`, `other/main/${S}/a`),
    ...put('no', 'BranchTestRole', `runs/feature/a/${S}/other/latest.json`),
    ...deny('TestRole', 's3:DeleteObject', 'coverage/main/latest/a', `manifests/coverage/main/${S}.json`, `builds/main/${S}/a.js`, `runs/main/${S}/test/2/finished.json`, 'tests/main/history-test.json.gz', 'locks/artifacts/main/ab.json', 'deployments/staging/Shop/1.json'),
    ...deny('TestRole', 's3:DeleteObjectVersion', 'coverage/main/latest/a', `runs/main/${S}/test/2/finished.json`),
  ],
  'a branch writes its own, and nothing that the main branch or a release tag keeps': [
    ...put('yes', 'BranchBuildRole', `builds/feature/a/${S}/a.js`, `manifests/builds/feature/a/${S}.json`, `runs/feature/a/${S}/build/1/finished.json`, 'runs/feature/a/latest/build/latest.json', 'cache/feature/a/pnpm/1', `builds/heads/v1.2.3/${S}/a.js`, `builds/feature/main/${S}/a.js`, `builds/mainly/${S}/a.js`, 'locks/artifacts/feature/a/ab.json', 'locks/artifacts/heads/v1/ab.json'),
    ['yes', 'BranchBuildRole', 's3:PutObjectTagging', key(`builds/feature/${S}/a.js`), tag('30d')],
    ['no', 'BranchBuildRole', 's3:PutObjectTagging', key(`builds/main/${S}/a.js`), tag('30d')],
    ['no', 'BranchBuildRole', 's3:PutObjectTagging', key(`builds/feature/${S}/a.js`), tag('deployed')],
    ...put('yes', 'BranchTestRole', `coverage/feature/a/${S}/a`, 'coverage/feature/a/latest/a', `manifests/coverage/feature/a/${S}.json`, `runs/feature/a/${S}/test/1/finished.json`, 'tests/feature/a/history-test.json.gz', 'cache/feature/a/jest/1', 'locks/artifacts/feature/a/ab.json'),
    ...['BranchBuildRole', 'BranchTestRole'].flatMap((role) => [
      ...put('no', role, ...['main', 'v1.2.3', 'v9/x'].flatMap((b) => [`builds/${b}/${S}/a.js`, `manifests/builds/${b}/${S}.json`, `manifests/builds/${b}/latest.json`, `coverage/${b}/${S}/a`, `coverage/${b}/latest/a`, `manifests/coverage/${b}/latest.json`, `runs/${b}/${S}/build/1/finished.json`, `runs/${b}/${S}/test/1/finished.json`, `runs/${b}/latest/test/latest.json`, `tests/${b}/history-test.json.gz`, `cache/${b}/pnpm/1`, `locks/artifacts/${b}/ab.json`])),
      ...put('no', role, `runs/feature/${S}/deploy@production/1/finished.json`, 'deployments/production/Shop/1.json', 'locks/production/Shop.json', 'pr/5/builds/x'),
      ['yes', role, 's3:GetObject', key(`builds/main/${S}/a.js`)], ['yes', role, 's3:GetObject', key('cache/main/pnpm/1')],
    ]),
    ...put('no', 'BranchBuildRole', `runs/feature/${S}/test/1/finished.json`, `runs/feature/${S}/test/build/finished.json`),
    ...put('no', 'BranchTestRole', `builds/feature/${S}/a.js`, `runs/feature/${S}/build/1/finished.json`),
  ],
  'each run is listed in the index of its branch; a branch writes nothing that shows the main one or a tag': [
    ...['BuildRole', 'TestRole'].flatMap((role) => [
      ...put('yes', role, 'runs/index/main~/head.json.gz', 'runs/index/main~/index.html', 'runs/index/v1.2.3~/head.json.gz', 'runs/index/~protected/head.json.gz', 'runs/index/~branches/page-000001.json.gz', 'runs/index/index.html'),
      ...put('no', role, 'runs/index/feature~/head.json.gz', 'runs/index/main/x~/head.json.gz'),
    ]),
    ...['BranchBuildRole', 'BranchTestRole'].flatMap((role) => [
      ...put('yes', role, 'runs/index/feature/a~/head.json.gz', 'runs/index/feature/a~/index.html', 'runs/index/feature/a~/page-000001.json.gz', 'runs/index/main/x~/head.json.gz', 'runs/index/~branches/head.json.gz'),
      ...put('no', role, 'runs/index/main~/head.json.gz', 'runs/index/main~/index.html', 'runs/index/v1.2.3~/head.json.gz', 'runs/index/~protected/head.json.gz', 'runs/index/index.html'),
      ['yes', role, 's3:GetObject', key('runs/index/main~/head.json.gz')],
    ]),
    ...['staging-DeployRole', 'staging-MigrateRole'].flatMap((role) => put('yes', role, 'runs/index/main~/head.json.gz', 'runs/index/feature/a~/head.json.gz', 'runs/index/~protected/head.json.gz', 'runs/index/index.html')),
    ...['pr/5/runs/index/pr/5~/head.json.gz', 'pr/5/runs/index/index.html'].map((k) => ['yes', 'ForkStoreRole', 's3:PutObject', key(k), ofPull(5)]),
    ...['runs/index/pr/5~/head.json.gz', 'runs/index/index.html'].map((k) => ['no', 'ForkStoreRole', 's3:PutObject', key(k), ofPull(5)]),
  ],
  'the steps of a commit keep the state of its message and of its comment; a branch not those of the main one or a tag': [
    ...['BuildRole', 'TestRole', 'ShardRole'].flatMap((role) => ['main', 'v1.2.3'].flatMap((b) => [
      ...put('yes', role, `runs/${b}/${S}/slack.json`, `runs/${b}/latest/comment-7.json`), ['yes', role, 's3:GetObject', key(`runs/${b}/latest/comment-7.json`)],
      ...put('no', role, `runs/${b}/slack.json`, `runs/${b}/latest/slack.json`, `runs/${b}/${S}/deploy@production/slack.json`, `runs/${b}/${S}/comment-7.json`),
      ...deny(role, 's3:DeleteObject', `runs/${b}/${S}/slack.json`, `runs/${b}/latest/comment-7.json`),
    ]).concat(put('no', role, `runs/feature/${S}/slack.json`, 'runs/feature/latest/comment-7.json'))),
    ...['BranchBuildRole', 'BranchTestRole', 'BranchShardRole'].flatMap((role) => [
      ...['feature', 'feature/a', 'heads/v1'].flatMap((b) => put('yes', role, `runs/${b}/${S}/slack.json`, `runs/${b}/latest/comment-7.json`)),
      ...['main', 'v1.2.3'].flatMap((b) => put('no', role, `runs/${b}/${S}/slack.json`, `runs/${b}/latest/comment-7.json`)),
      ...put('no', role, 'runs/feature/slack.json', 'runs/feature/latest/slack.json', `runs/feature/${S}/deploy@production/slack.json`),
    ]),
    ...[['BuildRole', ['main', 'v1.2.3']], ['BranchBuildRole', ['feature/a']]].flatMap(([role, branches]) => branches.flatMap((b) => [`runs/${b}/${S}/slack.json`, `runs/${b}/latest/comment-7.json`])
      .flatMap((k) => [['yes', role, 's3:PutObjectTagging', key(k), tag('30d')], ['no', role, 's3:PutObjectTagging', key(k), tag('deployed')]])),
    ...['Migrate', 'Deploy'].flatMap((n) => [...put('yes', `staging-${n}Role`, `runs/main/${S}/slack.json`, `runs/feature/a/${S}/slack.json`, 'runs/main/latest/comment-7.json'), ...put('no', `staging-${n}Role`, 'runs/main/slack.json', 'runs/main/latest/slack.json')]),
    ...[`pr/5/runs/pr/5/${S}/slack.json`, 'pr/5/runs/pr/5/latest/comment-5.json'].map((k) => ['yes', 'ForkStoreRole', 's3:PutObject', key(k), ofPull(5)]),
    ['no', 'ForkStoreRole', 's3:PutObject', key(`runs/main/${S}/slack.json`), ofPull(5)], ...put('no', 'MachineRole', `runs/main/${S}/slack.json`),
  ],
  'a shard writes its part, and, as the last one, what its step writes on its own branches; nothing of other steps': [
    ...['test', ...ownSteps].flatMap((n) => ['ShardRole', 'TestRole'].flatMap((role) => [
      ...put('yes', role, `runs/main/${S}/${n}~shards/1/2/r/junit.xml`, `runs/v1.2.3/${S}/${n}~shards/1/2/r/junit.xml`, `runs/main/${S}/${n}/1/finished.json`, `runs/main/${S}/${n}/latest.json`, `runs/main/latest/${n}/latest.json`),
      ...put('no', role, `runs/feature/${S}/${n}~shards/1/2/x`, `runs/feature/${S}/${n}/latest.json`),
    ])),
    ...['test', ...ownSteps].flatMap((n) => ['BranchShardRole', 'BranchTestRole'].flatMap((role) => [
      ...put('yes', role, `runs/feature/a/${S}/${n}~shards/1/2/r/junit.xml`, `runs/heads/v1/${S}/${n}~shards/1/2/x`, `runs/feature/a/${S}/${n}/1/finished.json`, `runs/feature/a/${S}/${n}/latest.json`, `runs/feature/a/latest/${n}/latest.json`),
      ...put('no', role, `runs/main/${S}/${n}~shards/1/2/junit.xml`, `runs/v1.2.3/${S}/${n}~shards/1/2/x`, `runs/main/${S}/${n}/latest.json`),
    ])),
    ...[['ShardRole', 'main', 'feature'], ['BranchShardRole', 'feature/a', 'main']].flatMap(([role, own, other]) => {
      const written = (b) => [`coverage/${b}/${S}/a`, `coverage/${b}/latest/a`, `manifests/coverage/${b}/latest.json`, `tests/${b}/history-test.json.gz`, `tests/${b}/times-test.json.gz`, `cache/${b}/jest/1`, `locks/artifacts/${b}/ab.json`, `runs/index/${b}~/head.json.gz`]
      return [
        ...put('yes', role, ...written(own)), ...put('no', role, ...written(other)),
        ...put('no', role, `builds/${own}/${S}/a.js`, `manifests/builds/${own}/latest.json`, `runs/${own}/${S}/build/1/finished.json`, `runs/${own}/${S}/build/latest.json`, `runs/${own}/${S}/build~shards/1/2/x`, `runs/${own}/${S}/other~shards/1/2/x`, `runs/${own}/${S}/deploy@production/latest.json`, `runs/${own}/${S}/audit@schedule/latest.json`, 'deployments/production/Shop/1.json', 'locks/production/Shop.json', 'pr/5/x'),
        ['yes', role, 's3:GetObject', key(`builds/main/${S}/a.js`)], ['yes', role, 'secretsmanager:GetSecretValue', secretArn('cicd/test/npm-a1b2c3')], ['no', role, 'secretsmanager:GetSecretValue', secretArn('cicd/build/npm-a1b2c3')],
        ...deny(role, 's3:DeleteObject', `runs/${own}/${S}/test~shards/1/2/x`, `coverage/${own}/latest/a`, `cache/${other}/jest/1`), ['yes', role, 's3:DeleteObject', key(`cache/${own}/jest/1`)],
      ]
    }),
  ],
  'own steps with the task of build, migrate or deploy write their records, and none of others': [
    ...ownBuilds.flatMap((n) => [
      ...[`runs/main/${S}/${n}/1/finished.json`, `runs/v1.2/${S}/${n}/latest.json`, `runs/main/latest/${n}/latest.json`, `runs/v1.2/latest/${n}/latest.json`].flatMap((k) => [...put('yes', 'BuildRole', k), ['yes', 'BuildRole', 's3:PutObjectTagging', key(k), tag('30d')], ...put('no', 'BranchBuildRole', k), ['no', 'BranchBuildRole', 's3:PutObjectTagging', key(k), tag('30d')]]),
      ...[`runs/feature/a/${S}/${n}/1/finished.json`, `runs/feature/a/latest/${n}/latest.json`].flatMap((k) => [...put('yes', 'BranchBuildRole', k), ['yes', 'BranchBuildRole', 's3:PutObjectTagging', key(k), tag('30d')], ['no', 'BranchBuildRole', 's3:PutObjectTagging', key(k), tag('deployed')], ['no', 'BuildRole', 's3:PutObjectTagging', key(k), tag('30d')], ...put('no', 'BuildRole', k)]),
      ['no', 'BuildRole', 's3:PutObjectTagging', key(`runs/main/${S}/${n}/latest.json`), tag('deployed')],
      ...['TestRole', 'ShardRole', 'staging-DeployRole'].flatMap((role) => put('no', role, `runs/main/${S}/${n}/latest.json`)),
    ]),
    ...put('no', 'BuildRole', `runs/main/${S}/other/latest.json`, `runs/main/${S}/package@staging/latest.json`, `runs/main/${S}/package~shards/1/2/x`),
    ...[['Migrate', ownMigrations, 'Deploy'], ['Deploy', ownDeploys, 'Migrate']].flatMap(([kind, names, other]) => names.flatMap((n) => [
      ...put('yes', `staging-${kind}Role`, `runs/main/${S}/${n}@staging/1/finished.json`, `runs/main/latest/${n}@staging/latest.json`),
      ...put('no', `staging-${kind}Role`, `runs/main/${S}/${n}@production/1/finished.json`, `runs/main/${S}/${n}/latest.json`),
      ...put('no', `staging-${other}Role`, `runs/main/${S}/${n}@staging/1/finished.json`),
    ])),
  ],
  'a pull request from a fork reads no secret and sees what is kept for it only': [
    ...['s3:PutObject', 's3:GetObject'].flatMap((action) => [
      ['yes', 'ForkStoreRole', action, key(`pr/5/builds/pr/5/${S}/a.js`), ofPull(5)], ['yes', 'ForkStoreRole', action, key('pr/6/runs/x'), ofPull(6)],
      ...['pr/6/runs/x', 'pr/50/runs/x', 'pr/5x', 'pr/x', `builds/pr/5/${S}/a.js`, `builds/main/${S}/a.js`, `runs/main/${S}/test/1/finished.json`, 'locks/artifacts/main/ab.json', 'cache/feature/a/pnpm~/blocks/1'].map((k) => ['no', 'ForkStoreRole', action, key(k), ofPull(5)]),
      ['no', 'ForkStoreRole', action, key('pr/5/x')], ['no', 'ForkRole', action, key('pr/5/x')], ['no', 'ForkRole', action, key('pr/5/x'), ofPull(5)],
    ]),
    ['yes', 'ForkStoreRole', 's3:GetObject', key('cache/main/pnpm~/blocks/1'), ofPull(5)], ['no', 'ForkStoreRole', 's3:PutObject', key('cache/main/pnpm~/blocks/1'), ofPull(5)], ['no', 'ForkStoreRole', 's3:DeleteObject', key('cache/main/pnpm~/blocks/1'), ofPull(5)],
    ['yes', 'ForkStoreRole', 's3:ListBucket', bucket, { 's3:prefix': 'cache/main/pnpm~/entries/linux-arm64/', ...ofPull(5) }], ['no', 'ForkStoreRole', 's3:ListBucket', bucket, { 's3:prefix': 'cache/feature/a/', ...ofPull(5) }],
    ['yes', 'ForkStoreRole', 's3:ListBucket', bucket, { 's3:prefix': 'pr/5/manifests/', ...ofPull(5) }],
    ...['pr/6/manifests/', 'pr/', 'builds/'].map((p) => ['no', 'ForkStoreRole', 's3:ListBucket', bucket, { 's3:prefix': p, ...ofPull(5) }]),
    ['no', 'ForkStoreRole', 's3:ListBucket', bucket, ofPull(5)], ['no', 'ForkRole', 's3:ListBucket', bucket, { 's3:prefix': 'pr/5/manifests/' }],
    ['yes', 'ForkRole', 'sts:AssumeRole', iam('ForkStoreRole'), { 'aws:RequestTag/prefix': 'pr/5' }], ['yes', 'ForkRole', 'sts:TagSession', iam('ForkStoreRole'), { 'aws:RequestTag/prefix': 'pr/5' }],
    ['no', 'ForkRole', 'sts:AssumeRole', iam('ForkStoreRole'), { 'aws:RequestTag/prefix': 'builds' }], ['no', 'ForkRole', 'sts:AssumeRole', iam('ForkStoreRole')],
    ['no', 'ForkRole', 'sts:AssumeRole', iam('BuildRole'), { 'aws:RequestTag/prefix': 'pr/5' }],
    ...['ForkRole', 'ForkStoreRole', 'ForkExecutionRole'].flatMap((role) => [
      ...['cicd/build/npm-a1b2c3', 'cicd/test/npm-a1b2c3', 'cicd/fork/npm-a1b2c3', 'cicd/deploy-production/key-a1b2c3', 'github-x1', 'slack-x1', 'slack-bot-x1'].map((n) => ['no', role, 'secretsmanager:GetSecretValue', secretArn(n)]),
      [role === 'ForkExecutionRole' ? 'yes' : 'no', role, 'secretsmanager:GetSecretValue', secretArn('fork-x1')],
      ['no', role, 'ssm:GetParameters', arn('ssm', 'parameter/cicd/fork/key')], ['no', role, 'ssm:GetParametersByPath', arn('ssm', 'parameter/cicd/build')],
    ]),
    ['yes', 'ForkExecutionRole', 'ecr:BatchGetImage', arn('ecr', 'repository/Repository')],
  ],
  'no step of a check touches CloudFormation or roles': ['BuildRole', 'TestRole', 'ShardRole', 'BranchBuildRole', 'BranchTestRole', 'BranchShardRole', 'ForkRole', 'ForkStoreRole'].flatMap((role) => [
    ...['CreateStack', 'UpdateStack', 'DeleteStack', 'DescribeStacks', 'CreateChangeSet'].map((a) => ['no', role, `cloudformation:${a}`, stack('Shop-Staging')]),
    ['no', role, 'iam:PassRole', iam('production-StackRole'), to('cloudformation')],
    ['no', role, 'sts:AssumeRole', 'arn:aws:iam::222222222222:role/deploy'],
  ]),
  'a deploy has its stack, its lock and its history, and no others': [
    ['yes', 'staging-DeployRole', 'cloudformation:UpdateStack', stack('Shop-Staging')],
    ['no', 'staging-DeployRole', 'cloudformation:UpdateStack', stack('Shop-Production')],
    ['yes', 'production-DeployRole', 'cloudformation:RollbackStack', stack('Shop-Production')],
    ['no', 'production-DeployRole', 'cloudformation:DeleteStack', stack('Shop-Production')],
    ['yes', 'staging-DeployRole', 'cloudformation:ValidateTemplate', '*'],
    ['yes', 'staging-DeployRole', 'iam:PassRole', iam('staging-StackRole'), to('cloudformation')],
    ['no', 'staging-DeployRole', 'iam:PassRole', iam('production-StackRole'), to('cloudformation')],
    ['no', 'staging-DeployRole', 'iam:PassRole', iam('staging-StackRole'), to('lambda')],
    ...put('yes', 'staging-DeployRole', 'locks/staging/Shop-Staging.json', `runs/main/${S}/deploy@staging/1/finished.json`, 'runs/main/latest/deploy@staging/latest.json'),
    ...put('yes', 'production-DeployRole', 'deployments/production/Shop-Production/1.json'),
    ...put('no', 'staging-DeployRole', 'locks/production/Shop-Production.json', `runs/main/${S}/deploy@production/1/finished.json`, `runs/main/${S}/migrate@staging/1/finished.json`),
    ...put('no', 'production-DeployRole', 'deployments/staging/Shop-Staging/1.json', `runs/main/${S}/test/latest.json`, `builds/main/${S}/a.js`),
    ...deny('production-DeployRole', 's3:DeleteObject', `builds/main/${S}/a.js`),
    ['yes', 'production-DeployRole', 's3:GetObjectVersionTagging', key(`builds/main/${S}/a.js`)],
    ['yes', 'production-DeployRole', 's3:PutObjectVersionTagging', key(`builds/main/${S}/a.js`), tag('deployed')],
    ['no', 'production-DeployRole', 's3:PutObjectTagging', key(`builds/main/${S}/a.js`), tag('30d')],
  ],
  'a migration writes its records and locks its environment': [
    ...put('yes', 'staging-MigrateRole', `runs/main/${S}/migrate@staging/1/finished.json`, 'locks/staging/migrate.json'),
    ...put('no', 'staging-MigrateRole', `runs/main/${S}/deploy@staging/1/finished.json`, 'locks/production/migrate.json'),
    ['no', 'staging-MigrateRole', 'cloudformation:UpdateStack', stack('Shop-Staging')],
  ],
  'in another account the steps become the roles there, and have nothing here': [
    ['yes', 'abroad-DeployRole', 'sts:AssumeRole', 'arn:aws:iam::222222222222:role/deploy'],
    ['yes', 'abroad-MigrateRole', 'sts:AssumeRole', 'arn:aws:iam::222222222222:role/migrate'],
    ['no', 'abroad-MigrateRole', 'sts:AssumeRole', 'arn:aws:iam::222222222222:role/deploy'],
    ['no', 'staging-DeployRole', 'sts:AssumeRole', 'arn:aws:iam::222222222222:role/deploy'],
    ['no', 'abroad-DeployRole', 'cloudformation:UpdateStack', stack('Shop-Abroad')],
  ],
  'the roles of the other account deploy its one stack, and migrations get what their policy says': [
    ['yes', 'target-DeployRole', 'cloudformation:UpdateStack', stack('Shop-Abroad')], ['no', 'target-DeployRole', 'cloudformation:UpdateStack', stack('Other')],
    ['no', 'target-DeployRole', 'cloudformation:DeleteStack', stack('Shop-Abroad')], ['yes', 'target-DeployRole', 'cloudformation:ValidateTemplate', '*'],
    ['yes', 'target-DeployRole', 'iam:PassRole', iam('target-StackRole'), to('cloudformation')], ['no', 'target-DeployRole', 'iam:PassRole', iam('target-StackRole'), to('lambda')],
    ['no', 'target-MigrateRole', 'cloudformation:UpdateStack', stack('Shop-Abroad')],
  ],
  'a step reads its own secrets': [
    ...[['BuildRole', 'BuildExecutionRole', 'build'], ['TestRole', 'TestExecutionRole', 'test'], ['BranchBuildRole', 'BuildExecutionRole', 'build'], ['BranchTestRole', 'TestExecutionRole', 'test'],
      ...['staging', 'production'].flatMap((e) => ['Migrate', 'Deploy'].map((x) => [`${e}-${x}Role`, `${e}-${x}ExecutionRole`, `${x.toLowerCase()}-${e}`]))]
      .flatMap(([task, execution, mine], _, every) => [task, execution].flatMap((role) => [...new Set(every.map(([, , dir]) => dir))].map((dir) => [dir === mine ? 'yes' : 'no', role, 'secretsmanager:GetSecretValue', secretArn(`cicd/${dir}/database-a1b2c3`)]))),
    ...['BuildRole', 'BranchTestRole', 'ShardRole', 'staging-MigrateRole', 'production-DeployRole'].map((role) => ['yes', role, 'secretsmanager:BatchGetSecretValue', '*']), ...['ForkRole', 'ForkStoreRole', 'ForkExecutionRole'].map((role) => ['no', role, 'secretsmanager:BatchGetSecretValue', '*']),
    ['yes', 'production-DeployRole', 'ssm:GetParameters', arn('ssm', 'parameter/cicd/deploy-production/key')],
    ['no', 'staging-DeployRole', 'ssm:GetParameters', arn('ssm', 'parameter/cicd/deploy-production/key')],
    ...['github-x1', 'slack-x1', 'slack-bot-x1'].flatMap((n) => [['no', 'TestRole', n], ['no', 'staging-DeployRole', n], ...['Build', 'Test', 'staging-Migrate', 'staging-Deploy', 'production-Migrate', 'production-Deploy'].map((t) => ['yes', `${t}ExecutionRole`, n])].map(([want, role, name]) => [want, role, 'secretsmanager:GetSecretValue', secretArn(name)])),
  ],
  'an execution role fetches the image and writes the log': [
    ...['BuildExecutionRole', 'staging-DeployExecutionRole', 'production-DeployExecutionRole', 'abroad-DeployExecutionRole'].map((role) => ['yes', role, 'ecr:GetAuthorizationToken', '*']),
    ['yes', 'BuildExecutionRole', 'logs:PutLogEvents', arn('logs', 'log-group:BuildLogs:log-stream:x')],
    ['no', 'BuildExecutionRole', 'logs:PutLogEvents', arn('logs', 'log-group:staging-Logs:log-stream:x')],
    ...['staging', 'production', 'abroad'].flatMap((e) => [['yes', `${e}-DeployExecutionRole`, 'logs:PutLogEvents', arn('logs', `log-group:${e}-Logs:log-stream:x`)], ['yes', `${e}-DeployExecutionRole`, 'ecr:BatchGetImage', arn('ecr', 'repository/ci/shop')]]),
    ['no', 'staging-DeployExecutionRole', 'ecr:BatchGetImage', arn('ecr', 'repository/ci/other')],
  ],
  "one repository has nothing of another's": ['BuildRole', 'TestRole', 'ShardRole', 'BranchBuildRole', 'BranchTestRole', 'BranchShardRole', 'ForkRole', 'ForkStoreRole', 'BuildExecutionRole', 'TestExecutionRole', 'staging-DeployRole', 'production-MigrateRole', 'MachineRole', 'GitHubTriggerRole', 'GitHubBranchRole', 'ViewerPolicy', 'OperatorPolicy', 'ReleaserPolicy'].flatMap((role) => [
    ...['s3:GetObject', 's3:PutObject'].flatMap((a) => [`builds/main/${S}/a.js`, 'locks/artifacts/a.json', 'locks/staging/migrate.json', 'tests/main/history-test.json.gz', 'cache/main/x', 'pr/5/x'].map((k) => ['no', role, a, `arn:aws:s3:::other-artifacts/${k}`])),
    ...['cicd2/build/npm-a1b2c3', 'other/build/npm-a1b2c3', 'ci/build/npm-a1b2c3', 'cicd2/deploy-staging/key-a1b2c3'].map((n) => ['no', role, 'secretsmanager:GetSecretValue', secretArn(n)]),
    ['no', role, 'ecs:RunTask', arn('ecs', 'task-definition/cicd-other-Build:1'), here],
    ['no', role, 'dynamodb:GetItem', arn('dynamodb', 'table/Other'), leading('approval#x')],
    ['no', role, 'events:PutEvents', arn('events', 'event-bus/cicd-other'), { 'events:source': ['ci.github'], 'events:detail-type': ['push'] }],
    ['no', role, 'logs:GetLogEvents', arn('logs', 'log-group:/carlin-cicd/cicd-other/checks:log-stream:x')],
    ['no', role, 'ssm:GetParameter', arn('ssm', 'parameter/cicd-other/environments/staging')],
  ]),
  'the machine starts these tasks with these roles, and reads, reports and stops its own': [
    ...['Build', 'Test', 'BranchBuild', 'BranchTest', 'Fork', 'Migrate-staging', 'Deploy-staging', 'Migrate-production', 'Deploy-production', 'Deploy-abroad'].map((n) => ['yes', 'MachineRole', 'ecs:RunTask', family(n), here]),
    ['no', 'MachineRole', 'ecs:RunTask', family('Build'), { 'ecs:cluster': arn('ecs', 'cluster/other') }],
    ['no', 'MachineRole', 'ecs:RunTask', arn('ecs', 'task-definition/other:1'), here],
    ['yes', 'MachineRole', 'ecs:StopTask', arn('ecs', 'task/Cluster/1')],
    ['yes', 'MachineRole', 'ecs:TagResource', arn('ecs', 'task/Cluster/1'), { 'ecs:CreateAction': 'RunTask' }],
    ['no', 'MachineRole', 'ecs:TagResource', arn('ecs', 'task/Cluster/1')],
    ...['BuildRole', 'BranchBuildRole', 'ShardRole', 'BranchShardRole', 'ForkRole', 'ForkExecutionRole', 'staging-DeployRole', 'production-DeployRole', 'abroad-MigrateRole'].map((n) => ['yes', 'MachineRole', 'iam:PassRole', iam(n), to('ecs-tasks')]),
    ['no', 'MachineRole', 'iam:PassRole', iam('production-StackRole'), to('ecs-tasks')],
    ['no', 'MachineRole', 'iam:PassRole', iam('ForkStoreRole'), to('ecs-tasks')],
    ['no', 'MachineRole', 'iam:PassRole', iam('BuildRole'), to('lambda')],
    ['yes', 'MachineRole', 'states:StopExecution', arn('states', 'execution:Machine:x')],
    ['no', 'MachineRole', 'states:StopExecution', arn('states', 'execution:Other:x')],
    ['yes', 'MachineRole', 'states:SendTaskSuccess', '*'],
    ['yes', 'MachineRole', 'dynamodb:UpdateItem', tableArn],
    ['no', 'MachineRole', 'dynamodb:DeleteTable', tableArn],
    ['yes', 'MachineRole', 'ssm:GetParameter', arn('ssm', 'parameter/cicd/environments/staging')],
    ['no', 'MachineRole', 'ssm:GetParameter', arn('ssm', 'parameter/cicd/deploy-production/key')],
    ['yes', 'MachineRole', 's3:GetObject', key(`runs/feature/a/${S}/build/latest.json`)], ['yes', 'MachineRole', 's3:GetObject', key(`runs/main/${S}/build/plan-push.json`)], ['yes', 'MachineRole', 's3:GetObject', key(`pr/7/runs/pr/7/${S}/build/plan-pull_request.json`)], ['yes', 'MachineRole', 's3:ListBucket', bucket],
    ['yes', 'MachineRole', 's3:GetObject', key(`runs/main/${S}/test/latest.json`)], ['yes', 'MachineRole', 's3:GetObject', key(`runs/main/${S}/deploy@staging/latest.json`)],
    ...['', 'pr/5/'].map((p) => ['yes', 'MachineRole', 's3:GetObject', key(`${p}runs/${p ? 'pr/5' : 'main'}/${S}/e2e~shards/run-1/merged.json`)]),
    ['yes', 'MachineRole', 'states:DescribeExecution', arn('states', 'execution:Machine:x')], ['no', 'MachineRole', 'states:DescribeExecution', arn('states', 'execution:Other:x')],
    ...deny('MachineRole', 's3:GetObject', `runs/main/${S}/e2e~shards/run-1/2/r/junit.xml`, 'pr/5/runs/x/merged.json', 'runs/main/latest/test/latest.json', `runs/main/${S}/build/1/finished.json`, `builds/main/${S}/a.js`),
    ...put('no', 'MachineRole', `runs/main/${S}/build/latest.json`),
    ['yes', 'MachineRole', 'events:PutEvents', arn('events', 'event-bus/cicd'), { 'events:source': ['ci.pipeline'], 'events:detail-type': ['commit status'] }],
    ['yes', 'MachineRole', 'events:PutRule', arn('events', 'rule/StepFunctionsGetEventsForECSTaskRule')],
    ['yes', 'MachineRole', 'logs:CreateLogDelivery', '*'],
    ...['StartBuild', 'StopBuild', 'BatchGetBuilds'].flatMap((a) => [['yes', 'MachineRole', `codebuild:${a}`, arn('codebuild', 'project/cicd-image')], ['no', 'MachineRole', `codebuild:${a}`, arn('codebuild', 'project/other-image')]]),
    ['yes', 'MachineRole', 'events:PutRule', arn('events', 'rule/StepFunctionsGetEventForCodeBuildStartBuildRule')],
    ['yes', 'MachineRole', 's3:GetObject', key(`runs/main/${S}/build/image.json`)], ...deny('MachineRole', 's3:GetObject', `runs/feature/${S}/build/image.json`, `pr/5/runs/pr/5/${S}/build/image.json`),
  ],
  'the image is built from what it is given, and pushed to one repository; nothing but the machine starts that': [
    ...['DescribeImages', 'BatchGetImage', 'BatchCheckLayerAvailability', 'GetDownloadUrlForLayer', 'InitiateLayerUpload', 'UploadLayerPart', 'CompleteLayerUpload', 'PutImage'].flatMap((a) => [['yes', 'ImageRole', `ecr:${a}`, images], ['no', 'ImageRole', `ecr:${a}`, arn('ecr', 'repository/other')]]),
    ...['team/base'].flatMap((n) => ['BatchGetImage', 'BatchCheckLayerAvailability', 'GetDownloadUrlForLayer'].map((a) => ['yes', 'ImageRole', `ecr:${a}`, arn('ecr', `repository/${n}`)]).concat(['PutImage', 'UploadLayerPart'].map((a) => ['no', 'ImageRole', `ecr:${a}`, arn('ecr', `repository/${n}`)]))),
    ['yes', 'ImageRole', 'ecr:GetAuthorizationToken', '*'], ['no', 'ImageRole', 'ecr:BatchDeleteImage', images], ['no', 'ImageRole', 'ecr:PutImageTagMutability', images],
    ['yes', 'ImageRole', 's3:GetObject', key('image-sources/1.tar.gz')], ...deny('ImageRole', 's3:GetObject', `builds/main/${S}/a.js`, `runs/main/${S}/build/image.json`), ...put('no', 'ImageRole', 'image-sources/1.tar.gz', `builds/main/${S}/a.js`),
    ['yes', 'ImageRole', 'secretsmanager:GetSecretValue', secretArn('github-x1')], ['no', 'ImageRole', 'secretsmanager:GetSecretValue', secretArn('cicd/build/npm-x1')],
    ...['CreateLogStream', 'PutLogEvents'].flatMap((a) => [['yes', 'ImageRole', `logs:${a}`, arn('logs', 'log-group:ImageLogs:log-stream:x')], ['no', 'ImageRole', `logs:${a}`, arn('logs', 'log-group:BuildLogs:log-stream:x')]]),
    ...everyTask.flatMap((role) => [['no', role, 'codebuild:StartBuild', arn('codebuild', 'project/cicd-image')], ['no', role, 'ecr:PutImage', images], ['no', role, 'dynamodb:PutItem', tableArn, leading('image')], ...put('no', role, 'image-sources/1.tar.gz'), ...deny(role, 's3:GetObject', 'image-sources/1.tar.gz')]),
    ...['BranchBuildRole', 'BranchTestRole', 'BranchShardRole', 'TestRole', 'ShardRole', 'ForkStoreRole', 'staging-DeployRole'].flatMap((role) => put('no', role, `runs/main/${S}/build/image.json`)), ...put('yes', 'BuildRole', `runs/main/${S}/build/image.json`),
  ],
  'rules and the schedule start the machine, and leave in the queue what they cannot deliver': [
    ['yes', 'StartRole', 'states:StartExecution', arn('states', 'stateMachine:Machine')],
    ['no', 'StartRole', 'states:StartExecution', arn('states', 'stateMachine:Other')],
    ['yes', 'StartRole', 'sqs:SendMessage', arn('sqs', 'Dlq')],
    ['yes', 'PostRole', 'events:InvokeApiDestination', arn('events', 'api-destination/Slack/1')],
    ['yes', 'PostRole', 'events:InvokeApiDestination', arn('events', 'api-destination/GitHubStatuses/1')],
  ],
  'workflows of the main branch report pushes and run its checks': [
    ['yes', 'GitHubTriggerRole', 'events:PutEvents', arn('events', 'event-bus/cicd'), { 'events:source': ['ci.github'], 'events:detail-type': ['push'] }],
    ['no', 'GitHubTriggerRole', 'events:PutEvents', arn('events', 'event-bus/cicd'), { 'events:source': ['ci.manual'], 'events:detail-type': ['push'] }],
    ['no', 'GitHubTriggerRole', 'events:PutEvents', arn('events', 'event-bus/cicd')],
    ['yes', 'GitHubTriggerRole', 'ecs:RunTask', family('Test'), here],
    ['yes', 'GitHubTriggerRole', 'iam:PassRole', iam('BuildRole'), to('ecs-tasks')],
    ['no', 'GitHubTriggerRole', 'ecs:RunTask', family('Deploy-production'), here],
    ['no', 'GitHubTriggerRole', 'iam:PassRole', iam('production-DeployRole'), to('ecs-tasks')],
  ],
  'workflows of other branches cannot speak for the main one, nor run with its rights': [
    ['yes', 'GitHubBranchRole', 'events:PutEvents', arn('events', 'event-bus/cicd'), { 'events:source': ['ci.github'], 'events:detail-type': ['branch_push'] }],
    ['no', 'GitHubBranchRole', 'events:PutEvents', arn('events', 'event-bus/cicd'), { 'events:source': ['ci.github'], 'events:detail-type': ['push'] }],
    ['yes', 'GitHubBranchRole', 'ecs:RunTask', family('BranchTest'), here],
    ['yes', 'GitHubBranchRole', 'iam:PassRole', iam('BranchTestRole'), to('ecs-tasks')],
    ['no', 'GitHubBranchRole', 'ecs:RunTask', family('Test'), here],
    ['no', 'GitHubBranchRole', 'iam:PassRole', iam('TestRole'), to('ecs-tasks')],
  ],
  'jobs of the GitHub environment deploy to the environment that says so': [
    ['yes', 'GitHubDeployRole', 'ecs:RunTask', family('Deploy-production'), here],
    ['yes', 'GitHubDeployRole', 'iam:PassRole', iam('production-DeployRole'), to('ecs-tasks')],
    ['no', 'GitHubDeployRole', 'ecs:RunTask', family('Deploy-staging'), here],
    ['no', 'GitHubDeployRole', 'iam:PassRole', iam('staging-DeployRole'), to('ecs-tasks')],
    ['no', 'GitHubDeployRole', 'states:StartExecution', arn('states', 'stateMachine:Machine')],
  ],
  'following a task': ['FollowPolicy', 'TriggerPolicy'].flatMap((p) => [
    ['yes', p, 'cloudformation:DescribeStacks', stack('cicd')], ['no', p, 'cloudformation:DescribeStacks', stack('cicd-other')],
    ['yes', p, 'ecs:DescribeTasks', arn('ecs', 'task/Cluster/1')], ['yes', p, 'ecs:DescribeTaskDefinition', '*'],
    ['yes', p, 'ecs:TagResource', arn('ecs', 'task/Cluster/1'), { 'ecs:CreateAction': 'RunTask' }], ['no', p, 'ecs:TagResource', arn('ecs', 'task/Cluster/1')], ['yes', p, 'logs:GetLogEvents', group('checks')],
    ['no', p, 's3:GetObject', key('builds/x')], [p === 'FollowPolicy' ? 'yes' : 'no', p, 'ssm:GetParameter', arn('ssm', 'parameter/cicd/environments/staging')],
  ]).concat([['yes', 'TriggerPolicy', 'ecs:RunTask', family('BranchBuild'), here], ['yes', 'TriggerPolicy', 'iam:PassRole', iam('BranchBuildRole'), to('ecs-tasks')]]),
  'a viewer sees executions, logs and artifacts, and no token': [
    ['yes', 'ViewerPolicy', 'cloudformation:DescribeStacks', stack('cicd')], ['yes', 'ViewerPolicy', 'ssm:GetParameter', arn('ssm', 'parameter/cicd/environments/staging')],
    ['yes', 'ViewerPolicy', 'states:ListExecutions', arn('states', 'stateMachine:Machine')], ['yes', 'ViewerPolicy', 'states:GetExecutionHistory', arn('states', 'execution:Machine:x')],
    ['yes', 'ViewerPolicy', 'ecs:DescribeTasks', arn('ecs', 'task/Cluster/1')], ['yes', 'ViewerPolicy', 'logs:GetLogEvents', group('production')],
    ['yes', 'ViewerPolicy', 's3:ListBucket', bucket], ['yes', 'ViewerPolicy', 's3:GetObject', key('runs/x')], ['yes', 'ViewerPolicy', 'kms:Decrypt', keyArn],
    ['yes', 'ViewerPolicy', 'dynamodb:GetItem', tableArn, leading('approval#x')], ['yes', 'ViewerPolicy', 'dynamodb:GetItem', tableArn, leading('run#x')], ['no', 'ViewerPolicy', 'dynamodb:PutItem', tableArn, leading('run#x')], ['no', 'ViewerPolicy', 'ecs:StopTask', arn('ecs', 'task/Cluster/1')], ['no', 'ViewerPolicy', 'dynamodb:GetItem', tableArn, leading('token#staging#x')],
    ['no', 'ViewerPolicy', 'dynamodb:GetItem', tableArn], ['no', 'ViewerPolicy', 'dynamodb:PutItem', tableArn, leading('answer#staging#x')], ['no', 'ViewerPolicy', 'dynamodb:Scan', tableArn], ['no', 'ViewerPolicy', 's3:PutObject', key('runs/x')],
    ['no', 'ViewerPolicy', 'states:StartExecution', arn('states', 'stateMachine:Machine')], ['no', 'ViewerPolicy', 'states:SendTaskSuccess', '*'],
  ],
  'an operator starts, cancels and approves staging': [
    ['yes', 'OperatorPolicy', 'states:StartExecution', arn('states', 'stateMachine:Machine')], ['yes', 'OperatorPolicy', 'states:StopExecution', arn('states', 'execution:Machine:x')],
    ['yes', 'OperatorPolicy', 'ecs:StopTask', arn('ecs', 'task/Cluster/1')], ['no', 'OperatorPolicy', 'ecs:StopTask', arn('ecs', 'task/other/1')], ['no', 'OperatorPolicy', 'ecs:RunTask', family('BranchTest'), here],
    ['yes', 'OperatorPolicy', 'states:SendTaskSuccess', '*'], ['yes', 'OperatorPolicy', 'states:SendTaskFailure', '*'],
    ['yes', 'OperatorPolicy', 'dynamodb:GetItem', tableArn, leading('token#staging#x')], ['yes', 'OperatorPolicy', 'dynamodb:GetItem', tableArn, leading('token#forks#x')],
    ['no', 'OperatorPolicy', 'dynamodb:GetItem', tableArn, leading('token#production#x')], ['no', 'OperatorPolicy', 'dynamodb:GetItem', tableArn, leading('token#staging#x', 'token#production#x')], ['no', 'OperatorPolicy', 'dynamodb:GetItem', tableArn],
    ...['staging', 'forks'].map((e) => ['yes', 'OperatorPolicy', 'dynamodb:PutItem', tableArn, leading(`answer#${e}#x`)]),
    ...['answer#production#x', 'answer#staging-2#x', 'answer#x', 'token#staging#x', 'approval#x', 'ref#x', 'run#x'].map((k) => ['no', 'OperatorPolicy', 'dynamodb:PutItem', tableArn, leading(k)]), ['no', 'OperatorPolicy', 'dynamodb:PutItem', tableArn],
    ['no', 'OperatorPolicy', 'dynamodb:UpdateItem', tableArn, leading('answer#production#x')],
  ],
  'a releaser approves production and starts nothing': [
    ['yes', 'ReleaserPolicy', 'dynamodb:GetItem', tableArn, leading('token#production#x')], ['yes', 'ReleaserPolicy', 'states:SendTaskSuccess', '*'],
    ['yes', 'ReleaserPolicy', 'dynamodb:PutItem', tableArn, leading('answer#production#x')], ['no', 'ReleaserPolicy', 'dynamodb:PutItem', tableArn, leading('token#production#x')], ['no', 'ReleaserPolicy', 'dynamodb:PutItem', tableArn],
    ['no', 'ReleaserPolicy', 'dynamodb:GetItem', tableArn, leading('approval#x')], ['no', 'ReleaserPolicy', 'dynamodb:GetItem', tableArn],
    ['no', 'ReleaserPolicy', 'states:StartExecution', arn('states', 'stateMachine:Machine')], ['no', 'ReleaserPolicy', 'states:StopExecution', arn('states', 'execution:Machine:x')],
  ],
  'a key of your own is used by the roles that need it': [
    ...['BuildRole', 'ShardRole', 'BranchTestRole', 'ForkStoreRole', 'BuildExecutionRole', 'MachineRole', 'StartRole', 'staging-DeployRole', 'production-MigrateExecutionRole', 'abroad-DeployRole'].map((role) => ['yes', role, 'kms:Decrypt', keyArn]),
    ['no', 'ForkRole', 'kms:Decrypt', keyArn], ['yes', 'ForkExecutionRole', 'kms:Decrypt', keyArn], ['no', 'ForkExecutionRole', 'kms:GenerateDataKey', keyArn], ['no', 'BuildRole', 'kms:Decrypt', arn('kms', 'key/2')],
  ],
  'the main branch signs what it builds, and who deploys verifies that': [
    ['yes', 'BuildRole', 'kms:Sign', signingArn], ['yes', 'BuildRole', 'kms:GetPublicKey', signingArn], ['no', 'BuildRole', 'kms:Sign', keyArn],
    ...['staging-DeployRole', 'production-MigrateRole', 'abroad-DeployRole'].flatMap((role) => [['yes', role, 'kms:GetPublicKey', signingArn], ['no', role, 'kms:Sign', signingArn]]),
    ...['BranchBuildRole', 'TestRole', 'BranchTestRole', 'ShardRole', 'ForkRole', 'ForkStoreRole', 'MachineRole'].map((role) => ['no', role, 'kms:Sign', signingArn]),
  ],
  'who takes a lock may ask whether the task that holds it has stopped': ['staging-DeployRole', 'production-MigrateRole'].flatMap((role) => [
    ['yes', role, 'ecs:DescribeTasks', arn('ecs', 'task/Cluster/1'), here], ['no', role, 'ecs:DescribeTasks', arn('ecs', 'task/other/1'), elsewhere], ['no', role, 'ecs:DescribeTasks', arn('ecs', 'task/Cluster/1'), elsewhere],
    ['no', role, 'ecs:StopTask', arn('ecs', 'task/Cluster/1'), here],
  ]),
  'a shell in a task needs the channels of Systems Manager, which forks do not get': [
    ...['BuildRole', 'ShardRole', 'staging-DeployRole', 'production-DeployRole', 'abroad-MigrateRole'].map((role) => ['yes', role, 'ssmmessages:OpenDataChannel', '*']), ['no', 'ForkRole', 'ssmmessages:OpenDataChannel', '*'],
  ],
  'own steps and their artifacts are kept like those of test, for the main branch, release tags and branches': [
    ...['lint', 'e2e'].flatMap((step) => [
      ...['main', 'v1'].flatMap((b) => put('yes', 'TestRole', `runs/${b}/${S}/${step}/1/finished.json`, `runs/${b}/latest/${step}/latest.json`)),
      ...put('yes', 'BranchTestRole', `runs/feature/${S}/${step}/1/finished.json`, `runs/feature/latest/${step}/latest.json`),
    ]),
    ...['main', 'v1'].flatMap((b) => [...put('yes', 'TestRole', `reports/${b}/${S}/a`, `manifests/reports/${b}/latest.json`), ...['BranchTestRole'].flatMap((role) => put('no', role, `reports/${b}/${S}/a`, `manifests/reports/${b}/latest.json`))]),
    ...put('yes', 'TestRole', 'reports/main/latest/a'), ...put('yes', 'BranchTestRole', `reports/feature/${S}/a`, 'reports/feature/latest/a', 'manifests/reports/feature/latest.json'),
  ],
  'caches are removed by the roles that keep them': [
    ...['BuildRole', 'TestRole'].flatMap((role) => [['yes', role, 's3:DeleteObject', key('cache/main/pnpm/1')], ['yes', role, 's3:DeleteObject', key('cache/v1/pnpm/1')], ['no', role, 's3:DeleteObject', key('cache/feature/pnpm/1')]]),
    ...['BranchBuildRole', 'BranchTestRole'].flatMap((role) => [['yes', role, 's3:DeleteObject', key('cache/feature/pnpm/1')], ...deny(role, 's3:DeleteObject', 'cache/main/pnpm/1', 'cache/v1/pnpm/1', `builds/feature/${S}/a.js`)]),
  ],
  'release tags are kept by the same roles': [
    ...['s3:PutObject', 's3:PutObjectTagging'].flatMap((action) => [`builds/v1/${S}/a.js`, `manifests/builds/v1/${S}.json`, `runs/v1/${S}/build/1/finished.json`, 'runs/v1/latest/build/latest.json', 'runs/index/v1~/head.json.gz', 'runs/index/~branches/head.json.gz', 'runs/index/index.html', 'cache/v1/pnpm/1', 'locks/artifacts/v1/ab.json'].map((k) => ['yes', 'BuildRole', action, key(k), tag('30d')])),
    ...put('yes', 'TestRole', `coverage/v1/${S}/a`, 'coverage/v1/latest/a', 'manifests/coverage/v1/latest.json', 'tests/v1/history-test.json.gz', `runs/v1/${S}/test/1/finished.json`, 'runs/v1/latest/test/latest.json', 'runs/index/v1~/head.json.gz', 'runs/index/~branches/head.json.gz', 'runs/index/index.html', 'cache/v1/jest/1', 'locks/artifacts/v1/ab.json'),
    ...[`manifests/builds/feature/${S}.json`, 'runs/feature/latest/build/latest.json'].map((k) => ['yes', 'BranchBuildRole', 's3:PutObjectTagging', key(k), tag('30d')]),
    ...put('yes', 'BranchTestRole', 'runs/feature/latest/test/latest.json'), ...put('yes', 'staging-MigrateRole', 'runs/main/latest/migrate@staging/latest.json', 'deployments/staging/Shop/1.json'),
    ...['builds/main/x', 'coverage/main/x', 'manifests/builds/main/latest.json', 'runs/main/x', 'tests/main/x', 'cache/main/x', 'locks/artifacts/main/ab.json'].map((k) => ['yes', 'TestRole', 's3:GetObject', key(k)]),
    ['yes', 'TestRole', 'ssm:GetParameters', arn('ssm', 'parameter/cicd/test/key')],
    ['yes', 'production-DeployRole', 's3:GetObjectTagging', key('manifests/builds/main/latest.json')], ['yes', 'production-DeployRole', 's3:PutObjectTagging', key('manifests/builds/main/latest.json'), tag('deployed')],
  ],
  'a policy that is attached to the roles of branches besides opens nothing that is protected': ['BranchBuildRole', 'BranchTestRole', 'BranchShardRole'].flatMap((role) => [
    ...['main', 'v1'].flatMap((b) => [`runs/${b}/${S}/deploy@production/1/finished.json`, `builds/${b}/${S}/a.js`, `manifests/builds/${b}/latest.json`, `coverage/${b}/latest/a`, `manifests/coverage/${b}/latest.json`, `tests/${b}/history-test.json.gz`, `cache/${b}/x`, `locks/artifacts/${b}/ab.json`, `runs/index/${b}~/head.json.gz`, 'runs/index/~protected/head.json.gz', 'runs/index/index.html'])
      .map((k) => ['no', role, 's3:PutObject', key(k), {}, everything]),
    ['yes', role, 's3:PutObject', key('builds/feature/x'), {}, everything],
  ]),
  'tasks are started on the cluster of the pipeline, and their roles given to tasks only': [
    ['MachineRole', 'Deploy-staging', 'staging-DeployRole'], ['GitHubTriggerRole', 'Test', 'TestRole'], ['TriggerPolicy', 'BranchTest', 'BranchTestRole'], ['GitHubDeployRole', 'Deploy-production', 'production-DeployRole'],
  ].flatMap(([who, task, role]) => [['no', who, 'ecs:RunTask', family(task), elsewhere], ['no', who, 'iam:PassRole', iam(role), to('lambda')], ['yes', who, 'ecs:RunTask', family(task), here], ['yes', who, 'iam:PassRole', iam(role), to('ecs-tasks')]]).concat(
    [['MachineRole', 'BuildExecutionRole', 'TestRole', 'TestExecutionRole', 'BranchTestRole', 'staging-MigrateExecutionRole', 'staging-DeployExecutionRole'], ['GitHubTriggerRole', 'BuildExecutionRole', 'TestExecutionRole'], ['TriggerPolicy', 'BuildExecutionRole', 'TestExecutionRole'], ['GitHubDeployRole', 'production-MigrateRole', 'production-MigrateExecutionRole', 'production-DeployExecutionRole']]
      .flatMap(([who, ...all]) => all.map((role) => ['yes', who, 'iam:PassRole', iam(role), to('ecs-tasks')])),
    [['yes', 'GitHubTriggerRole', 'ecs:RunTask', family('Build'), here], ['yes', 'GitHubDeployRole', 'ecs:RunTask', family('Migrate-production'), here]],
  ),
  'an event without a source or a type, or with another one, is not put': [['GitHubTriggerRole', 'push', 'manual'], ['GitHubBranchRole', 'branch_push', 'push']].flatMap(([role, own, other]) => [
    { 'events:source': ['ci.github'] }, { 'events:detail-type': [own] }, { 'events:source': ['ci.github'], 'events:detail-type': [other] }, { 'events:source': ['ci.manual'], 'events:detail-type': [own] }, { 'events:source': ['ci.github'], 'events:detail-type': [own, other] },
  ].map((context) => ['no', role, 'events:PutEvents', arn('events', 'event-bus/cicd'), context])),
}
