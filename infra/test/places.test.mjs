// Ten pipelines, each with a failure at each of its places: nothing of a later stage is begun, and the message names the step.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ended, push, sha } from './machine.mjs'
import { at, example, failures, jobs, main, manual, planned, pullRequest } from './plan.mjs'

const own = { OwnBuildSteps: ['package'], OwnMigrateSteps: ['seed'], OwnDeploySteps: ['smoke'] }
const sized = { cpu: '2048', memory: '8192', spot: false, timeoutSeconds: 600 }
const pipelines = {
  "the issue's: tests, lint and four shards, then both environments": [push(main), [{ jobs: [{ steps: ['test'] }, { steps: ['lint'] }, { steps: ['e2e'], shards: 4, history: 'h' }] }, ...example.slice(1)]],
  'one stage after the other': [push('refs/heads/x'), [jobs('lint'), jobs('test'), jobs('e2e')]],
  'several steps in one task': [push('refs/heads/x'), [jobs(['lint', 'test'], 'e2e')]],
  'two steps divided beside each other': [push('refs/heads/x'), [{ jobs: [{ steps: ['test'], shards: 3 }, { steps: ['e2e'], shards: 2 }] }, jobs('lint')]],
  'own steps of each kind': [push(main), [{ jobs: [{ steps: ['package'], task: 'build', ...sized }] }, { ...at('staging', 'seed', 'migrate', 'deploy', 'smoke'), settings: { seed: { task: 'migrate' } } }], own],
  'a size and a timeout of its own': [push('refs/heads/x'), [{ jobs: [{ steps: ['e2e'], shards: 2, ...sized }] }]],
  'an environment without an approval': [push(main), [at('staging', 'deploy')]],
  'a pull request from a fork': [pullRequest, [{ jobs: [{ steps: ['test'], shards: 2 }, { steps: ['anything'] }] }], { ForkPullRequests: 'run' }],
  'by hand': [manual({ ref: main, after: sha }), [jobs('test'), at('production', 'migrate', 'deploy')]],
  'the schedule': [{ source: 'ci.schedule', 'detail-type': 'schedule', detail: { version: '1', repository: 'acme/shop', ref: main, after: sha, steps: 'pipeline' } }, [jobs('e2e', 'lint')]],
}
const place = (family, e) => [family, e.PIPELINE_STEP ?? '', e.RUNNER_SHARD ?? ''].join(' ')
const stageOf = (w) => Number(w.table['run#one'].stage.N)

for (const [what, [event, stages, given]] of Object.entries(pipelines)) {
  test(`a failure at each place ends the pipeline there: ${what}`, async () => {
    const all = new Map(), green = planned(stages, given)
    green.ecs = (family, n, e) => { all.set(place(family, e), stageOf(green)) }
    assert.equal((await green.run(event, 'one')).status, 'SUCCEEDED', JSON.stringify(failures(green)))
    const places = [...all.keys()].filter((p) => !/ [2-9]\/\d+$/.test(p) || / 2\//.test(p)) // of shards the first two
    for (const failing of places) {
      const w = planned(stages, given), begun = []
      w.ecs = (family, n, e) => { begun.push(place(family, e)); if (place(family, e) === failing) throw ended(/ 2\/\d+$/.test(failing) ? 137 : 1) }
      assert.equal((await w.run(event, 'one')).status, 'FAILED', failing)
      assert.deepEqual(begun.filter((p) => all.has(p)).sort(), [...all.keys()].filter((p) => all.get(p) <= all.get(failing)).sort(), `${failing}: all of its stage, and nothing after it`)
      const [family, step] = failing.split(' ')
      assert.ok(failures(w)[0][0].toLowerCase().includes((step || family.match(/^[A-Z][a-z]+/)[0]).toLowerCase()), `${failing}: ${failures(w)[0]}`)
      assert.equal(stageOf(w), all.get(failing), 'a retry begins here')
    }
  })
}
