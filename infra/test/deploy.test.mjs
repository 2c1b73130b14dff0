// The templates deployed: by the AWS CLI, and by carlin, to a moto that is started for it.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { infra, load } from './template.mjs'

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

// moto makes no outputs of a stack that is deployed by a change set, hence the other way for this one.
let base
const baseOutputs = async () => {
  if (!base) {
    await aws('cloudformation', 'create-stack', '--stack-name', 'base', '--template-body', `file://${infra}base.yaml`)
    base = await outputs('base')
  }
  return base
}
const own = { GitHubRepository: 'acme/shop', ImageTag: '0123abc', StagingStackName: 'Shop-Staging', ProductionStackName: 'Shop-Production' }

test('what base.yaml puts out is what cicd.yaml asks for', async () => {
  const asked = Object.entries(load('cicd.yaml').Parameters)
  const needed = asked.filter(([n, p]) => !('Default' in p) && !(n in own)).map(([n]) => n)
  const given = await baseOutputs()
  for (const n of [...needed, 'AssignPublicIp', 'RepositoryName']) assert.ok(given[n], n)
})

test('base.yaml is deployed by the AWS CLI', async () => {
  const args = ['cloudformation', 'deploy', '--stack-name', 'base-two', '--template-file', `${infra}base.yaml`, '--parameter-overrides', 'RepositoryName=ci/two']
  await aws(...args)
  const made = (await resources('base-two')).map((r) => r.ResourceType)
  for (const type of ['AWS::EC2::VPC', 'AWS::EC2::VPCEndpoint', 'AWS::ECR::Repository', 'AWS::S3::Bucket', 'AWS::EC2::SecurityGroup']) assert.ok(made.includes(type), type)
})

test('cicd.yaml is deployed by the AWS CLI, by way of the bucket, with the commands of the README', async () => {
  const given = await baseOutputs()
  await aws('cloudformation', 'deploy', '--stack-name', 'cicd', '--template-file', `${infra}cicd.yaml`, '--s3-bucket', given.ArtifactBucket, '--s3-prefix', 'templates',
    '--capabilities', 'CAPABILITY_IAM', '--parameter-overrides', ...Object.entries({ ...given, ...own }).map(([k, v]) => `${k}=${v}`))
  const made = (await resources('cicd')).map((r) => r.LogicalResourceId)
  for (const id of ['Cluster', 'BuildTask', 'DeployProductionTask', 'Machine', 'Bus', 'BranchRule', 'TagRule', 'ManualRule', 'Table', 'Topic', 'Dlq']) assert.ok(made.includes(id), id)
  const { stateMachines } = await aws('stepfunctions', 'list-state-machines')
  const { definition } = await aws('stepfunctions', 'describe-state-machine', '--state-machine-arn', stateMachines[0].stateMachineArn)
  const build = JSON.parse(definition).States.Build
  assert.equal(build.TimeoutSeconds, 6000)
  assert.match(build.Parameters.TaskDefinition, /task-definition\/cicd-Build:1$/)
  const { taskDefinition } = await aws('ecs', 'describe-task-definition', '--task-definition', build.Parameters.TaskDefinition)
  const [container] = taskDefinition.containerDefinitions
  assert.equal(container.name, 'runner')
  assert.ok(container.environment.some((e) => e.name === 'ARTIFACT_BUCKET' && e.value === given.ArtifactBucket))
  assert.deepEqual(JSON.parse(definition).States.Prepare.Parameters.network.AwsvpcConfiguration.Subnets, given.SubnetIds.split(','))
})

// carlin takes a large template to the bucket of its own base stack, which moto cannot make: this one is named alike. By an
// address instead of a name its SDK puts the bucket into the path.
test('both are deployed by carlin', async () => {
  const carlin = process.env.CARLIN
  assert.ok(carlin, 'CARLIN names the carlin to deploy with: make infra-test does')
  const stack = { Resources: { CarlinBucket: { Type: 'AWS::S3::Bucket' } }, Outputs: { CarlinBucket: { Value: { Ref: 'CarlinBucket' } } } }
  await aws('cloudformation', 'create-stack', '--stack-name', 'CarlinBaseStack', '--template-body', JSON.stringify(stack))
  const given = await baseOutputs()
  for (const n of readdirSync(infra)) if (n.endsWith('.yaml')) cpSync(infra + n, join(dir, n))
  writeFileSync(join(dir, 'package.json'), '{"name":"shop","version":"1.0.0"}')
  const parameters = (p) => Object.entries(p).map(([key, value]) => ({ key, value }))
  const wanted = Object.keys(load('cicd.yaml').Parameters)
  for (const [template, stackName, p] of [['base.yaml', 'Base', { RepositoryName: 'ci/three' }], ['cicd.yaml', 'Cicd', { ...Object.fromEntries(Object.entries(given).filter(([k]) => wanted.includes(k))), ...own,
    // moto works out the value of an output whose condition does not hold, too, so here they all hold.
    GitHubRoles: 'true', GitHubOidcProviderArn: 'arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com' }]]) {
    writeFileSync(join(dir, 'carlin.yml'), JSON.stringify({ parameters: parameters(p) }))
    const { stdout, stderr } = await run(process.execPath, ['-r', `${infra}test/carlin/endpoint.cjs`, carlin, 'deploy', '-t', template, '--stack-name', stackName, '--region', 'eu-west-1'], { env: { ...environment, AWS_ENDPOINT_URL: environment.AWS_ENDPOINT_URL.replace('localhost', '127.0.0.1') }, cwd: dir, maxBuffer: 1 << 26 })
    const { Stacks: [made] } = await aws('cloudformation', 'describe-stacks', '--stack-name', stackName).catch(() => assert.fail(stdout + stderr))
    assert.equal(made.StackStatus, 'CREATE_COMPLETE', stdout + stderr)
    if (stackName === 'Cicd') for (const o of ['ClusterArn', 'StateMachineArn', 'EventBusName', 'TableName', 'TopicArn', 'DlqUrl', 'BuildTaskDefinitionArn', 'DeployProductionTaskDefinitionArn']) assert.ok(made.Outputs.some((x) => x.OutputKey === o), o)
  }
})
