package runner

import (
	"bytes"
	"context"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/present"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/report"
	"github.com/carlin-cicd/runner/steps/results"
)

// pageLog is how much of the command's output the page has, in bytes: its end.
const pageLog = 192 << 10

// putPage stores the run as a page for people.
func (r *run) putPage(ctx context.Context, ended record.Run) error {
	var text bytes.Buffer
	text.Grow(2 * pageLog)
	if err := report.Write(&text, r.page(ended)); err != nil {
		return err
	}
	// Whatever was overlooked below is taken out of the markup, as the redactor knows it.
	return r.put(ctx, "report.html", "text/html; charset=utf-8", r.Redactor.Bytes(text.Bytes()), true)
}

// page tells what the record tells. The end of the log has been through the redactor, what people and programs have written
// goes through it here.
func (r *run) page(f record.Run) report.Page {
	clean := r.Redactor.String
	p := report.Page{
		Step: f.Step, Environment: f.Environment, Stack: f.Stack, Branch: f.Branch, SHA: f.SHA, Repository: r.Config.GitHubName,
		RunID: f.RunID, Task: f.Task, Runner: f.Runner,
		Passed: f.Passed, Reason: string(f.Reason), ExitCode: f.ExitCode, Killed: f.Killed, Retryable: f.Retryable,
		Never: !f.Passed && r.result == nil && !r.in.Undo, Error: clean(f.Error), Hint: clean(f.Hint),
		Command: clean(r.step.Command.String()), Started: f.StartedAt, Duration: record.Duration(f.Seconds),
		Phases: r.pagePhases(f), Delivery: r.pageDelivery(), Tests: r.pageTests(), Files: r.pageFiles(),
		Variables: r.env.Names(), Log: r.tail.Log(),
	}
	if r.published["log.jsonl.gz"] {
		p.Log.Link = "log.jsonl.gz"
	}
	if u := f.Usage; u != nil {
		p.Usage = report.Usage{CPULimit: u.CPULimit, MemoryLimit: u.MemoryLimit, PeakMemory: u.PeakMemory, CPUSeconds: u.CPUSeconds}
		p.Usage.Advice = present.FittingSize(u)
		if f.Cost != nil {
			p.Usage.Advice = strings.TrimPrefix(p.Usage.Advice+"; "+present.CostLine(f.Cost), "; ")
		}
		before := r.result.Started.Sub(r.Began)
		for _, s := range r.result.Usage.Samples {
			p.Usage.Samples = append(p.Usage.Samples, report.Sample{At: before + s.At, CPU: s.CPU, Memory: s.Memory, Disk: s.Disk})
		}
	}
	if f.Coverage != nil {
		p.Coverage = &report.Coverage{Summary: f.Coverage.Summary, Change: f.Coverage.Change, Folders: f.Coverage.Folders}
		if a := f.Coverage.Against; a != nil {
			p.Coverage.Against = shortSHA(a.SHA) + " of " + a.Branch
		}
	}
	for _, a := range f.Artifacts {
		p.Artifacts = append(p.Artifacts, r.pageArtifact(a))
	}
	if strings.HasPrefix(r.Place, "s3://") {
		p.Note = "Links into the bucket are for whoever may read it, and relative to this page: behind a presigned link they lead nowhere."
	}
	return p
}

func (r *run) pageTests() *report.Tests {
	t := r.verdict.Tests
	if t == nil {
		return nil
	}
	cases := func(list []results.Case) (all []report.Test) {
		clean := r.Redactor.String
		for _, c := range list {
			all = append(all, report.Test{
				Name: clean(c.Name), Class: clean(c.Class), File: clean(c.File), Took: c.Duration,
				Message: clean(c.Message), Details: clean(c.Details), Note: clean(c.Note),
			})
		}
		return all
	}
	p := &report.Tests{
		Total: t.Total, Failed: t.Failed + t.Errored, Skipped: t.Skipped, Passed: t.Total - t.Failed - t.Errored - t.Skipped - t.Quarantined,
		Failures: cases(t.Failures), Flaky: cases(t.FlakyCases), Quarantined: cases(t.QuarantinedCases), Slowest: cases(t.Slowest),
	}
	if r.verdict.Missing != "" {
		p.Remarks = append(p.Remarks, r.Redactor.String(r.verdict.Missing))
	}
	if r.verdict.SkipReason != "" {
		p.Remarks = append(p.Remarks, r.Redactor.String("no test was run again: "+r.verdict.SkipReason))
	}
	for _, problem := range t.Problems {
		p.Problems = append(p.Problems, r.Redactor.String(problem.Report+": "+problem.Message))
	}
	return p
}

// duration is that of a record, which has it in seconds.
func duration(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

func shortSHA(sha string) string { return sha[:min(len(sha), 7)] }
