// Package telemetry encodes metrics in CloudWatch's embedded metric format, and traces in OTLP.
package telemetry

import (
	"encoding/json"
	"math"
	"time"
)

// Namespace is that of the metrics in CloudWatch.
const Namespace = "Carlin/CICD"

// Metrics are the figures of one run. Nil pointers are unknown figures.
type Metrics struct {
	Cluster, Step, Environment string // the dimensions; without Environment there is no dimension set with it
	Reason                     string // a property, which can be searched for and makes no metric
	RunID, Branch, SHA         string // properties, too: as dimensions they would make (and cost) a metric for each commit
	Failed                     bool
	Duration                   time.Duration
	Tests                      *TestCounts
	Cache                      *CacheCounts
	ArtifactFiles              int
	ArtifactBytes              int64
	PeakMemory                 int64 // bytes
	CPU                        time.Duration
	LineCoverage               *float64       // percent; a property
	Cost                       *float64       // dollars; a property, since a metric would cost more than it is worth
	ColdStart                  *time.Duration // from the request for the task to the start of the runner
}

// TestCounts are the counts of a run that read reports.
type TestCounts struct{ Total, Failed, Flaky int }

// CacheCounts are the counts of a run with caches. An entry that is only an older one counts as a miss.
type CacheCounts struct {
	Hits, Misses  int
	Bytes, Stored int64 // that were read from the store, and written to it
	Saved         time.Duration
}

type metric struct {
	Name string
	Unit string
}

type directive struct {
	Namespace  string
	Dimensions [][]string
	Metrics    []metric
}

// EMF returns the run as one line in CloudWatch's embedded metric format, without a newline.
// CloudWatch reads it only if it is alone on its line and whole.
func EMF(r Metrics, at time.Time) []byte {
	d := directive{Namespace: Namespace, Dimensions: [][]string{{"Cluster"}, {"Cluster", "Step"}}}
	if r.Environment != "" {
		d.Dimensions = append(d.Dimensions, []string{"Cluster", "Step", "Environment"})
	}
	line := map[string]any{
		"Cluster": r.Cluster,
		"Step":    r.Step,
		"Reason":  r.Reason,
		"RunId":   r.RunID,
		"Branch":  r.Branch,
		"Sha":     r.SHA,
	}
	if r.Environment != "" {
		line["Environment"] = r.Environment
	}
	if r.LineCoverage != nil {
		line["LineCoverage"] = math.Round(*r.LineCoverage*100) / 100
	}
	if r.Cost != nil {
		line["Cost"] = *r.Cost
	}
	add := func(name, unit string, value any) {
		d.Metrics = append(d.Metrics, metric{name, unit})
		line[name] = value
	}
	failures := 0
	if r.Failed {
		failures = 1
	}
	add("Runs", "Count", 1)
	add("Failures", "Count", failures)
	add("Duration", "Seconds", round(r.Duration))
	if r.Tests != nil {
		add("Tests", "Count", r.Tests.Total)
		add("TestsFailed", "Count", r.Tests.Failed)
		add("TestsFlaky", "Count", r.Tests.Flaky)
	}
	if c := r.Cache; c != nil {
		add("CacheHits", "Count", c.Hits)
		add("CacheMisses", "Count", c.Misses)
		add("CacheBytes", "Bytes", c.Bytes)
		add("CacheStored", "Bytes", c.Stored)
		add("CacheSaved", "Seconds", round(c.Saved))
	}
	add("ArtifactFiles", "Count", r.ArtifactFiles)
	add("ArtifactBytes", "Bytes", r.ArtifactBytes)
	add("PeakMemory", "Bytes", r.PeakMemory)
	add("CPUSeconds", "Seconds", round(r.CPU))
	if r.ColdStart != nil {
		add("ColdStart", "Seconds", round(*r.ColdStart))
	}
	line["_aws"] = map[string]any{"Timestamp": at.UnixMilli(), "CloudWatchMetrics": []directive{d}}
	text, err := json.Marshal(line)
	if err != nil {
		panic(err) // strings and numbers only
	}
	return text
}

func round(d time.Duration) float64 { return float64(d.Round(time.Millisecond).Milliseconds()) / 1000 }
