package runner

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts/lease"
	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/runner/shards"
	"github.com/carlin-cicd/runner/runner/units"
)

// Merging makes the record of the step of what its shards have stored. It is a run without a command.
//
//  1. A shard stores its part, then looks for the parts of the others. The last one sees all of them.
//  2. Two that end at once may both see all: one conditional write decides which of them merges.
//  3. A part that may be run again (retry_allowed) is not the last word: what started the shard decides.
//  4. --merge-shards merges what is there: shards without a part are named, and the run has failed. It takes over from a
//     merger that died, under the same run id.
//  5. merged.json is written last. What started the shards reads it; if it is of other parts or missing, step 4.
//
// A failure has one exit code: that of a shard is its own, and the merging shard's is that of the merge only if each shard
// passed, so for coverage under the floor, or no test at all.

// merging is the state of a run that merges; nil for any other.
type merging struct {
	place shards.Place
	state shards.State
	runID string
	ready bool // the workspace is at the commit already

	parts   []shards.Part
	missing []int
	dir     string   // of the fetched sets
	sets    []string // their kinds
}

// mergeIfLast merges if this shard is the last one to end, and returns the exit code of both.
func (r *run) mergeIfLast(ctx context.Context, own outcome.Outcome) outcome.Outcome {
	s := r.shard
	sig, _ := r.Stop.Signal()
	if s == nil || !s.isStored || sig != 0 || r.Config.ShardMerge != config.MergeLast {
		return own
	}
	place := r.place(s.Of)
	state, err := place.Look(ctx, r.Store)
	if err == nil && !state.Complete() {
		return own
	}
	claim := shards.Claim{RunID: session.NewID(), By: r.ID, At: time.Now().UTC()}
	mine := false
	if err == nil {
		mine, err = place.Claim(ctx, r.Store, state, claim)
	}
	if err != nil {
		r.Log.Warn("whether this is the last shard is not known", "error", err.Error(), "hint", mergeHint(place))
		r.sink.Flush()
		return own
	}
	if !mine {
		return own
	}
	in := r.in
	in.merge = &merging{place: place, state: state, runID: claim.RunID, ready: true}
	in.Follows = true
	in.Started, in.Variables = time.Now(), maps.Clone(in.Variables)
	delete(in.Variables, "RUNNER_SHARD")
	in.Variables["RUNNER_MERGE_SHARDS"], in.Variables["RUNNER_SHARD_RUN"] = strconv.Itoa(s.Of), place.Group
	merged := Run(ctx, in)
	for _, l := range state.Latest {
		if !l.Passed {
			return own
		}
	}
	return merged
}

// mergeHint says how the shards are merged by hand.
func mergeHint(p shards.Place) string {
	command := fmt.Sprintf("runner --step %s --merge-shards %d", p.Step, p.Of)
	if p.Group != shards.DefaultGroup(p.Of) {
		command = "RUNNER_SHARD_RUN=" + p.Group + " " + command
	}
	return "once all have ended: " + command
}

// prepareMerge decides which run merges what the shards have stored. Done is how a merge of the same parts ended before.
// What is wrong with the input, the run reports.
func prepareMerge(ctx context.Context, in Invocation) (m *merging, done *shards.Merged, s *session.Session, err error) {
	c, err := config.Read(in.Variables)
	if err != nil || c.MergeShards == 0 {
		return nil, nil, nil, nil
	}
	s = session.New(ctx, in.Variables, c)
	if err := s.Identify(); err != nil {
		return nil, nil, nil, nil
	}
	if err := s.OpenStore(ctx, s.LockOwner(c.Step), func(lease.Holder) {}); err != nil {
		return nil, nil, nil, nil
	}
	place := shards.Place{Ref: s.Ref, Step: c.Step, Group: cmp.Or(c.ShardRun, shards.DefaultGroup(c.MergeShards)), Of: c.MergeShards}
	state, err := place.Look(ctx, s.Store)
	if err != nil {
		return nil, nil, s, err
	}
	merged, isDone, err := place.Done(ctx, s.Store, state)
	if err != nil || isDone {
		return nil, &merged, s, err
	}
	claim, err := place.TakeOver(ctx, s.Store, state, shards.Claim{RunID: s.ID, By: s.ID, At: time.Now().UTC()})
	return &merging{place: place, state: state, runID: claim.RunID}, nil, s, err
}

// performMerge is perform for a run that merges.
func (r *run) performMerge() error {
	m := r.merging
	defer func() {
		if m.dir != "" {
			_ = os.RemoveAll(m.dir) // it is in the temporary folder
		}
	}()
	r.lookBack()
	if err := r.phase("record", r.recordStart); err != nil {
		return err
	}
	if !m.ready {
		if err := r.phase("source", r.checkout); err != nil {
			return err
		}
	}
	if err := r.phase("parts", r.loadParts); err != nil {
		return outcome.ArtifactsError{Err: err}
	}
	r.adoptParts()
	r.adoptAttachments()
	err := shards.Verdict(m.parts, m.missing, m.place.Of)
	if err == nil {
		allowed := r.step.AllowEmpty
		err = shards.Empty(m.parts, allowed != nil && *allowed)
	}
	if err == nil {
		err = r.verdict.Conclude()
	}
	if r.verdict.HasTests() {
		_ = r.timed("history", func() error { return r.verdict.LoadHistory(err == nil) }) // the error has been logged
	}
	if fetched := r.timed("fetch", r.fetchSets); fetched != nil && err == nil {
		err = outcome.ArtifactsError{Err: fetched}
	}
	err = r.checkMergedCoverage(err)
	err = r.publishMerged(err)
	r.verdict.SaveCoverage(err)
	if len(m.missing) == 0 {
		r.verdict.SaveHistory() // else tests of missing shards would look as if they had been removed
	}
	return err
}

func (r *run) loadParts() (err error) {
	m := r.merging
	m.parts, m.missing, err = m.place.Load(r.Stop.Work, r.Store, m.state, r.directory(), r.Redactor.String)
	if err != nil {
		return err
	}
	r.Log.Info("merging shards", "shards", m.place.Of, "group", m.place.Group, "missing", len(m.missing))
	for _, n := range m.missing {
		r.Log.Error("a shard left no result", "shard", shards.Index{Shard: n, Of: m.place.Of}.String())
	}
	return nil
}

// adoptParts makes what the shards did this run's own.
func (r *run) adoptParts() {
	m := r.merging
	result := &process.Result{}
	r.outputs.own = map[string]string{}
	for _, p := range m.parts {
		run := p.Run
		name := shards.Index{Shard: p.Shard, Of: m.place.Of}.String()
		r.phases = append(r.phases, record.Phase{Name: "shard " + name, Started: run.StartedAt, Seconds: run.Seconds, Error: run.Error})
		for _, a := range run.Attempts {
			a.Shard = p.Shard
			r.attempts = append(r.attempts, a)
		}
		for key, value := range run.Outputs { // of the last shard that sets one
			r.outputs.own[key] = value
		}
		if result.Started.IsZero() || run.StartedAt.Before(result.Started) {
			result.Started = run.StartedAt
		}
		result.Wall = max(result.Wall, record.Duration(run.Seconds))
		if result.ExitCode == 0 && !run.Passed {
			result.ExitCode = run.ExitCode
		}
		result.OOMKills += run.OOMKills
		r.Dirty = r.Dirty || run.Metadata["dirty"] == "true"
		r.lockfile = cmp.Or(r.lockfile, run.Lockfile)
		r.tail.Line("\x1b[2m== shard " + name + " ==\x1b[22m")
		for line := range strings.Lines(p.Tail) {
			r.tail.Line(strings.TrimRight(line, "\n"))
		}
	}
	if len(m.parts) > 0 {
		r.result = result
	}
	if t := shards.Results(m.parts); t != nil {
		sample, took := shards.Sample(m.parts, r.directory(), r.Redactor.String)
		all, beyond := shards.List(m.parts)
		r.verdict.Adopt(t, sample, took, all, beyond)
		for _, p := range m.parts {
			if p.Run.Tests != nil {
				r.verdict.SkipReason = cmp.Or(r.verdict.SkipReason, p.Run.Tests.SkipReason)
			}
		}
	}
}

// ofShards completes the record of a run that merges: what the shards did counts as done by it.
func (r *run) ofShards(f *record.Run) {
	m := r.merging
	if m == nil {
		return
	}
	f.Shards = shards.Records(m.parts, m.missing)
	f.Balance = record.Balance(f.Shards)
	if f.Usage = shards.Usage(m.parts); f.Usage != nil {
		f.Cost = shards.Cost(m.parts)
	}
	for _, p := range m.parts {
		if p.Run.StartedAt.Before(f.StartedAt) {
			f.StartedAt = p.Run.StartedAt
		}
		f.Leftovers = append(f.Leftovers, p.Run.Leftovers...)
		f.Notes = append(f.Notes, p.Run.Notes...)
		if f.Tests == nil || len(f.Tests.Failures) == 0 {
			if !f.Passed && !p.Run.Passed && p.Run.Error != "" && strings.HasSuffix(f.Error, p.Run.Error) {
				f.Cause = cmp.Or(p.Run.Cause, f.Cause)
			}
		}
	}
	f.Notes = f.Notes[:min(len(f.Notes), 2*maxAnnotations)]
	f.Seconds = record.Seconds(f.EndedAt.Sub(f.StartedAt))
}

// finishMerge says that the parts are merged, and how.
func (r *run) finishMerge(ended record.Run) {
	m := r.merging
	if m == nil || !ended.Recorded || len(m.parts)+len(m.missing) == 0 {
		return // another merge takes over
	}
	if sig, _ := r.Stop.Signal(); sig != 0 && ended.Reason == record.Cancelled {
		return // as above; without a signal, it is a shard that was cancelled
	}
	ctx, cancel := r.Stop.RecordContext()
	defer cancel()
	merged := shards.Merged{
		Parts: m.state.Parts, RunID: r.ID, Key: r.runKey(), Passed: ended.Passed, Reason: ended.Reason, ExitCode: ended.ExitCode,
		Allowed: ended.Allowed, Missing: m.missing,
	}
	for _, p := range m.parts {
		if !p.Run.Passed {
			merged.Failed = append(merged.Failed, p.Shard)
		}
	}
	if err := m.place.Finish(ctx, r.Store, merged); err != nil {
		r.Log.Warn("that the shards are merged could not be stored", "error", err.Error(), "hint", mergeHint(m.place))
	}
}

// mergedBefore reports how the same parts were merged.
func mergedBefore(in Invocation, place string, m shards.Merged) outcome.Outcome {
	verdict := "passed"
	if !m.Passed {
		verdict = fmt.Sprintf("failed (%s)", m.Reason)
	}
	fmt.Fprintf(in.Stdout, "the %s were merged before: %s, %s/%s\n", units.Count(m.Of, "shard"), verdict, place, m.Key)
	return outcome.Outcome{Reason: m.Reason, ExitCode: m.ExitCode}
}
