package present

import (
	"time"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/telemetry"
)

// EMF returns the run's metrics as a line for CloudWatch, without a line break.
func EMF(run record.Run, at time.Time) []byte { return telemetry.EMF(metrics(run), at) }

func metrics(run record.Run) telemetry.Metrics {
	m := telemetry.Metrics{
		Cluster: run.Cluster, Step: run.Step, Environment: run.Environment, Reason: string(run.Reason),
		RunID: run.RunID, Branch: run.Branch, SHA: run.SHA,
		Failed: !run.Passed, Duration: record.Duration(run.Seconds), ColdStart: run.ColdStart,
	}
	for _, a := range run.Artifacts {
		m.ArtifactFiles += a.Files
		m.ArtifactBytes += a.Bytes
	}
	for _, c := range run.Caches {
		if m.Cache == nil {
			m.Cache = &telemetry.CacheCounts{}
		}
		m.Cache.Bytes += c.Loaded
		m.Cache.Stored += c.Added
		if t := c.Tool; t != nil {
			m.Cache.Hits, m.Cache.Misses = m.Cache.Hits+t.Hits, m.Cache.Misses+t.Misses
			continue
		}
		switch c.Hit {
		case record.ExactHit:
			m.Cache.Hits++
		case record.OlderHit, record.Miss:
			m.Cache.Misses++
		}
	}
	if m.Cache != nil {
		m.Cache.Saved = record.Duration(run.Saved)
	}
	if run.Usage != nil {
		m.PeakMemory, m.CPU = run.Usage.PeakMemory, record.Duration(run.Usage.CPUSeconds)
	}
	if run.Cost != nil && !run.Cost.Would { // the metric is what was paid
		m.Cost = &run.Cost.Dollars
	}
	if run.Coverage != nil && run.Coverage.Lines.Total > 0 {
		percent := run.Coverage.Lines.Percent()
		m.LineCoverage = &percent
	}
	if t := run.Tests; t != nil {
		m.Tests = &telemetry.TestCounts{Total: t.Total, Failed: t.Failed + t.Errored, Flaky: t.Counts.Flaky}
	}
	return m
}
