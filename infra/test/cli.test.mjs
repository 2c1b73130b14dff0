// The command line against the machine of cicd.yaml: what it starts is accepted, and what it reads of executions is what the
// machine writes. Neither knows the other but by infra/machine.md.
import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { ended, sha } from './machine.mjs'
import { serve } from './history.mjs'
import { at, failures, planned } from './plan.mjs'
import { infra } from './template.mjs'

let dir
before(() => {
  dir = mkdtempSync(join(tmpdir(), 'runner-cli-'))
  execFileSync('go', ['build', '-o', join(dir, 'runner'), './cmd/runner'], { cwd: join(infra, '..'), stdio: 'inherit' })
})
after(() => { for (const reject of held) reject(new Error('the tests have ended')) })
after(() => rmSync(dir, { recursive: true, force: true }))

const stages = [
  { jobs: [{ steps: ['test', 'lint'] }, { steps: ['e2e'], shards: 4 }] }, at('staging', 'migrate', 'deploy'), { approval: 'production' }, at('production', 'deploy'),
]
const held = [] // what ends only with the tests, so that its timers do
const never = () => new Promise((_, reject) => held.push(reject))

// cluster is a world with a server, and the command line for it.
async function cluster(t, { given = {}, branch = 'main', what = stages } = {}) {
  const world = planned(what, given)
  world.approve = never
  const served = await serve(world)
  t.after(() => served.close())
  const runner = (...args) => new Promise((done) => {
    const env = { PATH: process.env.PATH, HOME: dir, AWS_REGION: 'eu-west-1', AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', AWS_ENDPOINT_URL: served.url, BRANCH: branch, GIT_SHA: sha, GITHUB_ACTOR: 'ana', GITHUB_NAME: 'acme/shop', RUNNER_TASK_POLL: '50ms' }
    execFile(join(dir, 'runner'), ['pipeline', ...args], { cwd: dir, env }, (error, stdout, stderr) => done({ code: error?.code ?? 0, out: stdout, err: stderr }))
  })
  const start = async (...args) => {
    const { code, out, err } = await runner(...args)
    assert.equal(code, 0, err)
    return out.trim()
  }
  const until = async (name, text) => {
    for (let out = '', i = 0; i < 50; i++) {
      if (text.test(out = (await runner('status', name)).out)) return out
      if (i === 49) assert.fail(`no ${text} in\n${out}\n${JSON.stringify(failures(world))}`)
      await new Promise((r) => setTimeout(r, 100))
    }
  }
  return { world, runner, start, until, ...served }
}

test('a pipeline is started, shown with its stages and shards, retried from where it failed, and approved', async (t) => {
  const { world, runner, start, until, executions } = await cluster(t)
  world.ecs = (family, n, e) => { if (e.RUNNER_SHARD === '3/4') throw ended(137) }
  const one = await start('start')
  await executions.get(one).done
  const failed = (await runner('status', one)).out
  for (const line of [
    /^main-6dcb09b-\w{8}  failed, .*  refs\/heads\/main 6dcb09b5b578/m, /^  1  build +passed/m, /^  2  test,lint +passed/m,
    /^     e2e +failed   4 shards: 3 passed, 1 failed  shard 3 of 4 left nothing/m, /^       e2e 3\/4 +failed .*exit code 137.*task \d/m, /^       e2e merge +passed/m,
    new RegExp(`^  retry     runner pipeline retry ${one}$`, 'm'), new RegExp(`^  console   https://console.aws.amazon.com/states/home\\?region=eu-west-1#/v2/executions/details/arn:aws:states:eu-west-1:123456789012:execution:Machine:${one}$`, 'm'),
  ]) assert.match(failed, line)

  world.ecs = async () => {}
  const before = world.tasks.length
  const { out, err } = await runner('retry')
  assert.match(err, new RegExp(`attempt 2 of ${one} goes on at test,lint, e2e`))
  const two = out.trim(), waiting = await until(two, /approval production +waiting/)
  assert.match(waiting, new RegExp(`goes on from ${one}`))
  assert.match(waiting, /attempt +2, of main-/)
  assert.deepEqual(world.tasks.slice(before).map((x) => x.environment.PIPELINE_STEP ?? x.family).includes('Build'), false)
  assert.match((await runner('retry', two)).err, /still runs/)

  const approved = await runner('approve', '--yes', '--reason', 'good')
  assert.equal(approved.code, 0, approved.err)
  assert.match((await runner('status', two, '--follow')).out, /succeeded/)
  assert.match(world.table[`approval#${two}`].decision.S, /by arn:aws:iam::123456789012:user\/ana: good/)
  assert.match((await runner('retry', two)).err, /has not failed: succeeded/)
})

test('what runs is cancelled, among shards and at an approval, and a retry goes on there', async (t) => {
  const { world, runner, start, until, stopped } = await cluster(t)
  let hold = true
  world.ecs = async (family, n, e) => { if (hold && e.RUNNER_SHARD && e.RUNNER_SHARD !== '1/4') await never() }
  const one = await start('start')
  const running = await until(one, /e2e +running +4 shards: 1 passed, 3 running/)
  assert.match(running, /^  \d  migrate staging +to come/m)
  const cancelled = await runner('cancel', one, '--yes', '--reason', 'wrong')
  assert.match(cancelled.out, /cancelled, stopped e2e 2\/4, e2e 3\/4, e2e 4\/4/, cancelled.err)
  assert.equal(stopped.length, 3)
  assert.match((await runner('status', one)).out, /aborted, .*Cancelled: by arn:.*: wrong[^]*e2e 2\/4 +stopped/)

  hold = false
  const two = await start('retry', one)
  await until(two, /approval production +waiting/)
  assert.match((await runner('cancel', two, '--yes')).out, /: cancelled$/m)
  const three = await start('retry', two)
  await until(three, /approval production +waiting/)
  assert.match((await runner('status', three)).out, new RegExp(`attempt +3, of ${one}`))
  const rejected = await runner('reject', '--yes')
  assert.equal(rejected.code, 0, rejected.err)
  assert.match(await until(three, /failed, /), /approval production +failed .*Rejected: by arn/)
})

test('one step is started alone, and what the machine refuses is shown by name', async (t) => {
  const { world, start, until, executions } = await cluster(t)
  const alone = await start('start', '--step', 'e2e', '--parallel', '3')
  const shown = await until(alone, /succeeded/)
  assert.match(shown, /step e2e alone[^]*e2e +passed   3 shards: 3 passed/)
  assert.equal(world.tasks.length, 3)
  const other = await start('start', '--step', 'deploy-all')
  assert.match(await until(other, /failed, /), /deploy-all is no step that can be run alone: build, test, lint, e2e/)

  world.plan.stages.push(at('nowhere', 'deploy'))
  const refused = await start('start')
  await executions.get(refused).done
  assert.match(await until(refused, /failed, /), /the plan asks for nowhere/)
})
