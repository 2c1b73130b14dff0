// The machine of cicd.yaml on this computer: the states are interpreted, the services that its tasks call are simulated.
Promise.withResolvers ??= function () { // Node 20
  let resolve, reject
  const promise = new this((a, b) => { resolve = a; reject = b })
  return { promise, resolve, reject }
}
const { StateMachine } = await import('aws-local-stepfunctions')
import { createHash } from 'node:crypto'
import jsonata from 'jsonata'
import { environment, load, resolve } from './template.mjs'

export const definition = (given) => JSON.parse(resolve(load('cicd.yaml'), given).Machine.Properties.DefinitionString)

// Failed is an error as Step Functions names it.
export class Failed extends Error { constructor(name, cause) { super(cause); this.name = name } }

const copy = (v) => JSON.parse(JSON.stringify(v))

// all lists the states of a definition, those inside maps too, by name.
export const all = (states) => Object.assign({}, states, ...Object.values(states).filter((s) => s.ItemProcessor).map((s) => all(s.ItemProcessor.States)))

// interpretable replaces the states in JSONata, which the interpreter does not know, by tasks that evaluate them. Of a timeout's
// path the interpreter looks at the parameters, and AWS at the input: the path becomes a parameter.
function interpretable(states) {
  return Object.fromEntries(Object.entries(states).map(([name, s]) => {
    if (s.ItemProcessor) return [name, { ...s, ItemProcessor: { ...s.ItemProcessor, States: interpretable(s.ItemProcessor.States) } }]
    if (s.TimeoutSecondsPath) return [name, { ...s, Parameters: { ...s.Parameters, 'TimeoutSeconds.$': s.TimeoutSecondsPath }, TimeoutSecondsPath: '$.TimeoutSeconds' }]
    if (s.QueryLanguage !== 'JSONata') return [name, s]
    if (s.Type !== 'Pass') throw new Error(`${name}: only Pass states can be in JSONata here`)
    const { Output, QueryLanguage, Assign, ...rest } = s
    return [name, { ...rest, Type: 'Task', Resource: 'jsonata', Output: undefined }]
  }))
}

// evaluate works out the Output of a state as Step Functions does: an expression that yields nothing is an error.
export async function evaluate(output, states) {
  if (Array.isArray(output)) return Promise.all(output.map((v) => evaluate(v, states)))
  if (output !== null && typeof output === 'object') return Object.fromEntries(await Promise.all(Object.entries(output).map(async ([k, v]) => [k, await evaluate(v, states)])))
  const text = typeof output === 'string' && output.match(/^\{%(.*)%\}$/s)
  if (!text) return output
  const expression = jsonata(text[1])
  expression.registerFunction('parse', (s) => JSON.parse(s))
  expression.registerFunction('hash', (s, how) => createHash(how.replace('-', '').toLowerCase()).update(s).digest('hex'))
  const value = await expression.evaluate({}, { states })
  if (value === undefined) throw new Failed('States.QueryEvaluationError', `${text[1]} yields nothing`)
  return copy(value)
}

// condition evaluates a condition of DynamoDB, as far as the machine uses them.
export function condition(text, item, names = {}, values = {}) {
  const tokens = text.match(/\(|\)|,|<>|<=|>=|=|<|>|AND\b|OR\b|NOT\b|attribute_not_exists|attribute_exists|[#:\w.]+/g)
  let at = 0
  const take = (t) => { if (tokens[at] !== t) throw new Error(`${text}: ${t} expected at ${tokens[at]}`); at++ }
  const path = (t) => t.split('.').reduce((o, part, i) => {
    const name = names[part] ?? part
    return i === 0 ? o?.[name] : o?.M?.[name]
  }, item)
  const operand = () => { const t = tokens[at++]; return t.startsWith(':') ? values[t] : path(t) }
  const plain = (v) => (v?.N !== undefined ? Number(v.N) : v?.S)
  const primary = () => {
    if (tokens[at] === '(') { at++; const v = or(); take(')'); return v }
    if (tokens[at] === 'NOT') { at++; return !primary() }
    if (tokens[at] === 'attribute_not_exists' || tokens[at] === 'attribute_exists') {
      const wanted = tokens[at++] === 'attribute_exists'
      take('('); const v = path(tokens[at++]); take(')')
      return (v !== undefined) === wanted
    }
    const a = operand(), how = tokens[at++], b = operand()
    if (how === '<>') return a === undefined || b === undefined || plain(a) !== plain(b)
    if (a === undefined || b === undefined || Object.keys(a)[0] !== Object.keys(b)[0]) return false
    const [x, y] = [plain(a), plain(b)]
    return { '=': x === y, '<': x < y, '<=': x <= y, '>': x > y, '>=': x >= y }[how]
  }
  const and = () => { let v = primary(); while (tokens[at] === 'AND') { at++; const w = primary(); v = v && w } return v }
  const or = () => { let v = and(); while (tokens[at] === 'OR') { at++; const w = and(); v = v || w } return v }
  const result = or()
  if (at !== tokens.length) throw new Error(`${text}: unexpected ${tokens[at]}`)
  return result
}

// World simulates DynamoDB, ECS, EventBridge, S3, SSM and Step Functions. What a test decides is in `ecs` and `approve`.
export class World {
  table = {}; objects = {}; events = []; tasks = []; stopped = []; running = new Map(); ends = {}; parts = {}; images = []; merged = {}; waiting = new Map(); now = () => Date.now()
  constructor({ ecs = () => {}, approve = () => {}, environments = ['staging', 'production'], ...parameters } = {}) {
    Object.assign(this, { ecs, approve, definition: definition(parameters) })
    this.parameters = Object.fromEntries(environments.map((name) => {
      const { Name, Value } = environment(name).Settings.Properties
      return [Name, Value]
    }))
  }

  async task(state, input) {
    const service = all(this.definition.States)[state].Resource.split(':::')[1]
    switch (service) {
      case 'dynamodb:getItem': return this.get(input)
      case 'dynamodb:putItem': return this.put(input)
      case 'dynamodb:updateItem': return this.update(input)
      case 'aws-sdk:sfn:stopExecution': {
        this.stopped.push(input)
        const run = this.running.get(input.ExecutionArn)
        if (!run) throw new Failed('Sfn.ExecutionDoesNotExistException', 'no such execution')
        run.error = input.Error
        run.abort()
        return {}
      }
      case 'aws-sdk:sfn:describeExecution': {
        const name = input.ExecutionArn.split(':').at(-1)
        const Status = this.running.has(input.ExecutionArn) ? 'RUNNING' : this.ends[name]
        if (!Status) throw new Failed('Sfn.ExecutionDoesNotExistException', `Execution Does Not Exist: '${input.ExecutionArn}'`)
        return { Name: name, Status }
      }
      case 'aws-sdk:sfn:sendTaskSuccess': {
        const waits = this.waiting.get(input.TaskToken)
        if (!waits) throw new Failed('Sfn.TaskTimedOutException', 'Task Timed Out')
        this.waiting.delete(input.TaskToken)
        waits.resolve(JSON.parse(input.Output))
        return {}
      }
      case 'aws-sdk:ssm:getParameter': {
        if (!(input.Name in this.parameters)) throw new Failed('Ssm.ParameterNotFoundException', `${input.Name} not found`)
        return { Parameter: { Name: input.Name, Value: this.parameters[input.Name] } }
      }
      case 'aws-sdk:s3:getObject': {
        if (!(input.Key in this.objects)) throw new Failed('S3.NoSuchKeyException', 'The specified key does not exist.')
        return { Body: this.objects[input.Key] }
      }
      case 'events:putEvents': this.events.push(...input.Entries.map((e) => ({ type: e.DetailType, ...e.Detail }))); return { FailedEntryCount: 0 }
      case 'aws-sdk:dynamodb:putItem.waitForTaskToken': {
        this.put(input, 'DynamoDb')
        const waits = Promise.withResolvers()
        this.waiting.set(input.Item.token.S, waits)
        try {
          const answer = await Promise.race([this.approve(input), waits.promise]) ?? { approved: 'by octocat' }
          // Whoever approves writes this item first. A forged answer comes from one who knows the token and may not.
          const id = input.Item.id.S.replace('token#', 'answer#')
          if (!answer.superseded && !answer.forged) this.table[id] = { id: { S: id }, decision: { S: JSON.stringify(answer) } }
          return answer
        } finally { this.waiting.delete(input.Item.token.S) }
      }
      case 'ecs:runTask.sync': return this.runTask(input)
      case 'codebuild:startBuild.sync': {
        const variables = Object.fromEntries(input.EnvironmentVariablesOverride.map((e) => [e.Name, e.Value]))
        this.images.push({ project: input.ProjectName, variables })
        return { Build: await this.codebuild(variables, this.images.length) ?? { BuildStatus: 'SUCCEEDED', ExportedEnvironmentVariables: [{ Name: 'IMAGE_DIGEST', Value: `sha256:${'d'.repeat(64)}` }] } }
      }
    }
    throw new Error(`${service} is not simulated`)
  }

  // A task is recorded by its family, whatever rights it has: those are in `definition`.
  async runTask(input) {
    const environment = Object.fromEntries(input.Overrides.ContainerOverrides[0].Environment.map((e) => [e.Name, e.Value]))
    const name = input.TaskDefinition.split('/')[1].split(':')[0].replace('cicd-', '')
    const step = input.Group.split(':')[1]
    const family = (name === 'Fork' ? step[0].toUpperCase() + step.slice(1) : name.replace(/^Branch/, '')).replace(/-(\w)/g, (_, c) => c.toUpperCase())
    this.tasks.push({ family, definition: name, group: input.Group, provider: input.CapacityProviderStrategy[0].CapacityProvider, strategy: input.CapacityProviderStrategy, environment, network: input.NetworkConfiguration, token: input.ClientToken, input })
    const TaskArn = `arn:aws:ecs:eu-west-1:123456789012:task/Cluster/${this.tasks.length}`
    const place = (environment.RUNNER_SHARD || environment.RUNNER_MERGE_SHARDS) && this.place(environment, step)
    try {
      await this.ecs(family, this.tasks.filter((t) => t.family === family).length, environment)
    } catch (error) {
      const exit = error.name === 'States.TaskFailed' && JSON.parse(error.message).Containers[0].ExitCode
      if (place && exit === 1) this.part(place, environment, false) // the step failed; a runner that was killed leaves nothing
      throw error
    }
    if (place) this.part(place, environment, true)
    if (family === 'Build') this.record(environment, TaskArn, 'a'.repeat(64))
    return { TaskArn, Containers: [{ ExitCode: 0 }] }
  }

  // place is the folder in which the shards of a step keep their parts.
  place({ BRANCH, GIT_SHA, ARTIFACT_BUCKET = '', RUNNER_SHARD_RUN }, step) {
    const prefix = ARTIFACT_BUCKET.replace(/^s3:\/\/[^/]+\/?/, '')
    return `${prefix ? prefix + '/' : ''}runs/${BRANCH}/${GIT_SHA}/${step}~shards/${RUNNER_SHARD_RUN}`
  }

  // part is what a shard leaves; the last one, or a task that merges, leaves the merged record.
  part(place, { RUNNER_SHARD, RUNNER_MERGE_SHARDS }, passed) {
    const parts = this.parts[place] ??= {}
    const [shard, of] = RUNNER_SHARD ? RUNNER_SHARD.split('/').map(Number) : [0, Number(RUNNER_MERGE_SHARDS)]
    if (shard) parts[shard] = passed
    const all = Array.from({ length: of }, (_, i) => i + 1), missing = all.filter((i) => !(i in parts)), failed = all.filter((i) => parts[i] === false)
    if (missing.length > 0 && shard) return
    const good = missing.length === 0 && failed.length === 0
    this.objects[`${place}/merged.json`] = JSON.stringify({ format: 1, parts: 'p', of, run_id: 'm', key: 'k', passed: good, reason: good ? 'success' : missing.length > 0 ? 'results' : 'failure', exit_code: good ? 0 : 1, retry_allowed: false, missing, failed, ...this.merged })
  }

  // record is what a build leaves in the bucket.
  record({ BRANCH, GIT_SHA }, task, digest) {
    this.objects[`runs/${BRANCH}/${GIT_SHA}/build/latest.json`] = JSON.stringify({ run_id: 'r', passed: true, task, digests: { builds: digest } })
  }

  check(input, item, prefix = 'DynamoDB') {
    const { ConditionExpression: c, ExpressionAttributeNames: names, ExpressionAttributeValues: values = {} } = input
    const text = [c, input.UpdateExpression].join(' ')
    for (const name of [...Object.keys(values), ...Object.keys(names ?? {})]) if (!new RegExp(`${name}\\b`).test(text)) throw new Failed(`${prefix}.AmazonDynamoDBException`, `${name} is unused in expressions`)
    for (const name of text.match(/[:#]\w+/g) ?? []) if (!(name in values) && !(name in (names ?? {}))) throw new Failed(`${prefix}.AmazonDynamoDBException`, `${name} is not defined`)
    if (c && !condition(c, item, names, values)) throw new Failed(`${prefix}.ConditionalCheckFailedException`, 'The conditional request failed')
  }
  typed(name, value, prefix) {
    const [[type, v]] = Object.entries(value)
    if (type === 'M') for (const [k, x] of Object.entries(v)) this.typed(`${name}.${k}`, x, prefix)
    else if (typeof v !== 'string') throw new Failed(`${prefix}.SerializationException`, `${name} is no string`)
  }
  get(input) {
    const item = this.table[input.Key.id.S]
    return item ? { Item: copy(item) } : {}
  }
  put(input, prefix = 'DynamoDB') {
    const id = input.Item.id.S, before = this.table[id]
    for (const [name, value] of Object.entries(input.Item)) this.typed(name, value, prefix)
    this.check(input, before, prefix)
    this.table[id] = copy(input.Item)
    return input.ReturnValues === 'ALL_OLD' && before ? { Attributes: before } : {}
  }
  update(input) {
    const id = input.Key.id.S, before = this.table[id] && copy(this.table[id])
    this.check(input, before)
    const item = this.table[id] = copy(before ?? { id: { S: id } })
    const names = input.ExpressionAttributeNames ?? {}, values = input.ExpressionAttributeValues ?? {}
    for (const [, how, list] of input.UpdateExpression.matchAll(/(SET|REMOVE) (.*?)(?= REMOVE | SET |$)/g)) {
      for (const one of list.split(', ')) {
        const [target, value] = one.split(' = ')
        const path = target.split('.').map((p) => names[p] ?? p)
        const holder = path.length === 1 ? item : item[path[0]]?.M
        if (!holder) throw new Failed('DynamoDB.AmazonDynamoDBException', 'The document path provided in the update expression is invalid for update')
        if (how === 'REMOVE') delete holder[path.at(-1)]
        else if (value.includes(' + ')) { const [a, b] = value.split(' + '); holder[path.at(-1)] = { N: String(Number(item[names[a] ?? a].N) + Number(values[b].N)) } } else holder[path.at(-1)] = values[value]
      }
    }
    return { ALL_OLD: before ? { Attributes: before } : {}, ALL_NEW: { Attributes: copy(item) } }[input.ReturnValues] ?? {}
  }

  // codebuild is called for each build of the image.
  codebuild() {}

  // watch is called for each execution that begins.
  watch() {}

  // run returns how the execution ended: { status, error, cause, visited, output }.
  async run(event, name = 'one', { waits = {}, timeouts = [], started = '2026-11-23T08:00:00.000Z' } = {}) {
    const arn = `arn:aws:states:eu-west-1:123456789012:execution:Machine:${name}`, visited = []
    const d = { ...this.definition, States: interpretable(this.definition.States) }
    const states = all(this.definition.States), of = (type) => Object.keys(states).filter((n) => states[n].Type === type)
    const sizes = { largest: 0 }, weigh = (v) => { sizes.largest = Math.max(sizes.largest, JSON.stringify(v).length); return v }
    const handlers = Object.fromEntries(of('Task').map((n) => [n, async ({ TimeoutSeconds, ...input }) => {
      visited.push(n)
      if (TimeoutSeconds) timeouts.push(TimeoutSeconds)
      return this.task(n, input)
    }]))
    for (const n of of('Pass').filter((n) => states[n].QueryLanguage === 'JSONata')) {
      handlers[n] = async (input) => weigh(await evaluate(states[n].Output, { input, context: { Execution: { Id: arn, Name: name, StartTime: started, Input: event }, State: { Name: n, EnteredTime: new Date(this.now()).toISOString() } } }))
    }
    const waitTimes = Object.fromEntries(of('Wait').map((n) => [n, waits[n] ?? 0]))
    const retries = Object.fromEntries(Object.keys(states).filter((n) => states[n].Retry).map((n) => [n, states[n].Retry.map(() => 0)]))
    const context = { Execution: { Id: arn, Name: name, StartTime: started, Input: event }, State: { EnteredTime: started, Name: '' }, Task: { Token: `token of ${name}` } }
    const machine = new StateMachine(d, { validationOptions: { noValidate: true } })
    const execution = machine.run(event, { overrides: { taskResourceLocalHandlers: handlers, waitTimeOverrides: waitTimes, retryIntervalOverrides: retries }, context })
    this.running.set(arn, execution)
    this.watch(name, execution, states)
    this.ends[name] = 'FAILED'
    try {
      const output = await execution.result
      this.ends[name] = execution.error ? 'ABORTED' : 'SUCCEEDED'
      return { status: this.ends[name], error: execution.error, output, visited, states: sizes }
    } catch (e) {
      if (execution.error) return { status: this.ends[name] = 'ABORTED', error: execution.error, visited }
      return { status: 'FAILED', error: e.name, cause: e.message, visited }
    } finally { this.running.delete(arn) }
  }
}

export const sha = '6dcb09b5b57875f334f61aebed695e2e4193db5e'
export const push = (ref, more = {}) => ({
  id: 'e1', source: 'ci.github', 'detail-type': 'push',
  detail: { version: '1', repository: 'acme/shop', ref, before: '0'.repeat(40), after: sha, deleted: false, sender: 'octocat', delivery: `d-${ref}-${more.after ?? sha}`, ...more },
})
// ended is what Step Functions passes on when a task has stopped.
export const ended = (exitCode, more = {}) => new Failed('States.TaskFailed', JSON.stringify({
  Containers: [{ Name: 'runner', ...(exitCode === undefined ? {} : { ExitCode: exitCode }) }], LastStatus: 'STOPPED',
  StopCode: 'EssentialContainerExited', StoppedReason: 'Essential container in task exited', ...more,
}))
