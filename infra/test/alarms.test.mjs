// Every alarm and every graph uses a metric that AWS or the runner emits, with the dimensions it is emitted with.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { infra, load, resolve, STACK } from './template.mjs'

// What AWS documents. Sets of dimensions, each a sorted list.
const documented = {
  // https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html
  'AWS/States': { metrics: ['ExecutionsSucceeded', 'ExecutionsFailed', 'ExecutionsTimedOut', 'ExecutionsAborted', 'ExecutionsStarted', 'ExecutionThrottled', 'ExecutionTime'], dimensions: ['StateMachineArn'] },
  // https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html: on a custom bus both dimensions
  'AWS/Events': { metrics: ['DeadLetterInvocations', 'FailedInvocations', 'Invocations', 'InvocationsFailedToBeSentToDlq', 'InvocationsSentToDlq', 'MatchedEvents', 'ThrottledRules', 'TriggeredRules'], dimensions: ['RuleName', 'EventBusName,RuleName'] },
  // https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
  'AWS/SQS': { metrics: ['ApproximateAgeOfOldestMessage', 'ApproximateNumberOfMessagesVisible', 'NumberOfMessagesSent'], dimensions: ['QueueName'] },
}

// What the runner emits, read from its source.
const emf = readFileSync(`${infra}../runner/telemetry/emf.go`, 'utf8')
const all = (re) => [...emf.matchAll(re)].map((m) => m[1])
const sets = [...all(/\{\{"Cluster"\}, (\{"Cluster", "Step"\})/g), ...all(/append\(d\.Dimensions, \[\]string(\{[^}]+\})/g)].map((s) => s.match(/\w+/g).sort().join())
documented[all(/const Namespace = "([^"]+)"/g)[0]] = { metrics: all(/add\("(\w+)"/g), dimensions: ['Cluster', ...sets] }

const template = resolve(load('cicd.yaml'))
const at = (o) => o.Dimensions.map((d) => d.Name).sort().join()

function check(who, namespace, metric, dimensions) {
  const known = documented[namespace]
  assert.ok(known, `${who}: nothing emits ${namespace}`)
  assert.ok(known.metrics.includes(metric), `${who}: ${namespace} has no ${metric}`)
  assert.ok(known.dimensions.includes(dimensions), `${who}: ${namespace} ${metric} has no dimensions ${dimensions}`)
}

const alarms = Object.entries(template).filter(([, r]) => r.Type === 'AWS::CloudWatch::Alarm')
const metricsOf = (p) => (p.Metrics ? p.Metrics.filter((m) => m.MetricStat).map((m) => m.MetricStat.Metric) : [p])

test('the runner emits what was read from its source', () => {
  assert.deepEqual(documented['Carlin/CICD'].dimensions, ['Cluster', 'Cluster,Step', 'Cluster,Environment,Step'])
  assert.ok(documented['Carlin/CICD'].metrics.includes('Failures') && documented['Carlin/CICD'].metrics.length > 8)
})

for (const [name, { Properties: p }] of alarms) {
  test(`${name} can fire`, () => {
    for (const m of metricsOf(p)) {
      check(name, m.Namespace, m.MetricName, at(m))
      const d = Object.fromEntries(m.Dimensions.map((x) => [x.Name, x.Value]))
      if (m.Namespace === 'AWS/States') assert.equal(d.StateMachineArn, 'arn:aws:states:eu-west-1:123456789012:stateMachine:Machine')
      if (m.Namespace === 'AWS/SQS') assert.equal(d.QueueName, 'Dlq')
      if (m.Namespace === 'Carlin/CICD') assert.equal(d.Cluster, 'Cluster', 'the name, as the runner has it, not the ARN')
      if (m.Namespace === 'AWS/Events') {
        assert.equal(template[d.RuleName]?.Type, 'AWS::Events::Rule', 'a rule by its name')
        assert.equal(d.EventBusName, template[d.RuleName].Properties.EventBusName, 'of the bus that the rule is on')
      }
    }
    if (p.Metrics) {
      const ids = p.Metrics.map((m) => m.Id)
      for (const m of p.Metrics) if (m.Expression) for (const id of m.Expression.match(/\b[a-z]\w*\b/g)) assert.ok(ids.includes(id), id)
      assert.equal(p.Metrics.filter((m) => m.ReturnData !== false).length, 1)
    }
  })
}

test('failed, timed out, aborted, the dead-letter queue, invocations and our own failures have an alarm each', () => {
  assert.equal(alarms.length, 6)
  assert.ok(!alarms.some(([, a]) => metricsOf(a.Properties).some((m) => m.Namespace === 'AWS/ECS')), 'AWS/ECS has no Errors')
})

test('the alarm of invocations watches every rule of the bus', () => {
  const watched = metricsOf(template.InvocationsAlarm.Properties).map((m) => m.Dimensions.find((d) => d.Name === 'RuleName').Value).sort()
  assert.deepEqual(watched, Object.entries(template).filter(([, r]) => r.Type === 'AWS::Events::Rule' && r.Properties.EventBusName === STACK).map(([n]) => n).sort())
})

test('the dashboard shows each metric by the statistic that fits it', () => {
  const { widgets } = JSON.parse(template.Dashboard.Properties.DashboardBody)
  const stats = { Duration: 'p90', ColdStart: 'p90', Tests: 'Sum', TestsFailed: 'Sum', TestsFlaky: 'Sum', PeakMemory: 'Maximum' }
  const units = Object.fromEntries([...emf.matchAll(/add\("(\w+)", "(\w+)"/g)].map((m) => [m[1], m[2]]))
  const shown = new Set()
  for (const { properties: p } of widgets) {
    for (const [namespace, metric] of (p.metrics ?? []).filter((row) => row[0] === 'Carlin/CICD' || row[0] === '.')) {
      if (namespace === '.' && p.metrics[0][0] !== 'Carlin/CICD') continue
      assert.equal(p.stat, stats[metric], `${p.title}: ${metric}`)
      if (/seconds/.test(p.title)) assert.equal(units[metric], 'Seconds')
      if (metric === 'PeakMemory') assert.equal(units[metric], 'Bytes')
      shown.add(metric)
    }
    for (const row of p.metrics ?? []) if (row[0].expression && /Memory/.test(p.title)) assert.match(row[0].expression, /^100\*[a-z]\/1048576\/\d+$/, 'of bytes, and of MiB')
  }
  assert.deepEqual([...shown].sort(), Object.keys(stats).sort())
})

test('the dashboard shows metrics and fields that exist', () => {
  const { widgets } = JSON.parse(template.Dashboard.Properties.DashboardBody)
  assert.ok(widgets.length >= 8)
  for (const { type, properties } of widgets) {
    if (type === 'log') {
      const asked = properties.query.replace(/'[^']*'|\bas \w+|\bSOURCE\b/g, '').match(/\b[A-Z]\w*\b/g)
      assert.ok(asked.includes('Step') && asked.length > 2, properties.title)
      for (const field of asked) assert.ok(emf.includes(`"${field}"`), `${properties.title}: a line of metrics has no ${field}`)
      continue
    }
    let last = []
    const ids = properties.metrics.map((m) => m.at(-1)?.id).filter(Boolean)
    for (const row of properties.metrics) {
      const options = typeof row.at(-1) === 'object' ? row.at(-1) : {}
      if (options.expression) {
        for (const id of options.expression.match(/\b[a-z]\w*\b/g)) assert.ok(ids.includes(id), `${properties.title}: ${id}`)
        assert.doesNotMatch(options.expression, /NaN|undefined|\$/)
        continue
      }
      const given = row.filter((x) => typeof x !== 'object')
      const full = given[0] === '...' ? [...last.slice(0, last.length - given.length + 1), ...given.slice(1)] : given.map((x, i) => (x === '.' ? last[i] : x))
      last = full
      const [namespace, metric, ...dimensions] = full
      check(properties.title, namespace, metric, dimensions.filter((_, i) => i % 2 === 0).sort().join())
    }
  }
})
