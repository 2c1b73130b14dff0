package sizing

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/runner/sizing/fargate"
)

// What a pipeline costs depends on how many tasks it has: each is charged from the pull of its image on, for at least a
// minute, and checks out and installs for itself. Several steps in one task pay for that once and run one after the
// other; the tests of a step in several tasks pay for it several times and end sooner.

// Job is what one task of a pipeline does, or several that divide the tests of its one step.
type Job struct {
	Steps  []string
	Shards int // 0 and 1 for one task
}

// Layout is the pipeline whose tasks are compared.
type Layout struct {
	Stages [][]Job // one after the other, of jobs side by side
	Fixed  int     // the first stages, whose jobs stay as they are
	// SameTask reports whether two steps may run in one task.
	SameTask func(a, b string) bool
	// Share returns which part of the step's tests the slowest of n shards runs; false if they cannot be divided.
	Share func(step string, n int) (part float64, ok bool)
}

// StepTimes is what a task of a step took on average, in seconds that are charged.
type StepTimes struct {
	Step   string       `json:"step"`
	Runs   int          `json:"runs"`
	Shards int          `json:"shards,omitempty"` // of the newest run, if it was divided
	Size   fargate.Size `json:"size"`
	Start  float64      `json:"start_seconds"`   // pull of the image, start of the container
	Once   float64      `json:"prepare_seconds"` // checkout and dependencies
	Work   float64      `json:"work_seconds"`    // of all shards together

	terms fargate.Terms
}

// Charge is how long a pipeline takes, without waiting for capacity, and what its tasks cost.
type Charge struct {
	Seconds float64 `json:"seconds"`
	Dollars float64 `json:"dollars"`
}

// Option is a pipeline with one stage written differently.
type Option struct {
	Write string `json:"write"` // as in runner.yaml
	Charge
	MoreSeconds float64 `json:"more_seconds"` // than as it is; negative: fewer
	MoreDollars float64 `json:"more_dollars"`
}

// Comparison is what one task for many steps, or many for one, would have cost.
type Comparison struct {
	Branches []string    `json:"branches"` // whose runs these are
	Steps    []StepTimes `json:"steps"`
	Unknown  []string    `json:"unknown,omitempty"` // steps without a run on record: they are left out
	Now      Charge      `json:"now"`
	Options  []Option    `json:"options"`

	Unmeasured bool     `json:"start_unknown,omitempty"` // no run was on Fargate: what a start takes is not known, and counts as nothing
	Regions    []string `json:"regions"`                 // and other terms, of the prices
	PricesAsOf string   `json:"prices_as_of"`
	Estimated  bool     `json:"estimated,omitempty"` // see package fargate

	layout Layout
}

// Compare looks at the last runs of each step, at most limit of them, and returns what the pipeline cost, and would have
// cost with its steps in fewer tasks or in more.
func Compare(ctx context.Context, in *session.Session, place string, limit int, l Layout) (Comparison, error) {
	c := Comparison{layout: l, PricesAsOf: fargate.PricesAsOf}
	if err := in.Identify(); err != nil {
		return c, err
	}
	lister, ok := in.Store.(artifacts.Lister)
	if !ok {
		return c, fmt.Errorf("%s cannot be listed", place)
	}
	var names []string
	for _, stage := range l.Stages {
		for _, job := range stage {
			names = append(names, job.Steps...)
		}
	}
	sized, found := make([]RightSizing, len(names)), make([][]sizedRun, len(names))
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i, name := range names {
		g.Go(func() (err error) {
			sized[i].Step = name
			found[i], err = sized[i].find(inner, in.Store, lister, in.EarlierBranches(), limit)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return c, err
	}
	for i, name := range names {
		times, ok := timesOf(name, found[i])
		if !ok {
			c.Unknown = append(c.Unknown, name)
			continue
		}
		c.Steps, c.Branches = append(c.Steps, times), append(c.Branches, sized[i].Branches...)
	}
	if len(c.Steps) == 0 {
		return c, &NoRunsError{strings.Join(names, ", "), place}
	}
	slices.Sort(c.Branches)
	c.Branches = slices.Compact(c.Branches)
	c.compare()
	return c, nil
}

// timesOf averages the runs of a step that passed, else all; it is not ok if their size is not known.
func timesOf(step string, found []sizedRun) (t StepTimes, ok bool) {
	found = slices.DeleteFunc(slices.Clone(found), func(r sizedRun) bool { return r.Cost == nil || r.Seconds <= 0 })
	if len(found) == 0 {
		return t, false
	}
	sort.Slice(found, func(i, j int) bool { return found[i].RunID > found[j].RunID }) // ids sort by time
	newest := found[0]
	t = StepTimes{Step: step, Size: newest.Cost.Size, Shards: len(newest.Shards), terms: termsOf(newest.Cost)}
	whole := slices.DeleteFunc(slices.Clone(found), func(r sizedRun) bool { return r.Reason != record.Success })
	if len(whole) == 0 {
		whole = found
	}
	t.Runs = len(whole)
	n := float64(len(whole))
	started := 0.0
	for _, r := range whole {
		start, once, work := r.split()
		if !r.Cost.Would && start > 0 {
			started++
			t.Start += start
		}
		t.Once, t.Work = t.Once+once/n, t.Work+work/n
	}
	if started > 0 {
		t.Start /= started
	}
	return t, true
}

// split returns the seconds of a task of the run: until the runner started, for checkout and dependencies, and of what
// is left, of all tasks together.
func (r sizedRun) split() (start, once, work float64) {
	if len(r.Shards) == 0 || r.Balance == nil {
		once = min(record.Preparation(r.Phases), r.Seconds)
		return max(r.Cost.Seconds-r.Seconds, 0), once, r.Seconds - once
	}
	n := float64(len(r.Shards))
	for _, s := range r.Shards {
		once += s.Prepare / n
		work += s.Seconds - s.Prepare
	}
	return max(r.Cost.Seconds/n-r.Balance.Mean, 0), once, work
}

func termsOf(c *record.Cost) fargate.Terms {
	return fargate.Terms{Region: c.Region, ARM: c.Architecture == fargate.ARM, Spot: c.Capacity == fargate.Spot}
}

// compare adds up the pipeline as it is, and as it could be.
func (c *Comparison) compare() {
	c.fillStarts()
	stages := c.known()
	c.Now = c.charge(stages)
	for i, stage := range stages {
		if i < c.layout.Fixed {
			continue
		}
		for j, job := range stage {
			c.apart(stages, i, j)
			if len(job.Steps) == 1 {
				c.divided(stages, i, j)
			}
		}
		if len(stage) > 1 {
			c.together(stages, i, i)
		}
		if i+1 < len(stages) && len(stage) == 1 && len(stages[i+1]) == 1 {
			c.together(stages, i, i+1)
		}
	}
	for _, s := range c.Steps {
		price := fargate.PriceOf(s.terms)
		c.Estimated = c.Estimated || price.Doubtful(s.Size)
		c.Regions = append(c.Regions, fmt.Sprintf("%s %s %s", price.Region, price.Architecture(), price.Capacity()))
	}
	slices.Sort(c.Regions)
	c.Regions = slices.Compact(c.Regions)
}

// fillStarts gives steps whose start is not on record, such as those that came after others in one task, the average of
// the others.
func (c *Comparison) fillStarts() {
	sum, n := 0.0, 0.0
	for _, s := range c.Steps {
		if s.Start > 0 {
			sum, n = sum+s.Start, n+1
		}
	}
	if c.Unmeasured = n == 0; c.Unmeasured {
		return
	}
	for i := range c.Steps {
		if c.Steps[i].Start == 0 {
			c.Steps[i].Start = sum / n
		}
	}
}

// known are the stages without the steps that have no run on record. The first stages stay, even if empty.
func (c *Comparison) known() [][]Job {
	var stages [][]Job
	for i, stage := range c.layout.Stages {
		var jobs []Job
		for _, job := range stage {
			steps := slices.DeleteFunc(slices.Clone(job.Steps), func(name string) bool { return c.times(name) == nil })
			if len(steps) > 0 {
				jobs = append(jobs, Job{steps, job.Shards})
			}
		}
		if len(jobs) > 0 || i < c.layout.Fixed {
			stages = append(stages, jobs)
		}
	}
	return stages
}

func (c *Comparison) times(step string) *StepTimes {
	for i := range c.Steps {
		if c.Steps[i].Step == step {
			return &c.Steps[i]
		}
	}
	return nil
}

// charge adds up a pipeline: the longest job of each stage, and all tasks.
func (c *Comparison) charge(stages [][]Job) (all Charge) {
	for _, stage := range stages {
		longest := 0.0
		for _, job := range stage {
			one := c.job(job)
			longest, all.Dollars = max(longest, one.Seconds), all.Dollars+one.Dollars
		}
		all.Seconds += longest
	}
	return Charge{record.Seconds(record.Duration(all.Seconds)), microDollars(all.Dollars)}
}

// job is what one task takes, or several side by side. Several steps get the size that holds each of them.
func (c *Comparison) job(j Job) Charge {
	first := c.times(j.Steps[0])
	size, terms, seconds := first.Size, first.terms, first.Start
	once := 0.0
	for _, name := range j.Steps {
		s := c.times(name)
		once, seconds = max(once, s.Once), seconds+s.Work
		size = fargate.Size{
			VCPU: max(size.VCPU, s.Size.VCPU), Memory: max(size.Memory, s.Size.Memory), Storage: max(size.Storage, s.Size.Storage),
		}
		terms.Spot = terms.Spot && s.terms.Spot
	}
	if enclosing, ok := fargate.Smallest(size.VCPU, size.Memory); ok {
		size.VCPU, size.Memory = enclosing.VCPU, enclosing.Memory
	}
	seconds += once
	price := func(seconds float64) float64 { return fargate.PriceOf(terms).Cost(size, record.Duration(seconds)) }
	if j.Shards <= 1 {
		return Charge{seconds, price(seconds)}
	}
	n := float64(j.Shards)
	part, ok := c.layout.Share(j.Steps[0], j.Shards)
	if !ok {
		part = 1 / n
	}
	own := first.Start + once
	return Charge{own + first.Work*part, n * price(own+first.Work/n)}
}

// offer adds an option unless it is there already.
func (c *Comparison) offer(write string, stages [][]Job) {
	if slices.ContainsFunc(c.Options, func(o Option) bool { return o.Write == write }) {
		return
	}
	charge := c.charge(stages)
	c.Options = append(c.Options, Option{
		Write: write, Charge: charge, MoreSeconds: record.Seconds(record.Duration(charge.Seconds - c.Now.Seconds)),
		MoreDollars: microDollars(charge.Dollars - c.Now.Dollars),
	})
}

// together offers one task for the jobs of a stage, or of two that follow each other, whose steps may share one.
func (c *Comparison) together(stages [][]Job, from, to int) {
	jobs := slices.Concat(stages[from : to+1]...)
	for len(jobs) > 1 {
		var names []string
		var apart, later []Job
		for _, job := range jobs {
			switch {
			case job.Shards > 1: // one task would take as long as all shards
				apart = append(apart, job)
			case len(names) == 0 || c.layout.SameTask(names[0], job.Steps[0]):
				names = append(names, job.Steps...)
			default:
				later = append(later, job)
			}
		}
		if len(names) > 1 && (from == to || len(apart)+len(later) == 0) {
			others := slices.DeleteFunc(slices.Concat(stages[from:to+1]...), func(j Job) bool { return slices.Contains(names, j.Steps[0]) })
			c.offer("{ together: ["+strings.Join(names, ", ")+"] }", splice(stages, from, to, append([]Job{{Steps: names}}, others...)))
		}
		jobs = later
	}
}

// apart offers a task for each step of a job that has several.
func (c *Comparison) apart(stages [][]Job, at, which int) {
	job := stages[at][which]
	if len(job.Steps) < 2 {
		return
	}
	jobs := slices.Delete(slices.Clone(stages[at]), which, which+1)
	for _, name := range job.Steps {
		jobs = append(jobs, Job{Steps: []string{name}})
	}
	c.offer("["+strings.Join(job.Steps, ", ")+"]", splice(stages, at, at, jobs))
}

// shardNumbers are the numbers of shards that are offered.
var shardNumbers = []int{1, 2, 4, 8}

// divided offers other numbers of shards.
func (c *Comparison) divided(stages [][]Job, at, which int) {
	job := stages[at][which]
	for _, n := range shardNumbers {
		if n == max(job.Shards, 1) {
			continue
		}
		if _, ok := c.layout.Share(job.Steps[0], n); n > 1 && !ok {
			continue
		}
		jobs := slices.Clone(stages[at])
		jobs[which] = Job{job.Steps, n}
		write := fmt.Sprintf("{ step: %s, parallel: %d }", job.Steps[0], n)
		if n == 1 {
			write = job.Steps[0]
		}
		c.offer(write, splice(stages, at, at, jobs))
	}
}

// splice replaces the stages from one to another by one.
func splice(stages [][]Job, from, to int, jobs []Job) [][]Job {
	return slices.Concat(stages[:from], [][]Job{jobs}, stages[to+1:])
}

// Took is the time of a task of the step, in which all its tests run.
func (s StepTimes) Took() time.Duration { return record.Duration(s.Start + s.Once + s.Work) }
