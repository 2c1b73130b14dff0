// Which events start the pipeline: GitHub's payloads, reduced as the webhook does it, against the patterns of the rules.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { load, resolve, STACK } from './template.mjs'

const all = resolve(load('cicd.yaml'))
const rules = Object.entries(all).filter(([, r]) => r.Type === 'AWS::Events::Rule')

// EventBridge's matching, as far as the patterns here use it. An array in the event matches if one of its elements does.
function matches(pattern, event) {
  return Object.entries(pattern).every(([k, p]) => {
    if (k === '$or') return p.some((x) => matches(x, event))
    if (Array.isArray(event)) return event.some((e) => matches({ [k]: p }, e))
    const v = event?.[k]
    if (!Array.isArray(p)) return v !== undefined && (Array.isArray(v) ? v.some((e) => matches(p, e)) : matches(p, v))
    return p.some((x) => [v].flat().some((e) => one(x, e)))
  })
}
function one(p, v) {
  if (p === null || typeof p !== 'object') return p === v
  const [[how, what]] = Object.entries(p)
  switch (how) {
    case 'prefix': return typeof v === 'string' && v.startsWith(what)
    case 'exists': return (v !== undefined) === what
    case 'anything-but': return v !== undefined && ![what].flat().includes(v)
  }
  throw new Error(`patterns with ${how} are not implemented`)
}
const matched = (event, bus) => rules.filter(([, r]) => (r.Properties.EventBusName === STACK) === bus && matches(r.Properties.EventPattern, event)).map(([n]) => n).sort()

const zero = '0'.repeat(40), a = 'a'.repeat(40), b = '6dcb09b5b57875f334f61aebed695e2e4193db5e'
const repository = { id: 1296269, name: 'shop', full_name: 'acme/shop', private: true, owner: { login: 'acme', id: 1 }, default_branch: 'main' }
const sender = { login: 'octocat', id: 583231, type: 'User', site_admin: false }
// As in GitHub's documentation of webhook events and payloads.
const github = {
  push: (ref, more = {}) => ({ ref, before: a, after: b, created: false, deleted: false, forced: false, base_ref: null, compare: 'https://github.com/…', commits: [], head_commit: { id: b, message: 'Fix' }, repository, pusher: { name: 'octocat' }, sender, ...more }),
  merge_group: (action) => ({ action, merge_group: { head_sha: b, head_ref: `refs/heads/gh-readonly-queue/main/pr-5-${b}`, base_sha: a, base_ref: 'refs/heads/main' }, repository, sender }),
  pull_request: (action, head = 'acme/shop') => ({ action, number: 5, pull_request: { number: 5, merged: false, head: { ref: 'feature/x', sha: b, repo: { full_name: head, fork: head !== 'acme/shop' } }, base: { ref: 'main', sha: a } }, repository, sender }),
}
// trim makes the documented event of a payload.
const trim = (type, p, more = {}) => ({
  version: '0', id: '1', source: 'ci.github', 'detail-type': type, account: '123456789012', region: 'eu-west-1', resources: [],
  detail: { version: '1', repository: p.repository.full_name, sender: p.sender.login, delivery: '72d3162e-cc78-11e3-81ab-4c9367dc0958', ...{
    push: () => ({ ref: p.ref, before: p.before, after: p.deleted ? p.after : p.head_commit.id, deleted: p.deleted, skip: /\[skip ci\]/.test(p.head_commit?.message), pushed: 1557933657 }),
    branch_push: () => trim('push', p).detail,
    merge_group: () => ({ action: p.action, ref: p.merge_group.head_ref, base: p.merge_group.base_ref, before: p.merge_group.base_sha, after: p.merge_group.head_sha }),
    pull_request: () => ({ action: p.action, number: String(p.number), ref: `refs/heads/${p.pull_request.head.ref}`, base: `refs/heads/${p.pull_request.base.ref}`, before: '', after: p.pull_request.head.sha, fork: p.pull_request.head.repo.fork, merged: p.pull_request.merged }),
  }[type](), ...more },
})
const manual = (detail) => ({ source: 'ci.manual', 'detail-type': 'manual', detail })

const table = [
  ['a push to main', trim('push', github.push('refs/heads/main')), ['BranchRule']],
  ['a new branch', trim('push', github.push('refs/heads/feature/a', { before: zero, created: true })), ['BranchRule']],
  ['a forced push', trim('push', github.push('refs/heads/main', { forced: true })), ['BranchRule']],
  ['a branch that is named like a tag', trim('push', github.push('refs/heads/v1.2.3')), ['BranchRule']],
  ['a deleted branch', trim('push', github.push('refs/heads/feature/a', { after: zero, deleted: true, head_commit: null })), []],
  ['a tag', trim('push', github.push('refs/tags/v1.2.3', { before: zero, created: true })), ['TagRule']],
  ['an annotated tag, whose after is not the commit', trim('push', github.push('refs/tags/v2.0.0', { before: zero, after: a })), ['TagRule']],
  ['a tag without the prefix of releases', trim('push', github.push('refs/tags/nightly')), []],
  ['a deleted tag', trim('push', github.push('refs/tags/v1.2.3', { after: zero, deleted: true, head_commit: null })), []],
  ['another repository', trim('push', { ...github.push('refs/heads/main'), repository: { ...repository, full_name: 'mallory/shop' } }), []],
  ['a push whose commit says [skip ci]', trim('push', github.push('refs/heads/main', { head_commit: { id: b, message: 'Docs [skip ci]' } })), []],
  ['a push by an older sender, without the flag', trim('push', github.push('refs/heads/main'), { skip: undefined }), ['BranchRule']],
  ['a release tag whose commit says [skip ci]', trim('push', github.push('refs/tags/v1.2.3', { head_commit: { id: b, message: '1.2.3 [skip ci]' } })), ['TagRule']],
  ['a push that a workflow of a branch reports', trim('branch_push', github.push('refs/heads/feature/a')), ['BranchWorkflowRule']],
  ['a tag that a workflow of a branch reports', trim('branch_push', github.push('refs/tags/v1.2.3')), []],
  ['a merge queue', trim('merge_group', github.merge_group('checks_requested')), ['MergeGroupRule']],
  ['a merge group that is gone', trim('merge_group', github.merge_group('destroyed')), []],
  ['a pull request of the repository itself, whose push has started a pipeline', trim('pull_request', github.pull_request('opened')), []],
  ...['opened', 'synchronize', 'reopened'].map((action) => [`a pull request from a fork, ${action}`, trim('pull_request', github.pull_request(action, 'mallory/shop')), ['ForkRule']]),
  ['a pull request from a fork, closed', trim('pull_request', github.pull_request('closed', 'mallory/shop')), []],
  ['a push from another source', { ...trim('push', github.push('refs/heads/main')), source: 'my.app' }, []],
  ['by hand, a ref and a commit', manual({ ref: 'refs/heads/main', after: b }), ['ManualRule']],
  ['by hand, a tag, an environment, by force', manual({ ref: 'refs/tags/v1', after: b, environment: 'production', force: 'true' }), ['ManualRule']],
  ['by hand, without a commit', manual({ ref: 'refs/heads/main' }), []],
  ['by hand, a branch without refs/heads/', manual({ ref: 'main', after: b }), []],
  ['the status of a commit, for which there is no token here', { source: 'ci.pipeline', 'detail-type': 'commit status', detail: { sha: b } }, []],
  ["the machine's own failure", { source: 'ci.pipeline', 'detail-type': 'pipeline failed', detail: { message: 'x' } }, ['PipelineRule']],
]
// A rule that is disabled starts nothing, whatever it matches.
test('pull requests from forks can be turned off, and pushes held', () => {
  const state = (given) => Object.fromEntries(Object.entries(resolve(load('cicd.yaml'), given)).filter(([, r]) => r.Type === 'AWS::Events::Rule').map(([n, r]) => [n, r.Properties.State]))
  assert.equal(state({}).ForkRule, 'ENABLED')
  assert.deepEqual([state({ ForkPullRequests: 'off' }).ForkRule, state({ ForkPullRequests: 'off' }).BranchRule], ['DISABLED', 'ENABLED'])
  for (const name of ['BranchRule', 'TagRule', 'BranchWorkflowRule', 'MergeGroupRule', 'ForkRule']) assert.equal(state({ TriggersState: 'DISABLED' })[name], 'DISABLED', name)
})

test('with ids in the parameter the rules still match the name', () => {
  const withIds = resolve(load('cicd.yaml'), { GitHubRepository: 'acme@123456/shop@456789' })
  assert.deepEqual(withIds.BranchRule.Properties.EventPattern.detail.repository, ['acme/shop'])
  assert.match(withIds.Machine.Properties.DefinitionString, /"repository":"acme\/shop"/)
})

for (const [what, event, want] of table) test(`${what} starts ${want.join(', ') || 'nothing'}`, () => assert.deepEqual(matched(event, true), want))

const task = (detail) => ({ source: 'aws.ecs', 'detail-type': 'ECS Task State Change', detail: { clusterArn: all.TestTask && 'arn:aws:ecs:eu-west-1:123456789012:cluster/Cluster', lastStatus: 'STOPPED', startedBy: 'octocat', stopCode: 'EssentialContainerExited', containers: [{ name: 'runner', exitCode: 0 }], ...detail } })
const aws = [
  ['a task that passed', task({}), []],
  ['a task that failed', task({ containers: [{ name: 'runner', exitCode: 7 }] }), ['TaskRule']],
  ['a task of the machine that failed, which the machine reports', task({ startedBy: 'AWS Step Functions', containers: [{ name: 'runner', exitCode: 7 }] }), []],
  ['a task that never started', task({ stopCode: 'TaskFailedToStart', containers: [{ name: 'runner' }] }), ['TaskRule']],
  ['a task of the machine that never started, and may start on demand', task({ startedBy: 'AWS Step Functions', stopCode: 'TaskFailedToStart', containers: [{ name: 'runner' }] }), []],
  ['a task whose second container failed', task({ containers: [{ name: 'runner', exitCode: 0 }, { name: 'aws-guardduty-agent-x1', exitCode: 1 }] }), []],
  ['a task that Spot interrupted', task({ stopCode: 'SpotInterruption', containers: [{ name: 'runner', exitCode: 143 }] }), ['TaskRule']],
  ['a task that runs', task({ lastStatus: 'RUNNING', stopCode: undefined, containers: [{ name: 'runner' }] }), []],
  ['a task of another cluster', task({ clusterArn: 'arn:aws:ecs:eu-west-1:123456789012:cluster/other', containers: [{ exitCode: 7 }] }), []],
]
const execution = (status, error) => ({ source: 'aws.states', 'detail-type': 'Step Functions Execution Status Change', detail: { stateMachineArn: 'arn:aws:states:eu-west-1:123456789012:stateMachine:Machine', name: 'one', status, error, cause: null } })
aws.push(
  ['a pipeline that was stopped by hand', execution('ABORTED', null), ['AbortRule']],
  ['a pipeline that was stopped without a reason', execution('ABORTED', undefined), ['AbortRule']],
  ['a pipeline that a newer push stopped', execution('ABORTED', 'Superseded'), []],
  ['a pipeline that failed, which its machine reports', execution('FAILED', 'States.TaskFailed'), []],
)
for (const [what, event, want] of aws) test(`${what} is reported by ${want.join(', ') || 'no rule'}`, () => assert.deepEqual(matched(event, false), want))

test('the schedule passes the machine what an event would', () => {
  const { Input } = all.Schedule.Properties.Target
  assert.deepEqual(JSON.parse(Input), {
    source: 'ci.schedule', 'detail-type': 'schedule',
    detail: { version: '1', repository: 'acme/shop', ref: 'refs/heads/main', after: '', steps: 'test', delivery: '<aws.scheduler.execution-id>' },
  })
})
