// Which workflows of GitHub may assume the roles: those of this repository, by GitHub's subjects of either form.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { load, resolve } from './template.mjs'

const claim = 'token.actions.githubusercontent.com:sub', audience = 'token.actions.githubusercontent.com:aud'
const like = (pattern, text) => new RegExp(`^${pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&').replace(/\*/g, '.*').replace(/\?/g, '.')}$`).test(text)
const roles = (given) => resolve(load('cicd.yaml'), { GitHubRoles: 'true', ...given })

// trusts reports whether a role may be assumed with a subject.
function trusts(role, subject, given) {
  return roles(given)[role].Properties.AssumeRolePolicyDocument.Statement.some(({ Condition: c }) => {
    assert.equal(c.StringEquals[audience], 'sts.amazonaws.com')
    return [c.StringLike?.[claim] ?? []].flat().some((p) => like(p, subject)) || [c.StringEquals[claim] ?? []].flat().includes(subject)
  })
}

const old = 'repo:acme/shop', immutable = 'repo:acme@123456/shop@456789'
const ids = { GitHubRepository: 'acme@123456/shop@456789' }
const strangers = [
  'repo:mallory/shop', 'repo:acme/shop2', 'repo:acme-evil/shop', 'repo:acme@1/other@2', 'repo:mallory@1/shop@2', 'repo:acmeshop', 'repo:acme@1/shop', 'repo:acme/shop@2',
]
const table = {
  GitHubTriggerRole: { yes: ['ref:refs/heads/main', 'ref:refs/tags/v1.2.3'], no: ['ref:refs/heads/feature', 'ref:refs/heads/main2', 'ref:refs/tags/nightly', 'pull_request', 'environment:production'] },
  GitHubBranchRole: { yes: ['ref:refs/heads/feature/a', 'ref:refs/heads/main', 'pull_request'], no: ['environment:production', 'pull_request_target'] },
  GitHubDeployRole: { yes: ['environment:production'], no: ['environment:staging', 'environment:production2', 'ref:refs/heads/main', 'pull_request'] },
}
for (const [role, { yes, no }] of Object.entries(table)) {
  test(`${role} accepts subjects by name and with ids`, () => {
    for (const prefix of [old, immutable]) {
      for (const end of yes) assert.ok(trusts(role, `${prefix}:${end}`), `${prefix}:${end}`)
      for (const end of no) assert.ok(!trusts(role, `${prefix}:${end}`), `${prefix}:${end}`)
    }
  })
  test(`${role} accepts no other repository`, () => {
    for (const prefix of strangers) for (const end of yes) assert.ok(!trusts(role, `${prefix}:${end}`), `${prefix}:${end}`)
  })
  test(`${role} accepts one repository only where its ids are given, whatever its name`, () => {
    for (const end of yes) {
      assert.ok(trusts(role, `${immutable}:${end}`, ids))
      for (const prefix of [old, 'repo:acme@123457/shop@456789', 'repo:acme@123456/shop@456780']) assert.ok(!trusts(role, `${prefix}:${end}`, ids), `${prefix}:${end}`)
    }
  })
}

test('a branch or a tag cannot pass for another repository', () => {
  for (const ref of ['x/shop@9', 'main/shop@1', 'shop@1']) for (const kind of ['heads', 'tags']) for (const role of Object.keys(table)) {
    assert.ok(!trusts(role, `repo:acme@1/other@2:ref:refs/${kind}/${ref}`), ref)
  }
})

test('the parameter accepts both forms, and nothing that could be a pattern', () => {
  const allowed = new RegExp(load('cicd.yaml').Parameters.GitHubRepository.AllowedPattern)
  for (const name of ['acme/shop', 'acme@123456/shop@456789', 'Acme-1/shop.js_2']) assert.match(name, allowed)
  for (const name of ['acme', 'acme/*', 'acme@*/shop@*', 'acme/shop:ref', 'acme/shop@x']) assert.doesNotMatch(name, allowed)
})

test('the provider is made for this repository, or the one of the account is used', () => {
  assert.equal(roles({}).GitHubProvider.Properties.Url, 'https://token.actions.githubusercontent.com')
  const GitHubOidcProviderArn = 'arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com'
  const { GitHubProvider, GitHubTriggerRole } = roles({ GitHubOidcProviderArn })
  assert.equal(GitHubProvider, undefined)
  assert.equal(GitHubTriggerRole.Properties.AssumeRolePolicyDocument.Statement[0].Principal.Federated, GitHubOidcProviderArn)
})
