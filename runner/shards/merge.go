package shards

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/steps/history"
	"github.com/carlin-cicd/runner/steps/results"
)

// The bounds of a merged record, as those of one run.
const (
	maxCases   = 200
	maxSlowest = 10
)

// Folder is where the reports of a shard are among those of the merged run.
func Folder(shard int) string { return fmt.Sprintf("shard-%d/", shard) }

// Results returns the tests of all parts as if one run had found them; nil if no part has read reports. The order of the
// parts does not matter.
func Results(parts []Part) *results.Results {
	parts = inOrder(parts)
	var all results.Results
	found := false
	for _, p := range parts {
		t := p.Run.Tests
		if t == nil {
			continue
		}
		found = true
		folder := Folder(p.Shard)
		all.Counts = sum(all.Counts, t.Counts)
		for _, f := range t.Failures {
			all.Failures = append(all.Failures, within(folder, f.Case))
		}
		for _, c := range t.Flaky {
			all.FlakyCases = append(all.FlakyCases, within(folder, c))
		}
		for _, c := range t.Quarantined {
			all.QuarantinedCases = append(all.QuarantinedCases, within(folder, c))
		}
		for _, c := range t.Slowest {
			all.Slowest = append(all.Slowest, within(folder, c))
		}
		for _, name := range t.Reports {
			all.Reports = append(all.Reports, results.Report{Path: folder + name})
		}
		for _, name := range t.Stale {
			all.Stale = append(all.Stale, folder+name)
		}
		for _, problem := range t.Problems {
			all.Problems = append(all.Problems, results.Problem{Report: folder + problem.Report, Message: problem.Message})
		}
	}
	if !found {
		return nil
	}
	for _, list := range []*[]results.Case{&all.Failures, &all.FlakyCases, &all.QuarantinedCases} {
		sort.SliceStable(*list, func(i, j int) bool {
			a, b := (*list)[i], (*list)[j]
			return cmp.Or(strings.Compare(a.File, b.File), strings.Compare(a.Class, b.Class)) < 0
		})
		*list = (*list)[:min(len(*list), maxCases)]
	}
	sort.SliceStable(all.Slowest, func(i, j int) bool {
		a, b := all.Slowest[i], all.Slowest[j]
		return cmp.Or(cmp.Compare(b.Duration, a.Duration), strings.Compare(a.Name, b.Name)) < 0
	})
	all.Slowest = all.Slowest[:min(len(all.Slowest), maxSlowest)]
	return &all
}

// inOrder are the parts in the order of their shards.
func inOrder(parts []Part) []Part {
	parts = slices.Clone(parts)
	sort.Slice(parts, func(i, j int) bool { return parts[i].Shard < parts[j].Shard })
	return parts
}

func sum(a, b results.Counts) results.Counts {
	return results.Counts{
		Total: a.Total + b.Total, Failed: a.Failed + b.Failed, Errored: a.Errored + b.Errored, Skipped: a.Skipped + b.Skipped,
		Flaky: a.Flaky + b.Flaky, Quarantined: a.Quarantined + b.Quarantined,
	}
}

func within(folder string, c results.Case) results.Case {
	c.Report = folder + c.Report
	return c
}

// Sample returns the tests of all parts for the history; root and clean are those of history.NewSample.
func Sample(parts []Part, root string, clean func(string) string) (*history.Sample, history.FileTimes) {
	sample, took := history.NewSample(root, clean), history.FileTimes{}
	for _, p := range inOrder(parts) {
		sample.Merge(p.Sample)
		took.Add(p.Took)
	}
	return sample, took
}

// List returns every test of all parts, and how many more there are.
func List(parts []Part) (all []record.ListedTest, beyond int) {
	for _, p := range inOrder(parts) {
		all, beyond = append(all, p.List...), beyond+p.Beyond
	}
	return all, beyond
}

// Verdict returns why the shards did not pass together; nil if each did. A shard without a part comes first: what its
// tests would have said is not known.
func Verdict(parts []Part, missing []int, of int) error {
	parts = inOrder(parts)
	var failed []int
	var first *Part
	for i, p := range parts {
		if !p.Run.Passed {
			failed = append(failed, p.Shard)
			first = cmp.Or(first, &parts[i])
		}
	}
	switch {
	case len(missing) > 0:
		message := fmt.Sprintf("%s of %d left no result: its task was killed before it could store one, or did not start",
			names(missing), of)
		if first != nil {
			message += fmt.Sprintf("; %s failed", names(failed))
		}
		return &outcome.ShardError{
			Message: message, Advice: "see how its task ended, and run the step again",
			Reason: record.Results, ExitCode: 1, Retryable: true,
		}
	case first != nil:
		message := fmt.Sprintf("%s of %d failed: %s", names(failed), of, first.Run.Error)
		if len(failed) > 1 {
			message = fmt.Sprintf("%s of %d failed; shard %d: %s", names(failed), of, first.Shard, first.Run.Error)
		}
		return &outcome.ShardError{
			Message: message, Advice: first.Run.Hint, Reason: first.Run.Reason, ExitCode: first.Run.ExitCode,
			Killed: first.Run.Killed, Retryable: first.Run.Retryable,
		}
	}
	return disagreement(parts)
}

// disagreement is for shards that divided different lists, or by different times: their shares may leave tests out.
func disagreement(parts []Part) error {
	for _, p := range parts {
		what := "test files"
		switch {
		case p.Listed != parts[0].Listed:
		case p.Times != parts[0].Times:
			what = "times of them"
		default:
			continue
		}
		return &outcome.ResultsError{
			Message: fmt.Sprintf("shards %d and %d divided different %s, so that tests may not have run", parts[0].Shard, p.Shard, what),
			Advice:  "have the tests listed the same on each machine, and run all shards of the commit again",
		}
	}
	return nil
}

// names is "shard 2", "shards 2 and 3" or "shards 2, 3 and 4".
func names(shards []int) string {
	list := make([]string, len(shards))
	for i, n := range shards {
		list[i] = fmt.Sprint(n)
	}
	if len(list) == 1 {
		return "shard " + list[0]
	}
	return "shards " + strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}

// Empty returns why no test ran although every shard passed; nil if the list had files, or none is allowed.
func Empty(parts []Part, allowed bool) error {
	files := 0
	for _, p := range parts {
		files += p.Files
	}
	if files > 0 || allowed {
		return nil
	}
	return &outcome.ResultsError{
		Message: "no test ran: the list of test files is empty",
		Advice:  "correct split.list or the command of the step, or set allow_empty: true for it",
	}
}

// Usage adds up what the shards used: they ran side by side.
func Usage(parts []Part) *record.Usage {
	var all *record.Usage
	for _, p := range inOrder(parts) {
		u := p.Run.Usage
		if u == nil {
			continue
		}
		if all == nil {
			all = &record.Usage{Source: u.Source}
		}
		all.Seconds = max(all.Seconds, u.Seconds)
		all.CPUSeconds += u.CPUSeconds
		all.CPUHigh = max(all.CPUHigh, u.CPUHigh)
		if u.PeakMemory > all.PeakMemory {
			all.PeakMemory, all.MemoryLimit = u.PeakMemory, u.MemoryLimit
		}
		all.CPULimit = max(all.CPULimit, u.CPULimit)
		all.PeakDisk = max(all.PeakDisk, u.PeakDisk)
		all.DiskGrowth, all.DiskSize = max(all.DiskGrowth, u.DiskGrowth), max(all.DiskSize, u.DiskSize)
	}
	return all
}

// Cost adds up the prices of the shards.
func Cost(parts []Part) *record.Cost {
	var all *record.Cost
	for _, p := range inOrder(parts) {
		c := p.Run.Cost
		switch {
		case c == nil:
		case all == nil:
			first := *c
			all = &first
		default:
			all.Dollars += c.Dollars
			all.Seconds += c.Seconds
			all.Estimated = all.Estimated || c.Estimated
		}
	}
	return all
}

// Records describes the shards for the merged record.
func Records(parts []Part, missing []int) []record.Shard {
	var all []record.Shard
	for _, p := range parts {
		s := record.Shard{
			Shard: p.Shard, RunID: p.Run.RunID, Key: p.Key, Task: p.Run.Task, Passed: p.Run.Passed, Reason: p.Run.Reason,
			ExitCode: p.Run.ExitCode, Started: p.Run.StartedAt, Seconds: p.Run.Seconds, Prepare: p.Run.Preparation(), Files: p.Files, Expected: p.Expected,
		}
		if p.Run.Tests != nil {
			s.Tests, s.Failed = p.Run.Tests.Total, p.Run.Tests.Failed+p.Run.Tests.Errored
		}
		all = append(all, s)
	}
	for _, n := range missing {
		all = append(all, record.Shard{Shard: n, Missing: true})
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Shard < all[j].Shard })
	return all
}
