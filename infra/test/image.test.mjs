// The image of the steps: the machine builds it anew when the first task of the main branch says what it is made of has changed.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { Failed, World, ended, push, sha } from './machine.mjs'
import { failures, main, manual, pullRequest } from './plan.mjs'
import { load, resolve } from './template.mjs'

const old = '{"Dockerfile":"1"}', now = '{"Dockerfile":"2"}'

// A world with an image that was built from `old`. A build that is told so, and finds `now`, asks for a new image and ends.
const world = (more = {}, found = now) => {
  const w = new World({ ImageTag: 'current', ...more })
  w.table.image = { id: { S: 'image' }, inputs: { S: old }, sha: { S: 'c'.repeat(40) } }
  w.ecs = (family, n, e) => {
    if (!e.RUNNER_IMAGE_INPUTS || e.RUNNER_IMAGE_INPUTS === found) return
    const task = `arn:aws:ecs:eu-west-1:123456789012:task/Cluster/${w.tasks.length}`
    w.objects[`runs/${e.BRANCH}/${e.GIT_SHA}/build/image.json`] = JSON.stringify({ format: 1, sha: e.GIT_SHA, task, inputs: found, changed: ['Dockerfile'], dockerfile: 'Dockerfile', context: '.', target: '', ...w.wish })
    throw ended(125, { TaskArn: task })
  }
  return w
}
const families = (w) => w.tasks.map((t) => t.family)
const builds = (w) => w.tasks.filter((t) => t.family === 'Build').map((t) => t.environment.RUNNER_IMAGE_INPUTS)

test('a push to main that changes the image builds it before the first stage, and begins again with it', async () => {
  const w = world({ Environments: 'staging' })
  const whats = new Set()
  w.codebuild = () => { whats.add(w.table['run#one'].what.S); assert.equal(w.tasks.length, 1) }
  assert.equal((await w.run(push(main))).status, 'SUCCEEDED', JSON.stringify(failures(w)))
  assert.deepEqual(families(w), ['Build', 'Build', 'Test', 'MigrateStaging', 'DeployStaging'])
  assert.deepEqual(builds(w), [old, undefined])
  assert.deepEqual([...whats], ['image'])
  assert.deepEqual(w.images, [{ project: 'cicd-image', variables: { COMMIT: sha, TAG: sha, MOVE: 'current', PREVIOUS: 'c'.repeat(40), INPUTS: now, DOCKERFILE: 'Dockerfile', CONTEXT: '.', TARGET: '' } }])
  const { at, ...item } = w.table.image
  assert.deepEqual(item, { id: { S: 'image' }, inputs: { S: now }, sha: { S: sha }, tag: { S: sha }, digest: { S: `sha256:${'d'.repeat(64)}` }, execution: { S: 'one' } })
  assert.deepEqual(w.events, [], 'a build that waits for its image has not failed')

  await w.run(push(main, { after: 'b'.repeat(40), before: sha, delivery: 'd2' }), 'two')
  assert.equal(w.images.length, 1, 'the next push finds the image as it should be')
})

test('nothing but a push or a start by hand of the main branch has its image looked at', async () => {
  for (const [event, given] of [
    [push('refs/heads/x'), {}], [push('refs/tags/v1.2.3'), {}], [pullRequest, { ForkPullRequests: 'run' }],
    [{ ...push(main), 'detail-type': 'branch_push' }, {}], // a workflow of any branch may say so
    [{ ...push(main), 'detail-type': 'merge_group' }, {}],
    [manual({ ref: 'refs/heads/x', after: sha }), {}], [manual({ ref: main, after: sha, environment: 'staging' }), {}], [manual({ ref: main, after: sha, step: 'build' }), {}],
    [{ source: 'ci.schedule', 'detail-type': 'schedule', detail: { version: '1', repository: 'acme/shop', ref: main, after: sha, steps: 'pipeline' } }, {}],
    [push(main), { ImageTag: '0123abc' }], // a pinned image stays
  ]) {
    const w = world({ Environments: 'staging', ...given })
    const { status } = await w.run(event)
    assert.equal(status, 'SUCCEEDED', JSON.stringify([event, failures(w)]))
    assert.ok(builds(w).every((v) => v === undefined), JSON.stringify(event))
    assert.equal(w.images.length, 0)
  }
  const w = world({ Environments: 'staging' })
  assert.equal((await w.run(manual({ ref: main, after: sha }))).status, 'SUCCEEDED')
  assert.equal(w.images.length, 1)
})

const build = (more) => ({ BuildStatus: 'FAILED', Logs: { DeepLink: 'https://console.example/log' }, Phases: [{ PhaseType: 'SUBMITTED', PhaseStatus: 'SUCCEEDED' }, { PhaseType: 'BUILD', PhaseStatus: 'FAILED', Contexts: [{ StatusCode: 'COMMAND_EXECUTION_ERROR', Message: 'Error while executing command: bash /tmp/build.sh. Reason: exit status 1' }] }], ...more })
for (const [what, error, want] of [
  ['a command of the Dockerfile', new Failed('States.TaskFailed', JSON.stringify(build())), /^the image could not be built, and the old one stays: BUILD FAILED: Error while executing command: .* exit status 1, log: https:\/\/console\.example\/log$/],
  ['the same, in the form of an answer', new Failed('States.TaskFailed', JSON.stringify({ Build: build() })), /BUILD FAILED: Error while executing/],
  ['its time', new Failed('States.TaskFailed', JSON.stringify(build({ BuildStatus: 'TIMED_OUT', Phases: [{ PhaseType: 'BUILD', PhaseStatus: 'TIMED_OUT' }] }))), /BUILD TIMED_OUT, log/],
  ['no phase that says why', new Failed('States.TaskFailed', JSON.stringify({ BuildStatus: 'FAULT' })), /stays: FAULT$/],
  ['no right to start it', new Failed('CodeBuild.AccessDeniedException', 'not authorized to perform: codebuild:StartBuild'), /CodeBuild\.AccessDeniedException: not authorized/],
  ['no project', new Failed('CodeBuild.ResourceNotFoundException', 'Project cannot be found'), /Project cannot be found/],
]) {
  test(`an image that cannot be built is a red pipeline with the reason, and the old image stays: ${what}`, async () => {
    const w = world()
    w.codebuild = () => { throw error }
    assert.equal((await w.run(push(main))).status, 'FAILED')
    assert.deepEqual(families(w), ['Build'])
    const [[step, name, reason]] = failures(w)
    assert.deepEqual([step, name], ['image', error.name])
    assert.match(reason, want)
    assert.equal(w.table.image.inputs.S, old)
    const status = w.events.find((e) => e.type === 'commit status')
    assert.deepEqual([status.context, status.state, status.sha], ['carlin-cicd/build', 'error', sha], 'the runner has left it pending')
  })
}

test('a retry of a pipeline whose image could not be built looks at it again', async () => {
  const w = world({ Environments: 'staging' })
  w.codebuild = (variables, n) => { if (n === 1) throw new Failed('States.TaskFailed', JSON.stringify(build())) }
  assert.equal((await w.run(push(main))).status, 'FAILED')
  assert.equal((await w.run(manual({ ref: main, after: sha, retry: 'one' }), 'two')).status, 'SUCCEEDED', JSON.stringify(failures(w)))
  assert.equal(w.images.length, 2)
  assert.deepEqual(families(w), ['Build', 'Build', 'Build', 'Test', 'MigrateStaging', 'DeployStaging'])
})

test('a wish for an image counts only if the build of this execution has it', async () => {
  for (const wish of [{ task: 'arn:aws:ecs:eu-west-1:123456789012:task/Cluster/other' }, { task: '' }, { sha: 'b'.repeat(40) }, { format: 2 }, { inputs: '' }]) {
    const w = world()
    w.wish = wish
    assert.equal((await w.run(push(main))).status, 'FAILED', JSON.stringify(wish))
    assert.equal(w.images.length, 0)
    assert.equal(failures(w)[0][0], 'build')
  }
  const w = world() // a build that is refused for another reason has no wish
  w.ecs = () => { throw ended(125, { TaskArn: 'arn:x' }) }
  assert.equal((await w.run(push(main))).status, 'FAILED')
  assert.deepEqual([w.images.length, failures(w)[0][0]], [0, 'build'])
})

test('an image of a newer commit stays, and what it was built from with it', async () => {
  const w = world({ Environments: 'staging' })
  w.codebuild = () => ({ BuildStatus: 'SUCCEEDED', ExportedEnvironmentVariables: [{ Name: 'IMAGE_DIGEST', Value: '' }] })
  assert.equal((await w.run(push(main))).status, 'SUCCEEDED')
  assert.deepEqual([w.table.image.inputs.S, builds(w)], [old, [old, undefined]])
})

test('a build that asks for an image again and again ends the second time', async () => {
  const w = world()
  const asks = w.ecs
  w.ecs = (family, n, e) => asks(family, n, { ...e, RUNNER_IMAGE_INPUTS: old })
  assert.equal((await w.run(push(main))).status, 'FAILED')
  assert.deepEqual([w.images.length, failures(w)[0][0]], [1, 'build'])
})

test('without a note of the image nothing is compared', async () => {
  const w = world({ Environments: 'staging' })
  delete w.table.image
  assert.equal((await w.run(push(main))).status, 'SUCCEEDED')
  assert.deepEqual([w.images.length, builds(w)], [0, [undefined]])
})

// The commands of the project, in a shell of this computer: git and tar are real, aws and docker note what they are asked.
const project = (given = {}) => resolve(load('cicd.yaml'), given).ImageProject.Properties
const spec = parse(project().Source.BuildSpec)
const tools = {
  aws: `case "$*" in
    *get-object*) while [ $# -gt 1 ]; do shift; done; cp "$DIR/context.tar.gz" "$1" ;;
    *get-login-password*) echo password ;;
    *describe-images*query*) echo sha256:d ;;
    *describe-images*) [ -e "$DIR/there" ] || { { cat "$DIR/unknown" 2>/dev/null || echo 'An error occurred (ImageNotFoundException)'; } >&2; exit 254; } ;;
    *imageManifestMediaType*) echo application/vnd.oci.image.manifest.v1+json ;;
    *batch-get-image*) echo '{"config": {}}' ;;
    *put-image*) [ ! -e "$DIR/problem" ] || { cat "$DIR/problem" >&2; exit 254; } ;;
  esac`,
  docker: `case "$1" in
    login) [ "$(cat)" = password ] ;;
    build) for last in "$@"; do :; done; cp "$last/a" "$DIR/built"; env >"$DIR/environment"; [ ! -e "$DIR/broken" ] ;;
  esac`,
}

function shell(t, variables, files = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'image-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  mkdirSync(join(dir, 'bin'))
  mkdirSync(join(dir, 'work'))
  for (const [name, text] of Object.entries(tools)) writeFileSync(join(dir, 'bin', name), `#!/bin/bash\necho "${name} $*" >>"$DIR/log"\n${text}\n`, { mode: 0o755 })
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text)
  const git = (...args) => execFileSync('git', ['-C', join(dir, 'repository'), '-c', 'user.name=a', '-c', 'user.email=a@example.com', ...args], { encoding: 'utf8' }).trim()
  const commits = {}
  execFileSync('git', ['init', '-q', '-b', 'main', join(dir, 'repository')])
  for (const name of ['one', 'two', 'three']) {
    if (name === 'three') git('checkout', '-q', '-b', 'feature')
    writeFileSync(join(dir, 'repository/a'), name)
    writeFileSync(join(dir, 'repository/Dockerfile'), 'FROM a')
    git('add', '.')
    git('commit', '-qm', name)
    commits[name] = git('rev-parse', 'HEAD')
  }
  execFileSync('tar', ['-czf', join(dir, 'context.tar.gz'), '-C', join(dir, 'repository'), 'a', 'Dockerfile'])
  const env = { PATH: `${join(dir, 'bin')}:${process.env.PATH}`, HOME: dir, DIR: dir, REPOSITORY_URI: 'r.example/ci/shop', CLONE_URL: join(dir, 'repository'), MAIN_BRANCH: 'main', BUCKET: 'b', BUCKET_OWNER: '1', TAG: 't', MOVE: 'current' }
  for (const [name, value] of Object.entries(variables)) env[name] = commits[value] ?? value
  const text = spec.phases.build.commands.join('\n').replaceAll('/tmp/', `${dir}/`)
  const ran = spawnSync('bash', ['-ec', `${text}\necho "digest=$IMAGE_DIGEST"`], { cwd: join(dir, 'work'), env, encoding: 'utf8' })
  const read = (name) => (existsSync(join(dir, name)) ? readFileSync(join(dir, name), 'utf8') : '')
  return { ...ran, log: read('log'), built: read('built'), environment: read('environment'), commits, digest: ran.stdout.match(/^digest=(.*)$/m)?.[1] }
}

test('the project knows its repository, its bucket and its token, and takes nothing else from the source', () => {
  const variables = (p) => Object.fromEntries(p.Environment.EnvironmentVariables.map((v) => [v.Name, v.Type ?? v.Value]))
  const all = variables(project({ GitHubTokenArn: 'arn:aws:secretsmanager:eu-west-1:1:secret:t', GitHubRepository: 'acme@1/shop@2' }))
  assert.deepEqual([all.CLONE_URL, all.MAIN_BRANCH, all.BUCKET, all.GITHUB_TOKEN], ['https://github.com/acme/shop.git', 'main', 'artifacts', 'SECRETS_MANAGER'])
  assert.equal(variables(project()).GITHUB_TOKEN, undefined)
  assert.deepEqual([project().Source.Type, project().Environment.Type, project({ Architecture: 'ARM64' }).Environment.Type], ['NO_SOURCE', 'LINUX_CONTAINER', 'ARM_CONTAINER'])
})

test('a commit of the main branch is built, pushed, and the tag moved to it', (t) => {
  const r = shell(t, { COMMIT: 'two', PREVIOUS: 'one', INPUTS: '{"Dockerfile":"1"}', TARGET: 'ci', GITHUB_TOKEN: 'hunter2hunter2' })
  assert.equal(r.status, 0, r.stderr)
  assert.deepEqual([r.built, r.digest], ['two', 'sha256:d'])
  assert.match(r.log, /docker build --progress plain --file source\/Dockerfile --tag r\.example\/ci\/shop:t --target ci --label org\.opencontainers\.image\.revision=\w{40} --label com\.carlin-cicd\.inputs=\{"Dockerfile":"1"\} source\/\.\n/)
  assert.match(r.log, /docker push --quiet r\.example\/ci\/shop:t\n[^]*put-image --repository-name ci\/shop --image-tag current --image-manifest \{"config": \{\}\} .*--image-digest sha256:d/)
  for (const text of [r.log, r.environment, r.stdout, r.stderr]) assert.doesNotMatch(text, /hunter2|x-access-token|aHVudGVy|eC1hY2Nlc3/, 'no command sees the token')
})

test('an archive is built without a repository, and the tag stays where no move is asked for', (t) => {
  const r = shell(t, { SOURCE: 'image-sources/1.tar.gz', CLONE_URL: '/nowhere', MOVE: '' })
  assert.equal(r.status, 0, r.stderr)
  assert.deepEqual([r.built, r.digest], ['three', 'sha256:d'])
  assert.match(r.log, /s3api get-object --bucket b --key image-sources\/1\.tar\.gz --expected-bucket-owner 1 /)
  assert.doesNotMatch(r.log, /put-image/)
})

for (const [what, variables, files, want, built] of [
  ['a commit of another branch', { COMMIT: 'three' }, {}, /is not on main/, ''],
  ['what is no commit', { COMMIT: '--upload-pack=x' }, {}, /COMMIT is not the id of a commit/, ''],
  ['no commit', {}, {}, /COMMIT is not the id/, ''],
  ['a commit that does not exist', { COMMIT: 'b'.repeat(40) }, {}, /is not on main/, ''],
  ['a Dockerfile that cannot be built', { COMMIT: 'two' }, { broken: '' }, /^/, 'two'],
  ['a registry that does not say whether the tag is there', { COMMIT: 'two' }, { unknown: 'An error occurred (ThrottlingException) when calling the DescribeImages operation' }, /whether r\.example\/ci\/shop:t is there is not known: .*Throttling/, ''],
  ['a tag that may not be moved', { COMMIT: 'two' }, { problem: 'An error occurred (ImageTagAlreadyExistsException) when calling the PutImage operation' }, /the tag current could not be moved: .*ImageTagAlreadyExists/, 'two'],
]) {
  test(`the build of an image fails, and moves no tag: ${what}`, (t) => {
    const r = shell(t, variables, files)
    assert.notEqual(r.status, 0)
    assert.match(r.stderr, want)
    assert.deepEqual([r.built, r.digest], [built, undefined])
    if (!files.problem) assert.doesNotMatch(r.log, /put-image|docker push/)
  })
}

test('an image of a newer commit stays', (t) => {
  const r = shell(t, { COMMIT: 'one', PREVIOUS: 'two' })
  assert.deepEqual([r.status, r.digest, r.log], [0, '', ''], r.stderr)
  assert.match(r.stdout, /is newer than .*: it stays/)
  for (const PREVIOUS of ['', 'three', 'b'.repeat(40), 'one']) assert.equal(shell(t, { COMMIT: 'one', PREVIOUS }).digest, 'sha256:d', PREVIOUS) // three is of another branch
})

test('an image that is there is not built again, and the tag moves to it', (t) => {
  const r = shell(t, { COMMIT: 'two' }, { there: '' })
  assert.deepEqual([r.status, r.built, r.digest], [0, '', 'sha256:d'], r.stderr)
  assert.match(r.log, /put-image/)
  assert.doesNotMatch(r.log, /docker (build|push)/)
  assert.equal(shell(t, { COMMIT: 'two' }, { there: '', problem: 'An error occurred (ImageAlreadyExistsException)' }).status, 0, 'the tag is where it should be')
})
