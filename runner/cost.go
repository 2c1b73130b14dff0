package runner

import (
	"cmp"
	"fmt"
	"math"
	"runtime"
	"strings"

	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/fargate"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/units"
)

// cost is what the run has cost until now, or what it would cost if it is not on Fargate; nil if nobody knows.
func (r *run) cost(u *record.Usage) *record.Cost {
	begun := r.Began
	size, onFargate := r.task.size()
	switch {
	case onFargate && !r.task.PullStartedAt.IsZero() && r.task.PullStartedAt.Before(begun):
		begun = r.task.PullStartedAt
	case onFargate:
	case u == nil || u.Fits == nil:
		return nil
	default:
		size = *u.Fits
	}
	terms := fargate.Terms{
		Region: cmp.Or(r.task.region(), r.Variables["AWS_REGION"], r.Variables["AWS_DEFAULT_REGION"]),
		ARM:    runtime.GOARCH == "arm64",
		Spot:   onFargate && r.Config.Capacity == config.SpotProvider,
	}
	price, took := fargate.PriceOf(terms), r.now().Sub(begun)
	return &record.Cost{
		Dollars: microDollars(price.Cost(size, took)), Seconds: record.Seconds(fargate.Billed(took)), Size: size,
		Region: price.Region, Architecture: price.Architecture(), Capacity: price.Capacity(), PricesAsOf: fargate.PricesAsOf,
		Estimated: price.Doubtful(size), Would: !onFargate,
	}
}

// microDollars is an amount to the millionth, which is what the shortest run on the smallest task is worth.
func microDollars(amount float64) float64 { return math.Round(amount*1e6) / 1e6 }

// text is the cost in words.
func costText(c *record.Cost) string {
	terms := []string{c.Region, c.Architecture, c.Capacity}
	if c.Estimated {
		terms = append(terms, "estimated")
	}
	text := fmt.Sprintf("%s for %s of %s (%s)", fargate.Dollars(c.Dollars), units.Duration(record.Duration(c.Seconds)), c.Size, strings.Join(terms, ", "))
	if c.Would {
		text += ", were it on Fargate"
	}
	return text
}

// size is the task's, if it is one of Fargate's.
func (t task) size() (fargate.Size, bool) {
	if t.LaunchType != "FARGATE" || t.Limits.CPU <= 0 || t.Limits.Memory <= 0 {
		return fargate.Size{}, false
	}
	size := fargate.Size{VCPU: t.Limits.CPU, Memory: t.Limits.Memory / 1024}
	if storage := int(t.Storage.Reserved / 1024); storage > fargate.IncludedStorage {
		size.Storage = storage
	}
	return size, true
}

// region is that of the task's ARN, "" without one.
func (t task) region() string {
	if parts := strings.Split(t.ARN, ":"); len(parts) > 3 {
		return parts[3]
	}
	return ""
}
