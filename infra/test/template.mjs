// A template as CloudFormation resolves it: conditions decided and intrinsics worked out, with made-up names for what only AWS
// can name.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'

export const infra = fileURLToPath(new URL('..', import.meta.url))
export const source = (name) => readFileSync(infra + name, 'utf8')
export const load = (name) => parse(source(name))

export const ACCOUNT = '123456789012'
export const REGION = 'eu-west-1'
export const STACK = 'cicd'

export const parameters = {
  SubnetIds: ['subnet-a', 'subnet-b'],
  SecurityGroupId: 'sg-1',
  ArtifactBucket: 'artifacts',
  GitHubRepository: 'acme/shop',
  ImageTag: '0123abc',
}

const home = { 'AWS::AccountId': ACCOUNT, 'AWS::Region': REGION, 'AWS::Partition': 'aws', 'AWS::StackName': STACK, 'AWS::URLSuffix': 'amazonaws.com', 'AWS::NoValue': undefined }

// What Ref and GetAtt return for a resource, as far as the tests look at it.
const arnIn = ({ 'AWS::Partition': partition, 'AWS::Region': region }) => (id, type) => ({
  'AWS::IAM::Role': `arn:${partition}:iam::${ACCOUNT}:role/${id}`,
  'AWS::IAM::ManagedPolicy': `arn:${partition}:iam::${ACCOUNT}:policy/${id}`,
  'AWS::ECS::Cluster': `arn:${partition}:ecs:${region}:${ACCOUNT}:cluster/${id}`,
  'AWS::StepFunctions::StateMachine': `arn:${partition}:states:${region}:${ACCOUNT}:stateMachine:${id}`,
  'AWS::DynamoDB::Table': `arn:${partition}:dynamodb:${region}:${ACCOUNT}:table/${id}`,
  'AWS::SQS::Queue': `arn:${partition}:sqs:${region}:${ACCOUNT}:${id}`,
  'AWS::SNS::Topic': `arn:${partition}:sns:${region}:${ACCOUNT}:${id}`,
  'AWS::Logs::LogGroup': `arn:${partition}:logs:${region}:${ACCOUNT}:log-group:${id}:*`,
  'AWS::Events::ApiDestination': `arn:${partition}:events:${region}:${ACCOUNT}:api-destination/${id}/1`,
  'AWS::S3::Bucket': `arn:${partition}:s3:::${id.toLowerCase()}`,
}[type] ?? `arn:${partition}:${type}:${id}`)
const arn = arnIn(home)

const isArnByRef = ['AWS::IAM::ManagedPolicy', 'AWS::StepFunctions::StateMachine', 'AWS::SNS::Topic']

// resolve returns the resources of a stack. Their names are their logical ids, in other stacks than that of cicd.yaml with the
// stack's name before them.
export function resolve(template, given = {}, stack = STACK, place = {}) {
  const pseudo = { ...home, ...place }, arn = arnIn(pseudo)
  const named = (id) => (stack === STACK ? id : `${stack}-${id}`)
  const types = Object.fromEntries(Object.entries(template.Resources).map(([id, r]) => [id, r.Type]))
  const values = { ...parameters, ...given }
  const split = (v, type) => (typeof v === 'string' && /List/.test(type) ? v.split(',') : v)
  const ref = (name) => {
    if (name === 'AWS::StackName') return stack
    if (name in pseudo) return pseudo[name]
    const p = template.Parameters?.[name]
    if (p) {
      const v = split(values[name] ?? p.Default, p.Type)
      if (v === undefined) throw new Error(`the parameter ${name} has no value`)
      return v
    }
    if (!types[name]) throw new Error(`Ref to ${name}, which does not exist`)
    if (types[name] === 'AWS::Events::Rule') return template.Resources[name].Properties.EventBusName ? `${stack}|${name}` : name
    if (types[name] === 'AWS::ECS::TaskDefinition') return `arn:${pseudo['AWS::Partition']}:ecs:${pseudo['AWS::Region']}:${ACCOUNT}:task-definition/${work(template.Resources[name].Properties.Family)}:7`
    return isArnByRef.includes(types[name]) ? arn(named(name), types[name]) : named(name)
  }
  const att = (name, what) => {
    if (!types[name]) throw new Error(`GetAtt of ${name}, which does not exist`)
    if (types[name] === 'AWS::Events::EventBus') return what === 'Arn' ? `arn:${pseudo['AWS::Partition']}:events:${pseudo['AWS::Region']}:${ACCOUNT}:event-bus/${stack}` : stack
    if (what === 'Arn') return arn(named(name), types[name])
    return what === 'QueueName' || what === 'Name' ? named(name) : `${name}.${what}`
  }
  const condition = (name) => {
    if (!(name in template.Conditions)) throw new Error(`there is no condition ${name}`)
    return work(template.Conditions[name])
  }
  const substitute = (text, more = {}) => text.replace(/\$\{(!?)([^}]+)\}/g, (_, literal, name) => {
    if (literal) return `\${${name}}`
    if (name in more) return more[name]
    const dot = name.indexOf('.')
    return dot < 0 ? ref(name) : att(name.slice(0, dot), name.slice(dot + 1))
  })
  const functions = {
    Ref: ref,
    Condition: condition,
    'Fn::GetAtt': ([name, what]) => att(name, what),
    'Fn::Sub': (a) => (Array.isArray(a) ? substitute(a[0], work(a[1])) : substitute(a)),
    'Fn::If': ([name, yes, no]) => work(condition(name) ? yes : no),
    'Fn::Join': ([by, list]) => [work(list)].flat().join(by),
    'Fn::Split': ([by, text]) => work(text).split(by),
    'Fn::Select': ([i, list]) => work(list)[i],
    'Fn::FindInMap': ([map, key, name]) => template.Mappings[map][work(key)][name],
    'Fn::Equals': ([a, b]) => work(a) === work(b),
    'Fn::Not': ([a]) => !work(a),
    'Fn::And': (list) => list.every(work),
    'Fn::Or': (list) => list.some(work),
    'Fn::GetAZs': () => [`${REGION}a`, `${REGION}b`],
  }
  function work(v) {
    if (Array.isArray(v)) return v.map(work).filter((x) => x !== undefined)
    if (v === null || typeof v !== 'object') return v
    const keys = Object.keys(v)
    if (keys.length === 1 && functions[keys[0]] && (keys[0] !== 'Condition' || typeof v.Condition === 'string')) return functions[keys[0]](v[keys[0]])
    return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, work(x)]).filter(([, x]) => x !== undefined))
  }
  const there = Object.entries(template.Resources).filter(([, r]) => !r.Condition || condition(r.Condition))
  return Object.fromEntries(there.map(([id, r]) => [id, { Type: r.Type, Properties: work(r.Properties ?? {}) }]))
}

// refused returns why CloudFormation would not take parameters: a pattern or a list of values, or an assertion of a rule.
export function refused(template, given) {
  const value = (name) => {
    const { Type, Default } = template.Parameters[name], v = given[name] ?? Default ?? parameters[name]
    return /List/.test(Type) && typeof v === 'string' ? v.split(',') : v
  }
  const functions = {
    Ref: value, 'Fn::Equals': ([a, b]) => work(a) === work(b), 'Fn::Not': ([a]) => !work(a), 'Fn::And': (list) => list.every(work), 'Fn::Or': (list) => list.some(work),
    'Fn::Contains': ([list, v]) => work(list).includes(work(v)),
  }
  const work = (v) => {
    if (v === null || typeof v !== 'object' || Array.isArray(v)) return v
    const [[name, argument]] = Object.entries(v)
    if (!functions[name]) throw new Error(`rules have no ${name}`)
    return functions[name](argument)
  }
  const values = Object.entries(template.Parameters).filter(([name, p]) => [value(name) ?? []].flat().some((v) => (p.AllowedPattern && !new RegExp(p.AllowedPattern).test(v)) || (p.AllowedValues && !p.AllowedValues.includes(v))))
  const rules = Object.values(template.Rules ?? {}).filter((r) => !r.RuleCondition || work(r.RuleCondition)).flatMap((r) => r.Assertions).filter((a) => !work(a.Assert))
  return [...values.map(([name]) => name), ...rules.map((a) => a.AssertDescription)]
}

// sample returns values for the required parameters of a template.
export const sample = (name) => ({
  'environment.yaml': {
    Pipeline: STACK, ClusterArn: arn('Cluster', 'AWS::ECS::Cluster'), MachineRoleName: 'MachineRole', ReadPolicyArn: arn('ReadPolicy', 'AWS::IAM::ManagedPolicy'), RepositoryName: 'ci/shop',
    RepositoryUri: `${ACCOUNT}.dkr.ecr.${REGION}.amazonaws.com/ci/shop`, SecretsPrefix: STACK, EnvironmentName: 'staging', StackName: 'Shop-Staging',
  },
  'target.yaml': { Pipeline: STACK, EnvironmentName: 'abroad', DeployRoleArn: arn('abroad-DeployRole', 'AWS::IAM::Role'), MigrateRoleArn: arn('abroad-MigrateRole', 'AWS::IAM::Role'), ExternalId: 'shop-1', StackName: 'Shop-Abroad' },
  'webhook.yaml': { LambdaS3Bucket: 'b', LambdaS3Key: 'k', EventBusName: STACK, Repositories: 'acme/shop' },
}[name])

// environment resolves environment.yaml for one environment of the pipeline, with the outputs of cicd.yaml as its parameters.
export function environment(name, given = {}) {
  const title = name[0].toUpperCase() + name.slice(1)
  return resolve(load('environment.yaml'), { ...sample('environment.yaml'), EnvironmentName: name, StackName: `Shop-${title}`, ...given }, name)
}
