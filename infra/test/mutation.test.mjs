// Every part of a policy makes a difference to some decision of the table: a statement, a resource, a condition. What makes none
// is not tested, or not needed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decide, resources, statements, table } from './permissions.mjs'

const rows = Object.values(table).flat()
const roles = Object.keys(resources).filter((n) => ['AWS::IAM::Role', 'AWS::IAM::ManagedPolicy'].includes(resources[n].Type))
const list = (v) => [v].flat()

// The stacks of environments have the same policies.
const where = ([id, s]) => [id.replace(/^(staging|production|abroad)-/, 'environment.yaml '), s.Sid ?? '', list(s.Action).join(' ')].join(' ').slice(0, 120)
const generic = (text) => text.replace(/staging|production|abroad/gi, '<environment>').replace(/arn:aws:iam::222222222222:role\/\w+/, '<target>')

const entries = [...new Map(roles.flatMap((name) => statements(name).map((e) => [e[1], e]))).values()]
const rowsOf = new Map()
for (const row of rows) for (const [, s] of statements(row[1])) if (list(s.Action).includes(row[2])) rowsOf.set(s, [...(rowsOf.get(s) ?? []), row])

const like = (pattern, text) => new RegExp(`^${pattern.replace(/\$\{[^}]+\}/g, '*').replace(/[.+^${}()|[\]\\]/g, '\\$&').replace(/\*/g, '.*').replace(/\?/g, '.')}$`).test(text)

// survivors returns the mutations that no row of the table notices. A mutation is a name and a statement, or nothing in its place.
async function survivors(mutations, concerns = () => true) {
  const noticed = new Set(), all = new Set()
  for (const entry of entries) {
    for (const [what, statement] of mutations(entry[1])) {
      const name = generic(`${where(entry)}: ${what}`)
      all.add(name)
      if (noticed.has(name)) continue
      for (const row of rowsOf.get(entry[1]) ?? []) {
        if (concerns(what, row) && await decide(row, entry[1], statement) !== row[0]) { noticed.add(name); break }
      }
    }
  }
  assert.ok(all.size > 20, `${all.size} mutations`)
  return [...all].filter((n) => !noticed.has(n))
}

test('without any one statement some decision is another one', async () => {
  assert.deepEqual(await survivors(() => [['gone', undefined]]), [])
})

test('without any one resource of a statement some decision is another one', async () => {
  // A dash stands for an own step, or an artifact of one, that is not there.
  assert.deepEqual(await survivors((s) => (list(s.Resource).length < 2 ? [] : list(s.Resource).filter((r) => !/[/:]-\/|artifacts\/-\//.test(r)).map((r) => [r, { ...s, Resource: list(s.Resource).filter((x) => x !== r) }])), (pattern, row) => like(pattern, row[3])), [])
})

test('without any one key of a condition some decision is another one', async () => {
  const without = (all, operator, key) => Object.fromEntries(Object.entries(all).map(([o, keys]) => [o, o === operator ? Object.fromEntries(Object.entries(keys).filter(([k]) => k !== key)) : keys]).filter(([, keys]) => Object.keys(keys).length > 0))
  assert.deepEqual(await survivors((s) => Object.entries(s.Condition ?? {}).flatMap(([operator, keys]) => Object.keys(keys).map((key) => [`${operator} ${key}`, { ...s, Condition: without(s.Condition, operator, key) }]))), [])
})
