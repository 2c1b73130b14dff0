// The pipeline when AWS refuses, as Step Functions names it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { World, Failed, push, sha } from './machine.mjs'

const main = 'refs/heads/main'
const failures = (w) => w.events.filter((e) => e.type === 'pipeline failed')

// What RunTask was answered, by the family that was refused once.
const refused = [
  ['RunTask throttled', 'DeployStaging', 'ECS.AmazonECSException', 'Rate exceeded. (Service: AmazonECS; Status Code: 400; Error Code: ThrottlingException; Request ID: x; Proxy: null)'],
  ['no capacity on demand', 'MigrateProduction', 'ECS.AmazonECSException', 'Capacity is unavailable at this time. Please try again later or in a different availability zone (Service: AmazonECS; Status Code: 400; Error Code: ClientException)'],
  ['EC2 throttled behind RunTask', 'Build', 'ECS.InvalidParameterException', 'Error retrieving security group information for [sg-1]: Request limit exceeded. (ErrorCode: RequestLimitExceeded)'],
  ['a server error', 'MigrateStaging', 'ECS.ServerException', 'Service Unavailable. Please try again later. (Service: AmazonECS; Status Code: 500)'],
]
for (const [what, family, error, cause] of refused) {
  test(`${what} (${error}): ${family} is retried`, async () => {
    const w = new World({ ecs: (f, n) => { if (f === family && n < 2) throw new Failed(error, cause) } })
    assert.equal((await w.run(push(main))).status, 'SUCCEEDED')
    assert.equal(w.tasks.filter((t) => t.family === family).length, 2)
    assert.deepEqual(failures(w), [])
  })
}

test('the exit code is that of the container runner, wherever GuardDuty puts its own', async () => {
  const cause = { StopCode: 'EssentialContainerExited', StoppedReason: 'Essential container in task exited' }
  for (const Containers of [[{ Name: 'aws-guardduty-agent-x1', ExitCode: 0 }, { Name: 'runner', ExitCode: 7 }], [{ Name: 'runner', ExitCode: 7 }, { Name: 'aws-guardduty-agent-x1', ExitCode: 0 }]]) {
    const w = new World({ ecs: (f) => { if (f === 'Build') throw new Failed('States.TaskFailed', JSON.stringify({ ...cause, Containers })) } })
    await w.run(push('refs/heads/x'))
    assert.equal(failures(w)[0].reason, 'exit code 7: Essential container in task exited')
  }
})

test('force is accepted as a boolean and as text', async () => {
  for (const [force, want] of [[true, 'true'], ['true', 'true'], [false, 'false'], [undefined, '']]) {
    const w = new World()
    await w.run({ id: 'e', source: 'ci.manual', 'detail-type': 'manual', detail: { ref: main, after: sha, environment: 'staging', ...(force === undefined ? {} : { force }) } })
    assert.equal(w.tasks[0].environment.RUNNER_FORCE, want)
  }
})
