// Names and events that are easy to get wrong: what runs with which rights, and where it is kept.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { World, Failed, push, sha } from './machine.mjs'
import { load, refused, resolve } from './template.mjs'
import { decide } from './permissions.mjs'
const S = sha, main = 'refs/heads/main', put = (want, role, k) => [want, role, 's3:PutObject', `arn:aws:s3:::artifacts/${k}`]
const rights = (w) => w.tasks.map((t) => t.definition)
const branchOf = async (event, given = {}) => { const w = new World({ ApprovalEnvironments: ['none'], ...given }); await w.run(event); return [rights(w)[0], w.tasks[0]?.environment.BRANCH] }
test('branch main/x', async () => { assert.deepEqual(await branchOf(push('refs/heads/main/x')), ['BranchBuild', 'main/x']); assert.equal(await decide(put('no', 'BranchBuildRole', `builds/main/x/${S}/a`)), 'no') })
test('branch feature/../main stays text and gets no protected key', async () => { assert.deepEqual((await branchOf(push('refs/heads/feature/../main')))[0], 'BranchBuild'); assert.equal(await decide(put('no', 'BranchBuildRole', `builds/main/${S}/a`)), 'no') })
test('repository with dots', () => { assert.deepEqual(refused(load('cicd.yaml'), { GitHubRepository: 'acme/shop.js' }), []); assert.equal(resolve(load('cicd.yaml'), { GitHubRepository: 'acme@1/shop.js@2' }).BranchRule.Properties.EventPattern.detail.repository[0], 'acme/shop.js') })
test('three environments', async () => { const e = ['dev', 'qa', 'prod'], w = new World({ environments: e, Environments: e, ApprovalEnvironments: ['prod'] }); await w.run(push(main)); assert.equal(w.tasks.length, 8) })
test('environment called build', async () => { const e = ['build', 'deploy'], w = new World({ environments: e, Environments: e, ApprovalEnvironments: ['none'] }); await w.run(push(main)); assert.deepEqual(rights(w), ['Build', 'Test', 'Migrate-build', 'Deploy-build', 'Migrate-deploy', 'Deploy-deploy']) })
test('account without target', async () => { const w = new World({ environments: ['staging'], ApprovalEnvironments: ['none'] }); assert.equal((await w.run(push(main))).status, 'FAILED') })
test('redelivered webhook', async () => { const w = new World(); await w.run(push('refs/heads/x'), 'a'); await w.run(push('refs/heads/x'), 'b'); assert.equal(w.tasks.length, 2) })
test('tag with slashes', async () => { assert.deepEqual(await branchOf(push('refs/tags/v1/rc/2')), ['Migrate-production', 'v1/rc/2']) })
test('TagPrefix release/ and a branch below it', async () => { assert.deepEqual(await branchOf(push('refs/heads/release/1.2'), { TagPrefix: 'release/' }), ['BranchBuild', 'heads/release/1.2']) })
test('MainBranch with slash', async () => { assert.deepEqual(await branchOf(push('refs/heads/trunk/a'), { MainBranch: 'trunk/a' }), ['Build', 'trunk/a']) })
test('MainBranch that begins like a tag', async () => { assert.deepEqual(await branchOf(push('refs/heads/vnext'), { MainBranch: 'vnext' }), ['Build', 'vnext']) })
test('a tag called main by hand has no rights of main', async () => { const w = new World({ approve: () => { throw new Failed('Rejected', 'x') } }); await w.run({ source: 'ci.manual', 'detail-type': 'manual', detail: { ref: 'refs/tags/main', after: sha } }); assert.deepEqual(rights(w), []) })
test('fork number as a number', async () => { const w = new World({ ForkPullRequests: 'run' }); await w.run({ source: 'ci.github', 'detail-type': 'pull_request', detail: { repository: 'acme/shop', number: 7, ref: main, after: sha } }); assert.equal(w.tasks[0].environment.ARTIFACT_BUCKET, 's3://artifacts/pr/7') })
test('an unknown detail-type on the main ref is a branch', async () => { assert.deepEqual(await branchOf({ ...push(main), 'detail-type': 'workflow_run' }), ['BranchBuild', 'main']) })
test('case of the main branch', async () => { assert.deepEqual(await branchOf(push('refs/heads/Main')), ['BranchBuild', 'Main']) })
test('push of the main branch with skip is of the rules', () => { const r = resolve(load('cicd.yaml')).BranchRule.Properties.EventPattern.detail; assert.deepEqual(r.skip, [{ exists: false }, false]); assert.deepEqual(r.deleted, [false]) })
test('40-character branch segment', async () => { for (const k of [`runs/x/${S}/${S}/build/1/f`, `runs/${S}/${S}/build/1/f`]) assert.equal(await decide(put('yes', 'BranchBuildRole', k)), 'yes') })
test('main role below another sha', async () => assert.equal(await decide(put('no', 'BuildRole', `runs/main/${S}/x/${S}/build/1`)), 'no'))
test('test cannot write build of main by a nested shard', async () => { for (const k of [`runs/main/${S}/build/test~shards/1`, `runs/main/${S}/build~shards/1`, `runs/main/${S}/deploy@staging/test~shards/x`]) assert.equal(await decide(put('no', 'ShardRole', k)), 'no', k) })
test('operator approvals of nobody', async () => { const r = resolve(load('cicd.yaml'), { OperatorApprovals: [''] }).OperatorPolicy.Properties.PolicyDocument.Statement.filter((s) => s.Action === 'dynamodb:PutItem')[0].Condition['ForAllValues:StringLike']['dynamodb:LeadingKeys']; assert.deepEqual(r, ['answer##*']) })
test('merge queue of a branch with slashes', async () => assert.equal((await branchOf({ ...push(`refs/heads/gh-readonly-queue/release/1/pr-5-${sha}`), 'detail-type': 'merge_group' }))[0], 'BranchBuild'))
test('repository named like a pattern', () => { for (const r of ['acme/*', '*/shop', 'acme/sh?p', 'acme/shop/x']) assert.deepEqual(refused(load('cicd.yaml'), { GitHubRepository: r }), ['GitHubRepository'], r) })
test('environment unknown to a manual event with force', async () => { const w = new World(); assert.equal((await w.run({ source: 'ci.manual', 'detail-type': 'manual', detail: { ref: main, after: sha, environment: 'toString', force: true } })).status, 'FAILED') })
