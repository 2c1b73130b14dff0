package sizing

import (
	"cmp"
	"math"
	"runtime"
	"time"

	"github.com/carlin-cicd/runner/runner/task"

	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/sizing/fargate"
)

// Billing is what the price of a run depends on.
type Billing struct {
	Task     task.Task
	Began    time.Time
	Ended    time.Time
	Region   string // if the task does not say
	Capacity string // the task's capacity provider
}

// Cost returns the list price of a run on Fargate until Ended, or, elsewhere, that on the size that would have fit; nil
// if neither size is known.
func Cost(b Billing, u *record.Usage) *record.Cost {
	begun := b.Began
	size, onFargate := b.Task.Size()
	switch {
	case onFargate && !b.Task.PullStartedAt.IsZero() && b.Task.PullStartedAt.Before(begun):
		begun = b.Task.PullStartedAt
	case onFargate:
	case u == nil || u.Fits == nil:
		return nil
	default:
		size = *u.Fits
	}
	terms := fargate.Terms{
		Region: cmp.Or(b.Task.Region(), b.Region),
		ARM:    runtime.GOARCH == "arm64",
		Spot:   onFargate && b.Capacity == config.SpotProvider,
	}
	price, took := fargate.PriceOf(terms), b.Ended.Sub(begun)
	return &record.Cost{
		Dollars: microDollars(price.Cost(size, took)), Seconds: record.Seconds(fargate.Billed(took)), Size: size,
		Region: price.Region, Architecture: price.Architecture(), Capacity: price.Capacity(), PricesAsOf: fargate.PricesAsOf,
		Estimated: price.Doubtful(size), Would: !onFargate,
	}
}

// microDollars is an amount to the millionth, which is what the shortest run on the smallest task is worth.
func microDollars(amount float64) float64 { return math.Round(amount*1e6) / 1e6 }
