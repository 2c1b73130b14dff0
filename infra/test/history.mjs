// The machine as Step Functions, for the command line: executions are started, described, stopped, and have a history.
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { Failed } from './machine.mjs'

export const machineArn = 'arn:aws:states:eu-west-1:123456789012:stateMachine:Machine'
const executionArn = (name) => `${machineArn.replace(':stateMachine:', ':execution:')}:${name}`
const seconds = (ms) => ms / 1000

// historyOf is the log of the interpreter as GetExecutionHistory has it: each event is of one before it in its iteration.
export function historyOf(log, states, tasks) {
  const events = [], last = new Map(), failed = new Set(), started = [...tasks]
  const add = (at, of, type, more = {}) => {
    const id = events.push({ id: events.length + 1, previousEventId: last.get(of) ?? 0, timestamp: seconds(at), type, ...more })
    last.set(of, id)
    return id
  }
  const call = (e, of) => {
    const [service, resource] = states[e.state.name].Resource.split(':::').at(-1).split(/:(?=[^:]*$)/)
    add(e.timestamp, of, 'TaskScheduled', { taskScheduledEventDetails: { resourceType: service, resource } })
    const i = service === 'ecs' ? started.findIndex((t) => JSON.stringify(t.input.Overrides) === JSON.stringify(e.state.input.overrides)) : -1
    if (i >= 0) add(e.timestamp, of, 'TaskSubmitted', { taskSubmittedEventDetails: { output: JSON.stringify({ Tasks: [{ TaskArn: started.splice(i, 1)[0].arn }] }) } })
  }
  for (const e of log) {
    const of = e.index ?? 'all', { name, type, input, output } = e.state ?? {}
    const calls = states[name]?.Type === 'Task'
    switch (e.type) {
      case 'MapIterationStarted': last.set(e.index, last.get('all')); break
      case 'StateEntered':
        add(e.timestamp, of, `${states[name].Type}StateEntered`, { stateEnteredEventDetails: { name, input: JSON.stringify(input) } })
        if (calls) call(e, of)
        break
      case 'StateRetried': call(e, of); break
      case 'StateFailed': {
        if (!calls) break
        failed.add(of)
        const kind = { 'States.TaskFailed': 'TaskFailed', 'States.Timeout': 'TaskTimedOut' }[e.Error] ?? 'TaskSubmitFailed'
        add(e.timestamp, of, kind, { [`t${kind.slice(1)}EventDetails`]: { error: e.Error, cause: e.Cause } })
        break
      }
      case 'StateExited': {
        const result = output?.[states[name].ResultPath?.slice(2)] ?? output
        if (calls && !failed.delete(of)) add(e.timestamp, of, 'TaskSucceeded', { taskSucceededEventDetails: { output: JSON.stringify(result) } })
        add(e.timestamp, of, `${states[name].Type}StateExited`, { stateExitedEventDetails: { name, output: JSON.stringify(output) } })
        break
      }
      default: if (e.type.startsWith('Execution')) add(e.timestamp, 'all', e.type.replace(/Timeout$/, 'TimedOut'))
    }
  }
  return events
}

// serve serves a world to the command line. What it stores of executions and tasks is in what it returns.
export async function serve(world) {
  const executions = new Map(), stopped = [], ended = new Set()
  world.watch = (name, execution, states) => {
    const e = executions.get(name)
    Object.assign(e, { execution, states, log: [], first: world.tasks.length })
    void (async () => { for await (const event of execution.eventLogs) if (!e.stopped) e.log.push(event) })()
  }
  const runTask = world.runTask.bind(world)
  world.runTask = async (input) => {
    const run = runTask(input), task = world.tasks.at(-1)
    task.arn = `arn:aws:ecs:eu-west-1:123456789012:task/Cluster/${world.tasks.length}`
    try { return await run } finally { ended.add(task.arn) }
  }
  const find = (arn) => executions.get(arn.split(':').at(-1)) ?? (() => { throw new Failed('ExecutionDoesNotExist', arn) })()
  const answers = {
    StartExecution({ name, input }) {
      const e = { name, input, status: 'RUNNING', startDate: seconds(Date.now()) }
      executions.set(name, e)
      e.done = world.run(JSON.parse(input), name, { started: new Date().toISOString() }).then(({ status, error, cause }) => Object.assign(e, { status, error, cause, stopDate: seconds(Date.now()), ...e.stopped }))
      return { executionArn: executionArn(name), startDate: e.startDate }
    },
    DescribeExecution: ({ executionArn: arn }) => { const { name, input, status, error, cause, startDate, stopDate } = find(arn); return { name, executionArn: arn, input, status, error, cause, startDate, stopDate } },
    ListExecutions: ({ statusFilter }) => ({ executions: [...executions.values()].reverse().filter((e) => !statusFilter || e.status === statusFilter).map((e) => ({ executionArn: executionArn(e.name), name: e.name, status: e.status })) }),
    GetExecutionHistory({ executionArn: arn }) { const e = find(arn); return { events: historyOf(e.log, e.states, world.tasks.slice(e.first)) } },
    async StopExecution({ executionArn: arn, error, cause }) {
      const e = find(arn)
      e.stopped = { status: 'ABORTED', error, cause } // Step Functions writes nothing more of what ran
      e.log.push({ type: 'ExecutionAborted', timestamp: Date.now() })
      e.execution.error = error
      e.execution.abort()
      await e.done
      return { stopDate: e.stopDate }
    },
    SendTaskSuccess({ taskToken, output }) { answer(taskToken).resolve({ ...JSON.parse(output), forged: true }); return {} }, // the item is written by the command line
    SendTaskFailure({ taskToken, error, cause }) { answer(taskToken).reject(new Failed(error, cause)); return {} },
    GetItem: (input) => world.get(input),
    PutItem: (input) => world.put(input),
    DescribeTasks: ({ tasks }) => ({ tasks: tasks.map((id) => `arn:aws:ecs:eu-west-1:123456789012:task/Cluster/${id}`).map((taskArn) => ({ taskArn, desiredStatus: ended.has(taskArn) ? 'STOPPED' : 'RUNNING' })) }),
    StopTask({ task, reason }) { stopped.push([task.split('/').at(-1), reason]); return {} },
  }
  const answer = (token) => world.waiting.get(token) ?? (() => { throw new Failed('TaskTimedOut', token) })()
  const outputs = { StateMachineArn: machineArn, TableName: 'Table', ClusterArn: 'arn:aws:ecs:eu-west-1:123456789012:cluster/Cluster' }
  const xml = {
    DescribeStacks: `<Stacks><member><StackName>cicd</StackName><Outputs>${Object.entries(outputs).map(([k, v]) => `<member><OutputKey>${k}</OutputKey><OutputValue>${v}</OutputValue></member>`).join('')}</Outputs></member></Stacks>`,
    GetCallerIdentity: '<Arn>arn:aws:iam::123456789012:user/ana</Arn><UserId>u</UserId><Account>123456789012</Account>',
  }
  const server = createServer(async (request, response) => {
    const body = await text(request), target = request.headers['x-amz-target']?.split('.')[1]
    try {
      if (!target) {
        const action = new URLSearchParams(body).get('Action')
        response.setHeader('Content-Type', 'text/xml')
        response.end(`<${action}Response><${action}Result>${xml[action]}</${action}Result></${action}Response>`)
      } else response.setHeader('Content-Type', 'application/x-amz-json-1.0').end(JSON.stringify(await answers[target](JSON.parse(body))))
    } catch (e) { response.writeHead(400).end(JSON.stringify({ __type: e.name, message: e.message })) }
  }).listen(0, '127.0.0.1')
  await new Promise((done) => server.once('listening', done))
  return { url: `http://127.0.0.1:${server.address().port}`, executions, stopped, close: () => { for (const e of executions.values()) e.execution?.abort(); server.close(); server.closeAllConnections() } }
}
