package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/artifacts/lease"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/remote"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/runner/shards"
	"github.com/carlin-cicd/runner/runner/terminal"
)

// linkTime is how long the reports of an execution are looked for.
const linkTime = 15 * time.Second

// printLinks prints where the execution is in AWS's console, which attempt it is, and where the reports of its steps are.
// Who may not read the records does without them.
func (p clusterPipeline) printLinks(ctx context.Context, e remote.Execution, progress remote.Progress) error {
	var b strings.Builder
	row := func(name, text string) { fmt.Fprintf(&b, "  %-9s %s\n", name, terminal.Escape(text)) }
	if a, ok, err := p.remote.Attempt(ctx, e.Name); err == nil && ok && a.Number > 1 {
		row("attempt", fmt.Sprintf("%d, of %s", a.Number, a.First))
	}
	if failed := !e.Running() && e.Status != "SUCCEEDED" && e.Status != remote.Duplicate && e.Status != remote.Superseded; failed {
		row("retry", "runner pipeline retry "+e.Name)
	}
	if at := p.remote.ConsoleURL(e.Name); at != "" {
		row("console", at)
	}
	found, err := p.reports(ctx, e, progress.Steps)
	for _, r := range found {
		row("report", r.step+"  "+r.at)
	}
	if err != nil {
		row("report", "the records cannot be read: "+err.Error())
	}
	return p.print("%s", b.String())
}

// report is where that of a step is.
type report struct{ step, at string }

// reports returns where the reports of steps are.
func (p clusterPipeline) reports(ctx context.Context, e remote.Execution, steps []remote.Step) ([]report, error) {
	bucket, ref, ok := p.remote.Records(e)
	if !ok {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, linkTime)
	defer cancel()
	settings := p.config
	settings.Artifacts = "s3://" + bucket
	s := session.New(ctx, p.variables, settings)
	if err := s.OpenStore(ctx, lease.Owner{}, func(lease.Holder) {}); err != nil {
		return nil, err
	}
	return reportFinder{s.Store, s.Place, ref, e.Name}.find(ctx, steps)
}

// reportFinder looks for the reports of an execution.
type reportFinder struct {
	store     artifacts.Store
	place     string
	ref       artifacts.Ref
	execution string
}

// find returns what there is when a read fails, and the error. The merged report of a divided step comes before those of
// its shards.
func (f reportFinder) find(ctx context.Context, steps []remote.Step) ([]report, error) {
	const sideBySide = 8
	steps = withMerges(steps)
	keysOf := make([]string, len(steps))
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(sideBySide)
	for i, s := range steps {
		if s.Steps == "" || s.Ended.IsZero() {
			continue
		}
		g.Go(func() (err error) {
			keysOf[i], err = f.key(inner, s)
			var corrupt *artifacts.CorruptError
			if errors.Is(err, fs.ErrNotExist) || errors.As(err, &corrupt) {
				return nil // it ended before it had a record
			}
			return err
		})
	}
	err := g.Wait()
	var found []report
	for i, key := range keysOf {
		if key != "" {
			found = append(found, report{steps[i].Name, f.place + "/" + key + "/report.html"})
		}
	}
	return found, err
}

// withMerges has one entry for the merge of each divided step, which its last shard or a task of its own makes.
func withMerges(steps []remote.Step) (all []remote.Step) {
	merged := map[string]bool{}
	for _, s := range steps {
		if s.Shards > 0 && !merged[s.Steps] {
			merged[s.Steps] = true
			all = append(all, remote.Step{Name: s.Steps, Steps: s.Steps, Shards: s.Shards, Ended: s.Started.Add(1)})
		}
		if s.Shards == 0 || s.Shard > 0 {
			all = append(all, s)
		}
	}
	return all
}

// key returns the folder of the records of a step's run: of this execution, whatever ran at the commit since.
func (f reportFinder) key(ctx context.Context, s remote.Step) (string, error) {
	if s.Shards > 0 {
		place := shards.Place{Ref: f.ref, Step: s.Steps, Group: f.execution, Of: s.Shards}
		if s.Shard == 0 {
			merged, err := place.Merged(ctx, f.store)
			return merged.Key, err
		}
		latest, err := place.Newest(ctx, f.store, s.Shard)
		if err != nil {
			return "", err
		}
		return place.Run(s.Shard, latest.RunID), nil
	}
	names := strings.Split(s.Steps, ",")
	var latest record.Latest
	err := artifacts.GetJSON(ctx, f.store, keys.LatestRun(f.ref, names[len(names)-1], s.Environment), &latest)
	if err != nil || latest.Task[strings.LastIndexByte(latest.Task, '/')+1:] != s.Task {
		return "", err
	}
	return latest.Key, nil
}
