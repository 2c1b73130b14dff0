package runner

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/runs"
	"github.com/carlin-cicd/runner/steps"
)

// What a failed run is compared with is read from the index of runs while the command runs: one request for the run's
// own branch, and side by side one for each of those it was made from. The end does not wait for it.

// lookback is what was read of earlier runs. Its fields are set when done is closed.
type lookback struct {
	done   chan struct{}
	passed record.Entry   // zero if there is none
	newest record.Entry   // of the run's own branch; zero if there is none
	first  record.Entry   // of those that failed on the branch since it passed; zero if there is none
	failed int            // how many they are
	recent []record.Entry // with their usage, the newest first
}

const (
	lookbackTime = 10 * time.Second
	// lookbackWait is for a command that fails within milliseconds.
	lookbackWait = 100 * time.Millisecond
	maxRecent    = 20 // runs
)

// lookBack begins to read the earlier runs.
func (r *run) lookBack() {
	l := &lookback{done: make(chan struct{})}
	r.lookback = l
	step, id := r.step.Name, r.ID
	environment, branches, work := r.Config.Environment, r.EarlierBranches(), r.Stop.Work
	own := r.Ref.Branch
	store, ok := r.Store.(artifacts.Swapper)
	go func() {
		defer close(l.done)
		if !ok {
			return
		}
		ctx, cancel := context.WithTimeout(work, lookbackTime)
		defer cancel()
		heads, problems := make([]runs.Head, len(branches)), make([]error, len(branches))
		var beside sync.WaitGroup
		for i, branch := range branches {
			beside.Go(func() { heads[i], problems[i] = runs.Load(ctx, store, keys.RunIndex(branch)) })
		}
		beside.Wait()
		for i, head := range heads {
			if problems[i] != nil {
				return // the record has less to say
			}
			for _, e := range head.Runs {
				if e.RunID != id && e.Step == step && e.Environment == environment && e.State != record.Running {
					l.add(e, branches[i] == own)
					if l.newest.RunID == "" && branches[i] == own {
						l.newest = e
					}
				}
			}
			if l.passed.RunID != "" && len(l.recent) >= maxRecent {
				return
			}
		}
	}()
}

// add takes an earlier run of the step, the newest first. One in a workspace with changes says nothing of its commit.
func (l *lookback) add(e record.Entry, ownBranch bool) {
	if ownBranch && l.passed.RunID == "" && e.State == record.Failing && !e.Dirty {
		l.first, l.failed = e, l.failed+1
	}
	if len(l.recent) < maxRecent && e.Usage != nil {
		l.recent = append(l.recent, e)
	}
	if l.passed.RunID == "" && e.State == record.Passed && !e.Dirty {
		l.passed = e
	}
}

// wait reports whether the earlier runs have been read.
func (l *lookback) wait() bool {
	if l == nil {
		return false
	}
	timer := time.NewTimer(lookbackWait)
	defer timer.Stop()
	select {
	case <-l.done:
		return true
	case <-timer.C:
		return false
	}
}

// runs returns the last runs of the step that tell what they used, as far as they have been read.
func (l *lookback) runs() []record.Entry {
	if !l.wait() {
		return nil
	}
	return l.recent
}

// previous returns the run of the step before this one; nil if none is known, or the run has to end at once.
func (r *run) previous() *record.EarlierRun {
	if sig, _ := r.Stop.Signal(); sig != 0 || !r.lookback.wait() || r.lookback.newest.RunID == "" {
		return nil
	}
	e := r.lookback.newest
	return &record.EarlierRun{RunID: e.RunID, Branch: e.Branch, SHA: e.SHA, State: e.StateAt(r.now()), At: e.Started}
}

// rerunCommands returns how to run the step, and its failed tests, again.
func (r *run) rerunCommands(f record.Run) *record.Rerun {
	words := []string{"runner", f.Step}
	if !plainWord.MatchString(f.Step) || !f.Recorded {
		return nil
	}
	if f.SHA != record.NoCommit && f.SHA != "" {
		words = append(words, "--sha", f.SHA)
	}
	if f.Environment != "" {
		words = append(words, "--environment", f.Environment)
	}
	again := &record.Rerun{Step: strings.Join(words, " ")}
	only := r.Config.OnlyWords()
	if tests := r.verdict.Tests; tests != nil && !r.isPartial() {
		if failed := tests.Failures[:min(len(tests.Failures), maxRerun)]; len(failed) > 0 {
			only, _ = r.step.Rerun.Words(r.directory(), failed)
		}
	}
	if len(only) > 0 {
		for _, word := range only {
			words = append(words, "--only", steps.ShellQuote(word))
		}
		again.Tests = strings.Join(words, " ")
	}
	return again
}

// maxRerun is how many failed tests a command for a person names.
const maxRerun = 20

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./-]+$`)

// sinceLastPassed compares the run with the last one that passed; nil if none is known, or the run has to end at once.
func (r *run) sinceLastPassed(f record.Run) *record.LastPassed {
	if sig, _ := r.Stop.Signal(); sig != 0 || !r.lookback.wait() || r.lookback.passed.RunID == "" {
		return nil
	}
	before := r.lookback.passed
	l := &record.LastPassed{
		RunID: before.RunID, Branch: before.Branch, SHA: before.SHA, At: before.Started,
		Seconds: record.Seconds(before.Took()),
	}
	l.Lockfile = before.Lockfile != "" && f.Lockfile != "" && !strings.HasPrefix(f.Lockfile, before.Lockfile)
	if f.Coverage != nil && before.Coverage > 0 {
		change := record.Round(f.Coverage.LinePercent - before.Coverage)
		l.Coverage = &change
	}
	l.Commits, l.More = r.commitsSince(before.SHA, f.SHA)
	return l
}

// failingSince returns since when the step fails on the branch; nil if the run before did not.
func (r *run) failingSince() *record.FailingSince {
	if sig, _ := r.Stop.Signal(); sig != 0 || !r.lookback.wait() || r.lookback.failed == 0 {
		return nil
	}
	l := r.lookback
	return &record.FailingSince{RunID: l.first.RunID, SHA: l.first.SHA, At: l.first.Started, Runs: l.failed}
}

// maxCommits is how many commits a record lists.
const maxCommits = 10

// commitsSince lists the commits after one up to another, as far as the clone has them.
func (r *run) commitsSince(from, to string) (commits []record.Commit, more int) {
	if from == to || !keys.IsSHA(from) || !keys.IsSHA(to) || from == record.NoCommit || to == record.NoCommit {
		return nil, 0
	}
	const limit = 2 * time.Second
	ctx, cancel := context.WithTimeout(r.Stop.Work, limit)
	defer cancel()
	text, err := r.Git(ctx, r.Config.Workspace, nil, "log", fmt.Sprintf("--max-count=%d", 10*maxCommits),
		"--format=%H%x09%an%x09%s", from+".."+to, "--")
	if err != nil {
		return nil, 0
	}
	for line := range strings.Lines(text) {
		parts := strings.SplitN(strings.TrimRight(line, "\r\n"), "\t", 3)
		if len(parts) != 3 || !keys.IsSHA(parts[0]) {
			continue
		}
		if len(commits) == maxCommits {
			more++
			continue
		}
		commits = append(commits, record.Commit{SHA: parts[0], Author: parts[1], Subject: parts[2]})
	}
	return slices.Clip(commits), more
}
