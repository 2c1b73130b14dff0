package sizing

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sort"
	"time"

	"github.com/carlin-cicd/runner/runner/session"

	"golang.org/x/sync/errgroup"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/sizing/fargate"
)

// RightSizing is what the last runs of a step say of the task that it needs.
type RightSizing struct {
	Step        string    `json:"step"`
	Environment string    `json:"environment,omitempty"`
	Branches    []string  `json:"branches"` // whose runs these are
	Runs        int       `json:"runs"`
	From        time.Time `json:"from"` // when the oldest began, and the newest
	To          time.Time `json:"to"`
	Left        int       `json:"left_out,omitempty"`   // runs whose record tells no usage
	Unseen      bool      `json:"incomplete,omitempty"` // there are so many records that not all were looked through

	PeakMemory  int64   `json:"peak_memory_bytes"`
	MemoryLimit int64   `json:"memory_limit_bytes,omitempty"` // of the newest run
	OOM         int     `json:"out_of_memory,omitempty"`      // runs that ran out of it
	CPUHigh     float64 `json:"cpu_p95"`                      // cores: for 95 % of the time of all runs it was not more
	CPUAverage  float64 `json:"cpu_average"`
	CPULimit    float64 `json:"cpu_limit,omitempty"` // of the newest run
	DiskGrowth  int64   `json:"disk_growth_bytes,omitempty"`
	Passed      int     `json:"passed"`           // runs that did; if any, those below are of them alone, as a failure may come early
	Seconds     float64 `json:"duration_seconds"` // of a run on average

	Current *Sized   `json:"current,omitempty"` // the task's of the newest run, if that was on Fargate
	Advised *Sized   `json:"advised,omitempty"` // nil if no size is large enough, or nothing is known
	Reasons []string `json:"reasons,omitempty"`
	Region  string   `json:"region"`

	Architecture string `json:"architecture"`
	Capacity     string `json:"capacity"`
	PricesAsOf   string `json:"prices_as_of"`
	Estimated    bool   `json:"estimated,omitempty"` // see package fargate
}

// Sized is a size and what a run of average length costs on it.
type Sized struct {
	fargate.Size
	Dollars float64 `json:"dollars"`
}

// fewRuns are too few to tell anything by: those of the main branch are looked at as well.
const fewRuns = 3

// NoRunsError is that there is nothing to size a task by.
type NoRunsError struct{ Step, Place string }

func (e *NoRunsError) Error() string {
	return fmt.Sprintf("no run of %s on record in %s tells what it took", e.Step, e.Place)
}

// Hint says what makes a record.
func (e *NoRunsError) Hint() string {
	return "run the step first, or name another --branch, --environment or --artifact-bucket"
}

// RightSize looks at the last runs of the session's step, at most limit of them, and returns the size that fits them
// all: the runs of the branch, and if these are few, those of the branches it was made from.
func RightSize(ctx context.Context, in *session.Session, place string, limit int) (RightSizing, error) {
	if err := in.Identify(); err != nil {
		return RightSizing{}, err
	}
	c, store := in.Config, in.Store
	lister, ok := store.(artifacts.Lister)
	if !ok {
		return RightSizing{}, fmt.Errorf("%s cannot be listed", place)
	}
	s := RightSizing{Step: c.Step, Environment: c.Environment}
	found, err := s.find(ctx, store, lister, in.EarlierBranches(), limit)
	if err != nil {
		return s, err
	}
	if len(found) == 0 {
		return s, &NoRunsError{c.Step, place}
	}
	s.judge(found)
	return s, nil
}

// find reads the last runs of the step: those of the first branch, and if these are few, those of the next.
func (s *RightSizing) find(
	ctx context.Context, store artifacts.Store, lister artifacts.Lister, branches []string, limit int,
) (found []sizedRun, err error) {
	for _, branch := range branches {
		runs, all, err := artifacts.Runs(ctx, lister, branch, s.Step, s.Environment, limit-len(found))
		if err != nil {
			return nil, err
		}
		read, err := readRuns(ctx, store, runs)
		if err != nil {
			return nil, err
		}
		s.Left += len(runs) - len(read)
		s.Unseen = s.Unseen || !all
		if len(read) > 0 {
			found, s.Branches = append(found, read...), append(s.Branches, branch)
		}
		if len(found) >= min(fewRuns, limit) {
			break
		}
	}
	return found, nil
}

// sizedRun is as much of a finished.json as tells what the run took.
type sizedRun struct {
	RunID     string        `json:"run_id"`
	Reason    record.Reason `json:"reason"`
	StartedAt time.Time     `json:"started_at"`
	Seconds   float64       `json:"duration_seconds"`
	Usage     *record.Usage `json:"usage"`
	Cost      *record.Cost  `json:"cost"`

	Phases  []record.Phase       `json:"phases"`
	Shards  []record.Shard       `json:"shards"`
	Balance *record.ShardBalance `json:"shard_balance"`
}

// billed is the time in seconds that the run was charged for, or took if that is not known.
func (r sizedRun) billed() float64 {
	if r.Cost == nil {
		return r.Seconds
	}
	return r.Cost.Seconds
}

// readRuns reads the records that tell of usage. One that has gone meanwhile, or cannot be understood, is left out.
func readRuns(ctx context.Context, store artifacts.Store, runs []artifacts.StoredRun) ([]sizedRun, error) {
	read := make([]sizedRun, len(runs))
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i, run := range runs {
		g.Go(func() error {
			err := artifacts.GetJSON(inner, store, run.Key, &read[i])
			var corrupt *artifacts.CorruptError
			if errors.Is(err, fs.ErrNotExist) || errors.As(err, &corrupt) {
				read[i].Usage = nil
				return nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(read, func(r sizedRun) bool { return r.Usage == nil }), nil
}

// judge sums the runs up and finds the size.
func (s *RightSizing) judge(found []sizedRun) {
	sort.Slice(found, func(i, j int) bool { return found[i].RunID > found[j].RunID }) // ids sort by time
	newest := found[0]
	s.Runs, s.From, s.To = len(found), found[len(found)-1].StartedAt, newest.StartedAt
	s.MemoryLimit, s.CPULimit = newest.Usage.MemoryLimit, newest.Usage.CPULimit
	var (
		seen     []fargate.Run
		loads    []fargate.Load
		cpu, ran float64
	)
	for _, f := range found {
		run := observe(f.Usage, f.Reason)
		seen, loads = append(seen, run), append(loads, run.Loads...)
		cpu, ran = cpu+f.Usage.CPUSeconds, ran+f.Usage.Seconds
		s.PeakMemory, s.DiskGrowth = max(s.PeakMemory, f.Usage.PeakMemory), max(s.DiskGrowth, f.Usage.DiskGrowth)
		if run.OutOfMemory {
			s.OOM++
		}
	}
	s.CPUHigh = record.Round(fargate.Percentile(loads, 0.95))
	if ran > 0 {
		s.CPUAverage = record.Round(cpu / ran)
	}
	billed := s.average(found)

	var terms fargate.Terms
	if c := newest.Cost; c != nil {
		s.Estimated = c.Estimated
		terms = fargate.Terms{Region: c.Region, ARM: c.Architecture == fargate.ARM, Spot: c.Capacity == fargate.Spot}
	}
	price := fargate.PriceOf(terms)
	s.Region, s.Architecture, s.Capacity, s.PricesAsOf = price.Region, price.Architecture(), price.Capacity(), fargate.PricesAsOf
	sized := func(size fargate.Size) *Sized {
		s.Estimated = s.Estimated || price.Doubtful(size)
		return &Sized{size, microDollars(price.Cost(size, billed))}
	}
	if c := newest.Cost; c != nil && !c.Would {
		s.Current = sized(c.Size)
	}
	if advice, ok := fargate.Fit(seen...); ok {
		s.Advised, s.Reasons = sized(advice.Size), advice.Reasons
	}
}

// average finds how long a run takes, and returns how long one is charged for.
func (s *RightSizing) average(found []sizedRun) (billed time.Duration) {
	whole := slices.DeleteFunc(slices.Clone(found), func(r sizedRun) bool { return r.Reason != record.Success })
	s.Passed = len(whole)
	if s.Passed == 0 {
		whole = found
	}
	var took, charged float64
	for _, r := range whole {
		took, charged = took+r.Seconds, charged+r.billed()
	}
	s.Seconds = record.Seconds(record.Duration(took / float64(len(whole))))
	return record.Duration(charged / float64(len(whole)))
}
