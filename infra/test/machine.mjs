// The machine on this computer: AWS Step Functions' language is interpreted, what its tasks call is played.
Promise.withResolvers ??= function () { // Node 20
  let resolve, reject
  const promise = new this((a, b) => { resolve = a; reject = b })
  return { promise, resolve, reject }
}
const { StateMachine } = await import('aws-local-stepfunctions')
import { load, resolve } from './template.mjs'

export const definition = (given) => JSON.parse(resolve(load('cicd.yaml'), given).Machine.Properties.DefinitionString)

export class Failed extends Error { constructor(name, cause) { super(cause); this.name = name } }

const copy = (v) => JSON.parse(JSON.stringify(v))

// World plays DynamoDB, ECS, EventBridge and StopExecution. What a test has to say is in `ecs` and `approve`.
export class World {
  table = {}; events = []; tasks = []; stopped = []; running = new Map()
  constructor({ ecs = () => {}, approve = () => {}, ...parameters } = {}) { Object.assign(this, { ecs, approve, definition: definition(parameters) }) }

  async task(state, input) {
    const { definition: d } = this
    const nested = d.States.Scheduled.ItemProcessor.States
    const service = (d.States[state] ?? nested[state]).Resource.split(':::')[1]
    switch (service) {
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
      case 'events:putEvents': this.events.push(...input.Entries.map((e) => ({ type: e.DetailType, ...e.Detail }))); return { FailedEntryCount: 0 }
      case 'aws-sdk:dynamodb:putItem.waitForTaskToken': this.put(input); return this.approve(input)
      case 'ecs:runTask.sync': {
        const environment = Object.fromEntries(input.Overrides.ContainerOverrides[0].Environment.map((e) => [e.Name, e.Value]))
        const family = input.TaskDefinition.split('/')[1].split(':')[0].replace('cicd-', '')
        this.tasks.push({ family, group: input.Group, provider: input.CapacityProviderStrategy[0].CapacityProvider, environment, network: input.NetworkConfiguration, token: input.ClientToken })
        await this.ecs(family, this.tasks.filter((t) => t.family === family).length, environment)
        return { Containers: [{ ExitCode: 0 }] }
      }
    }
    throw new Error(`nobody plays ${service}`)
  }

  // As much of expressions as the machine uses.
  holds({ ConditionExpression: c, ExpressionAttributeNames: names = {}, ExpressionAttributeValues: values = {} }, item) {
    return !c || c.split(' OR ').some((term) => {
      if (term === 'attribute_not_exists(id)') return !item
      const [left, right] = term.split(' = ')
      return item?.[names[left] ?? left]?.S === values[right].S
    })
  }
  put(input) {
    const id = input.Item.id.S, before = this.table[id]
    for (const [name, value] of Object.entries(input.Item)) if (Object.values(value).some((v) => typeof v !== 'string')) throw new Failed('DynamoDB.SerializationException', `${name} is no string`)
    if (!this.holds(input, before)) throw new Failed('DynamoDB.ConditionalCheckFailedException', 'the condition failed')
    this.table[id] = copy(input.Item)
    return input.ReturnValues === 'ALL_OLD' && before ? { Attributes: before } : {}
  }
  update(input) {
    const item = this.table[input.Key.id.S]
    if (!this.holds(input, item)) throw new Failed('DynamoDB.ConditionalCheckFailedException', 'the condition failed')
    const [, name, value] = input.UpdateExpression.match(/^SET (\w+) = (:\w+)$/)
    item[name] = input.ExpressionAttributeValues[value]
    return {}
  }

  // run returns how the execution ended: { status, error, cause, visited }.
  async run(event, name = 'one', { waits = {}, started = '2026-11-23T08:00:00.000Z' } = {}) {
    const arn = `arn:aws:states:eu-west-1:123456789012:execution:Machine:${name}`, visited = []
    const d = this.definition
    const names = (states) => Object.entries(states).flatMap(([n, s]) => [n, ...(s.ItemProcessor ? names(s.ItemProcessor.States) : [])])
    const states = { ...d.States, ...d.States.Scheduled.ItemProcessor.States }
    const handlers = Object.fromEntries(names(d.States).filter((n) => states[n].Type === 'Task').map((n) => [n, async (input) => {
      visited.push(n)
      return this.task(n, input)
    }]))
    const waitTimes = Object.fromEntries(names(d.States).filter((n) => states[n].Type === 'Wait').map((n) => [n, waits[n] ?? 0]))
    const retries = Object.fromEntries(names(d.States).filter((n) => states[n].Retry).map((n) => [n, states[n].Retry.map(() => 0)]))
    const context = { Execution: { Id: arn, Name: name, StartTime: started, Input: event }, State: { EnteredTime: started, Name: '' }, Task: { Token: `token of ${name}` } }
    const machine = new StateMachine(d, { validationOptions: { noValidate: true } })
    const execution = machine.run(event, { overrides: { taskResourceLocalHandlers: handlers, waitTimeOverrides: waitTimes, retryIntervalOverrides: retries }, context })
    this.running.set(arn, execution)
    try {
      const output = await execution.result
      return { status: execution.error ? 'ABORTED' : 'SUCCEEDED', error: execution.error, output, visited }
    } catch (e) {
      if (execution.error) return { status: 'ABORTED', error: execution.error, visited }
      return { status: 'FAILED', error: e.name, cause: e.message, visited }
    } finally { this.running.delete(arn) }
  }
}

export const sha = '6dcb09b5b57875f334f61aebed695e2e4193db5e'
export const push = (ref, more = {}) => ({
  id: 'e1', source: 'ci.github', 'detail-type': 'push',
  detail: { version: '1', repository: 'acme/shop', ref, before: '0'.repeat(40), after: sha, deleted: false, sender: 'octocat', delivery: `d-${ref}-${more.after ?? sha}`, ...more },
})
// What ECS says of a task that ended, as Step Functions passes it on.
export const ended = (exitCode, more = {}) => new Failed('States.TaskFailed', JSON.stringify({
  Containers: [{ Name: 'runner', ...(exitCode === undefined ? {} : { ExitCode: exitCode }) }], LastStatus: 'STOPPED',
  StopCode: 'EssentialContainerExited', StoppedReason: 'Essential container in task exited', ...more,
}))
