// The workflows that we hand out, beside the templates.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { infra } from './template.mjs'

const folder = join(infra, 'github')
const workflows = existsSync(folder) ? readdirSync(folder).filter((n) => /\.ya?ml$/.test(n)).map((n) => join(folder, n)).filter((n) => /^jobs:/m.test(readFileSync(n, 'utf8'))) : []

test('actionlint has nothing to say about the workflows', () => {
  if (workflows.length) execFileSync('actionlint', ['-no-color', ...workflows], { stdio: ['ignore', 'inherit', 'inherit'] })
})

test('actionlint sees what a branch name could do', () => {
  const workflow = 'on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo "${{ github.head_ref }}"\n'
  assert.throws(() => execFileSync('actionlint', ['-no-color', '-'], { input: workflow, stdio: 'pipe' }))
})
