// Worlds whose builds store a plan, and the events that tests of plans begin with.
import { World } from './machine.mjs'

export const main = 'refs/heads/main'
export const failures = (w) => w.events.filter((e) => e.type === 'pipeline failed').map((e) => [e.step, e.error, e.reason])
export const manual = (detail) => ({ id: 'e', source: 'ci.manual', 'detail-type': 'manual', detail })
export const pullRequest = { source: 'ci.github', 'detail-type': 'pull_request', detail: { version: '1', repository: 'acme/shop', ref: 'refs/heads/fix', after: '6dcb09b5b57875f334f61aebed695e2e4193db5e', number: 7, fork: true, action: 'opened', delivery: 'd' } }

// planned returns a world whose builds store a plan with these stages after the build's own.
const OwnSteps = ['lint', 'e2e']
export const planned = (stages, { plan = {}, entry = [{ jobs: [{ steps: ['build'] }] }], ...given } = {}) => {
  const w = new World({ OwnSteps, ...given })
  const record = w.record
  w.plan = { stages: [...entry, ...stages], ...plan }
  w.record = (environment, ...more) => {
    record.call(w, environment, ...more)
    const { BRANCH, GIT_SHA, RUNNER_EVENT, ARTIFACT_BUCKET = '' } = environment
    const prefix = ARTIFACT_BUCKET.replace(/^s3:\/\/[^/]+\//, '')
    w.objects[`${prefix ? prefix + '/' : ''}runs/${BRANCH}/${GIT_SHA}/build/plan-${RUNNER_EVENT}.json`] =
      JSON.stringify({ format: 1, event: RUNNER_EVENT, branch: BRANCH, sha: GIT_SHA, skipped: [], ...w.plan })
  }
  return w
}
export const jobs = (...names) => ({ jobs: names.map((n) => ({ steps: [n].flat() })) })
export const at = (environment, ...steps) => ({ environment, steps })
export const example = [jobs('test', 'lint', 'e2e'), at('staging', 'migrate', 'deploy'), { approval: 'production' }, at('production', 'migrate', 'deploy')]
