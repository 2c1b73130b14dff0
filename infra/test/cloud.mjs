// The machine on this computer with moto as AWS: tables are tables, and tasks run.
// node cloud.mjs ENDPOINT MACHINE-ARN <event runs the machine that is deployed there and prints how it ended.
//
// moto runs no machine, so this program also serves what others need of Step Functions: it prints its address and the execution's
// name first, and answers DescribeExecution, SendTaskSuccess and SendTaskFailure there.
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { Failed, World, all } from './machine.mjs'

const [endpoint, machine] = process.argv.slice(2)
const region = machine.split(':')[3]
const pause = (ms) => new Promise((done) => setTimeout(done, ms))

// moto reads the key, the service and the region from the signature and does not verify it.
let key = 'AKIAIOSFODNN7EXAMPLE'
const authorization = (service) => `AWS4-HMAC-SHA256 Credential=${key}/20261123/${region}/${service}/aws4_request, SignedHeaders=host, Signature=0`

// become assumes a role, as Step Functions does: from then on the policies of the machine's role decide what it may do.
async function become(role) {
  const answer = await fetch(endpoint, {
    method: 'POST', headers: { 'Content-Type': 'application/x-www-form-urlencoded', Authorization: authorization('sts') },
    body: new URLSearchParams({ Action: 'AssumeRole', Version: '2011-06-15', RoleArn: role, RoleSessionName: 'machine' }),
  })
  const [, assumed] = (await answer.text()).match(/<AccessKeyId>(.*?)<\/AccessKeyId>/)
  key = assumed
}

// call speaks AWS's JSON protocol.
async function call(service, target, input, version = '1.1') {
  const answer = await fetch(endpoint, {
    method: 'POST', body: JSON.stringify(input),
    headers: {
      'Content-Type': `application/x-amz-json-${version}`, 'X-Amz-Target': target,
      Authorization: authorization(service),
    },
  })
  const body = await answer.json()
  if (!answer.ok) throw new Failed(body.__type?.replace(/^.*#/, '') ?? String(answer.status), body.message ?? body.Message)
  return body
}

// Step Functions writes all names with a capital, ECS with a small letter; names of variables are values there.
const renamed = (change) => function rename(v) {
  if (Array.isArray(v)) return v.map(rename)
  return v === null || typeof v !== 'object' ? v : Object.fromEntries(Object.entries(v).map(([k, x]) => [change(k[0]) + k.slice(1), rename(x)]))
}
const small = renamed((c) => c.toLowerCase()), capital = renamed((c) => c.toUpperCase())

class Cloud extends World {
  waiting = new Map() // by token

  async task(state, input) {
    const service = all(this.definition.States)[state].Resource.split(':::')[1]
    const table = async (operation) => {
      try { return await call('dynamodb', `DynamoDB_20120810.${operation}`, input, '1.0') } catch (e) { throw new Failed(`DynamoDB.${e.name}`, e.message) }
    }
    switch (service) {
      case 'dynamodb:getItem': return table('GetItem')
      case 'dynamodb:putItem': return table('PutItem')
      case 'dynamodb:updateItem': return table('UpdateItem')
      case 'aws-sdk:dynamodb:putItem.waitForTaskToken': {
        const { promise, resolve, reject } = Promise.withResolvers()
        this.waiting.set(input.Item.token.S, { resolve, reject })
        await table('PutItem')
        return promise
      }
      case 'aws-sdk:ssm:getParameter':
        try { return await call('ssm', 'AmazonSSM.GetParameter', input) } catch (e) { throw new Failed(`Ssm.${e.name}Exception`, e.message) }
      case 'aws-sdk:s3:getObject': {
        const answer = await fetch(`${endpoint}/${input.Bucket}/${input.Key}`, { headers: { Authorization: authorization('s3') } })
        if (!answer.ok) throw new Failed(answer.status === 404 ? 'S3.NoSuchKeyException' : 'S3.S3Exception', await answer.text())
        return { Body: await answer.text() }
      }
      case 'events:putEvents': return call('events', 'AWSEvents.PutEvents', { Entries: input.Entries.map((e) => ({ ...e, Detail: JSON.stringify(e.Detail) })) })
      case 'ecs:runTask.sync': return this.runTask(small(input))
    }
    throw new Error(`${service} is not simulated`)
  }

  async runTask(input) {
    const ecs = async (operation, body) => {
      try { return await call('ecs', `AmazonEC2ContainerServiceV20141113.${operation}`, body) } catch (e) { throw new Failed(`ECS.${e.name}`, e.message) }
    }
    const { tasks: [task], failures: [failure] = [] } = await ecs('RunTask', input)
    if (!task) throw new Failed('ECS.AmazonECSException', JSON.stringify(failure))
    for (;;) {
      const { tasks: [now] } = await ecs('DescribeTasks', { cluster: input.cluster, tasks: [task.taskArn] })
      if (now.lastStatus === 'STOPPED') {
        this.tasks.push({ arn: now.taskArn, family: now.taskDefinitionArn.split('/')[1].split(':')[0], exitCode: now.containers.find((c) => c.name === 'runner').exitCode, stopCode: now.stopCode, reason: now.stoppedReason })
        if (now.containers.filter((c) => c.name === 'runner').every((c) => c.exitCode === 0)) return capital(now)
        throw new Failed('States.TaskFailed', JSON.stringify(capital(now)))
      }
      await pause(100)
    }
  }

  answer(operation, { taskToken, output, error, cause }) {
    if (operation === 'DescribeExecution') return { name: execution, status: 'RUNNING', startDate: Date.now() / 1000, input: JSON.stringify(event) }
    const waits = this.waiting.get(taskToken)
    if (!waits) return { __type: 'TaskDoesNotExist', message: 'Task Timed Out' }
    this.waiting.delete(taskToken)
    if (operation === 'SendTaskSuccess') waits.resolve(JSON.parse(output))
    else waits.reject(new Failed(error, cause))
    return {}
  }
}

const event = JSON.parse(await text(process.stdin))
const execution = randomUUID()
const world = new Cloud()
const deployed = await call('states', 'AWSStepFunctions.DescribeStateMachine', { stateMachineArn: machine }, '1.0')
world.definition = JSON.parse(deployed.definition)
await become(deployed.roleArn)
const server = createServer(async (request, response) => {
  const answer = world.answer(request.headers['x-amz-target']?.split('.')[1], JSON.parse(await text(request)))
  response.writeHead(answer.__type ? 400 : 200, { 'Content-Type': 'application/x-amz-json-1.0' }).end(JSON.stringify(answer))
})
await new Promise((listening) => server.listen(0, '127.0.0.1', listening))
console.log(JSON.stringify({ address: `http://127.0.0.1:${server.address().port}`, execution }))

const started = new Date().toISOString()
const ended = await world.run(event, execution, { started, waits: { Debounce: 0 } })
console.log(JSON.stringify({ ...ended, output: undefined, tasks: world.tasks }))
server.close()
server.closeAllConnections()
