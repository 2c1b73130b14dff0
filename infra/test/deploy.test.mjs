// The templates deployed: by the AWS CLI, and by carlin, to a moto that is started for it.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { infra, load, sample } from './template.mjs'

const run = promisify(execFile)
let moto, dir, environment

before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'infra-'))
  const port = await new Promise((r) => { const s = createServer().listen(0, '127.0.0.1', () => { const { port } = s.address(); s.close(() => r(port)) }) })
  environment = {
    PATH: process.env.PATH, HOME: dir, AWS_ENDPOINT_URL: `http://localhost:${port}`, AWS_REGION: 'eu-west-1', AWS_DEFAULT_REGION: 'eu-west-1',
    AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_EC2_METADATA_DISABLED: 'true', AWS_PAGER: '',
  }
  moto = spawn('moto_server', ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' })
  for (let left = 300; ; left--) {
    if (moto.exitCode !== null || left === 0) throw new Error('moto_server does not start')
    try { await fetch(environment.AWS_ENDPOINT_URL + '/moto-api/data.json'); break } catch { await new Promise((r) => setTimeout(r, 200)) }
  }
})
after(() => { moto?.kill(); rmSync(dir, { recursive: true, force: true }) })

const aws = async (...args) => {
  const { stdout } = await run('aws', [...args, '--output', 'json'], { env: environment, cwd: dir, maxBuffer: 1 << 26 })
  return stdout.trim().startsWith('{') ? JSON.parse(stdout) : stdout
}
const outputs = async (stack) => Object.fromEntries((await aws('cloudformation', 'describe-stacks', '--stack-name', stack)).Stacks[0].Outputs.map((o) => [o.OutputKey, o.OutputValue]))
const resources = async (stack) => (await aws('cloudformation', 'list-stack-resources', '--stack-name', stack)).StackResourceSummaries.filter((r) => r.LogicalResourceId)

// moto makes no outputs for a stack that is deployed by a change set, so this one is created. It resolves outputs whose condition
// is false, too: of a key that is not made there can be none here.
const keyless = () => {
  const template = load('base.yaml')
  delete template.Outputs.KmsKeyArn
  return JSON.stringify(template)
}
// moto takes the tags of a parameter as a list, CloudFormation as a map.
const untagged = () => {
  const template = load('environment.yaml')
  delete template.Resources.Settings.Properties.Tags
  return JSON.stringify(template)
}
// moto keeps null where AWS::NoValue stands among the containers of a task: here they have so many services.
const besides = (services) => {
  const template = load('cicd.yaml')
  for (const { Type, Properties: p } of Object.values(template.Resources)) {
    if (Type === 'AWS::ECS::TaskDefinition') p.ContainerDefinitions = p.ContainerDefinitions.flatMap((c) => (c['Fn::If'] ? (services.includes(c['Fn::If'][0]) ? [c['Fn::If'][1]] : []) : [c]))
  }
  return JSON.stringify(template)
}
let base
const baseOutputs = async () => {
  if (!base) {
    await aws('cloudformation', 'create-stack', '--stack-name', 'base', '--template-body', keyless())
    base = await outputs('base')
  }
  return base
}
// moto makes no repository without a name, and does not split the defaults of lists.
const lists = { Environments: 'staging,production', ApprovalEnvironments: 'production', ReleaseEnvironments: 'production', OperatorApprovals: 'staging,forks' }
const own = { GitHubRepository: 'acme/shop', ImageTag: '0123abc', RepositoryName: 'ci/shop', ...lists }
const overrides = (p) => Object.entries(p).map(([k, v]) => `${k}=${v}`)

test('the outputs of base.yaml are what cicd.yaml asks for', async () => {
  const needed = Object.entries(load('cicd.yaml').Parameters).filter(([n, p]) => !('Default' in p) && !(n in own)).map(([n]) => n)
  const given = await baseOutputs()
  for (const n of [...needed, 'AssignPublicIp', 'TemplateBucket']) assert.ok(given[n], n)
})

test('base.yaml is deployed by the AWS CLI', async () => {
  await aws('cloudformation', 'deploy', '--stack-name', 'base-two', '--template-file', `${infra}base.yaml`)
  const made = (await resources('base-two')).map((r) => r.ResourceType)
  for (const type of ['AWS::EC2::VPC', 'AWS::EC2::VPCEndpoint', 'AWS::S3::Bucket', 'AWS::EC2::SecurityGroup']) assert.ok(made.includes(type), type)
})

test('cicd.yaml is deployed by the AWS CLI with the commands of the README, and an environment after it', async () => {
  const given = await baseOutputs()
  const { TemplateBucket, ...network } = given
  const deploy = (stack, template, p) => aws('cloudformation', 'deploy', '--stack-name', stack, '--template-file', template, '--s3-bucket', TemplateBucket, '--s3-prefix', 'templates', '--capabilities', 'CAPABILITY_IAM', '--parameter-overrides', ...overrides(p))
  writeFileSync(join(dir, 'besides.json'), besides(['HasTestService1', 'HasTestService2']))
  await deploy('cicd', join(dir, 'besides.json'), { ...network, ...own, TestServices: 'db=postgres:17:5432,cache=redis:7:6379' })
  const made = await resources('cicd')
  for (const id of ['Bucket', 'Cluster', 'BuildTask', 'BranchTestTask', 'ForkTask', 'Machine', 'Bus', 'BranchRule', 'TagRule', 'ForkRule', 'MergeGroupRule', 'ManualRule', 'Table', 'Topic', 'Dlq', 'ViewerPolicy']) assert.ok(made.some((r) => r.LogicalResourceId === id), id)
  const { stateMachines } = await aws('stepfunctions', 'list-state-machines')
  const { definition } = await aws('stepfunctions', 'describe-state-machine', '--state-machine-arn', stateMachines[0].stateMachineArn)
  const settings = JSON.parse(definition).States.Settings.Result
  assert.deepEqual([settings.repository, settings.network.subnets, settings.environments], ['acme/shop', network.SubnetIds.split(','), ['staging', 'production']])
  const { build } = settings.tasks.protected
  assert.equal(build.timeout, 6000)
  assert.match(build.definition, /task-definition\/cicd-Build:1$/)
  const { taskDefinition } = await aws('ecs', 'describe-task-definition', '--task-definition', build.definition)
  const [container] = taskDefinition.containerDefinitions, bucket = made.find((r) => r.LogicalResourceId === 'Bucket').PhysicalResourceId
  assert.equal(container.name, 'runner')
  assert.ok(container.environment.some((e) => e.name === 'ARTIFACT_BUCKET' && e.value === bucket), 'a bucket of its own')

  const beside = (await aws('ecs', 'describe-task-definition', '--task-definition', settings.tasks.protected.test.definition)).taskDefinition.containerDefinitions
  assert.deepEqual(beside.map((c) => [c.name, c.image, c.essential]).slice(1), [['db', 'postgres:17', false], ['cache', 'redis:7', false]])
  assert.deepEqual(beside[0].environment.find((e) => e.name === 'RUNNER_SERVICES').value, 'db=postgres:17:5432,cache=redis:7:6379')

  const role = made.find((r) => r.LogicalResourceId === 'MachineRole').PhysicalResourceId
  const pipeline = { Pipeline: 'cicd', ClusterArn: 'arn:aws:ecs:eu-west-1:123456789012:cluster/cicd', MachineRoleName: role, ReadPolicyArn: made.find((r) => r.LogicalResourceId === 'ReadPolicy').PhysicalResourceId, ArtifactBucket: bucket, RepositoryName: 'ci/shop', RepositoryUri: '123456789012.dkr.ecr.eu-west-1.amazonaws.com/ci/shop', ImageTag: '0123abc', SecretsPrefix: 'cicd' }
  writeFileSync(join(dir, 'untagged.json'), untagged())
  for (const [EnvironmentName, StackName] of [['staging', 'Shop-Staging'], ['production', 'Shop-Production']]) await deploy(`cicd-${EnvironmentName}`, join(dir, 'untagged.json'), { ...pipeline, EnvironmentName, StackName })
  const { Parameter } = await aws('ssm', 'get-parameter', '--name', '/cicd/environments/production')
  const { migrate } = JSON.parse(Parameter.Value)
  assert.match(migrate.definition, /task-definition\/cicd-Migrate-production:1$/)
  assert.equal(migrate.timeout, 12000)
  const { PolicyNames } = await aws('iam', 'list-role-policies', '--role-name', role)
  for (const name of ['environment-staging', 'environment-production']) assert.ok(PolicyNames.includes(name), name)
})

test('target.yaml is deployed by the AWS CLI', async () => {
  await aws('cloudformation', 'deploy', '--stack-name', 'target', '--template-file', `${infra}target.yaml`, '--capabilities', 'CAPABILITY_IAM', '--parameter-overrides', ...overrides(sample('target.yaml')))
  const made = (await resources('target')).map((r) => r.LogicalResourceId)
  for (const id of ['DeployRole', 'MigrateRole', 'StackRole']) assert.ok(made.includes(id), id)
})

// carlin uploads a large template to the bucket of its own base stack, which moto cannot make: this one has its name. With an
// address instead of a host name, carlin's SDK puts the bucket into the path.
test('base, pipeline and environment are deployed by carlin', async () => {
  const carlin = process.env.CARLIN
  assert.ok(carlin, 'set CARLIN to the carlin to deploy with, as make infra-test does')
  const stack = { Resources: { CarlinBucket: { Type: 'AWS::S3::Bucket' } }, Outputs: { CarlinBucket: { Value: { Ref: 'CarlinBucket' } } } }
  await aws('cloudformation', 'create-stack', '--stack-name', 'CarlinBaseStack', '--template-body', JSON.stringify(stack))
  const given = await baseOutputs()
  for (const n of readdirSync(infra)) if (n.endsWith('.yaml')) cpSync(infra + n, join(dir, n))
  writeFileSync(join(dir, 'base.yaml'), keyless())
  writeFileSync(join(dir, 'cicd.yaml'), besides([]))
  writeFileSync(join(dir, 'environment.yaml'), untagged())
  writeFileSync(join(dir, 'package.json'), '{"name":"shop","version":"1.0.0"}')
  const parameters = (p) => Object.entries(p).map(([key, value]) => ({ key, value }))
  const only = (name, p) => Object.fromEntries(Object.entries(p).filter(([k]) => k in load(name).Parameters))
  for (const [template, stackName, p] of [['base.yaml', 'Base', {}], ['cicd.yaml', 'Cicd', { ...only('cicd.yaml', given), ...own,
    // moto also resolves outputs whose condition is false, so here the roles exist.
    GitHubRoles: 'true', GitHubOidcProviderArn: 'arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com' }], ['environment.yaml', 'CicdStaging', null]]) {
    const values = p ?? { ...only('environment.yaml', await outputs('Cicd')), EnvironmentName: 'staging', StackName: 'Shop-Staging' }
    writeFileSync(join(dir, 'carlin.yml'), JSON.stringify({ parameters: parameters(values) }))
    const { stdout, stderr } = await run(process.execPath, ['-r', `${infra}test/carlin/endpoint.cjs`, carlin, 'deploy', '-t', template, '--stack-name', stackName, '--region', 'eu-west-1'], { env: { ...environment, AWS_ENDPOINT_URL: environment.AWS_ENDPOINT_URL.replace('localhost', '127.0.0.1') }, cwd: dir, maxBuffer: 1 << 26 })
    const { Stacks: [made] } = await aws('cloudformation', 'describe-stacks', '--stack-name', stackName).catch(() => assert.fail(stdout + stderr))
    assert.equal(made.StackStatus, 'CREATE_COMPLETE', stdout + stderr)
    if (stackName === 'Cicd') for (const o of ['ClusterArn', 'StateMachineArn', 'EventBusName', 'TableName', 'TopicArn', 'DlqUrl', 'BuildTaskDefinitionArn', 'BranchTestTaskDefinitionArn', 'ReadPolicyArn', 'MachineRoleName']) assert.ok(made.Outputs.some((x) => x.OutputKey === o), o)
  }
})
