package runner

import (
	"fmt"
	"math"
	"runtime"
	"strings"

	"github.com/carlin-cicd/runner/runner/fargate"
	"github.com/carlin-cicd/runner/runner/units"
)

// cost is what a run costs on Fargate by the list price.
type cost struct {
	Dollars      float64      `json:"dollars"`
	Seconds      float64      `json:"billed_seconds"` // since the pull of the image began, as far as that is known
	Size         fargate.Size `json:"size"`
	Region       string       `json:"region"` // whose prices these are
	Architecture string       `json:"architecture"`
	Capacity     string       `json:"capacity"` // "on demand", which is the most that it can be, or "Spot"
	PricesAsOf   string       `json:"prices_as_of"`
	Estimated    bool         `json:"estimated,omitempty"` // the price does not stand like that in the list: see package fargate
	Would        bool         `json:"would,omitempty"`     // the run was elsewhere; it would cost that on the size that fits
}

// cost is what the run has cost until now, or what it would cost if it is not on Fargate; nil if nobody knows.
func (r *run) cost(u *usage) *cost {
	begun := r.begun
	size, onFargate := r.task.size()
	switch {
	case onFargate && !r.task.PullStartedAt.IsZero() && r.task.PullStartedAt.Before(begun):
		begun = r.task.PullStartedAt
	case onFargate:
	case u == nil || u.fits == nil:
		return nil
	default:
		size = *u.fits
	}
	terms := fargate.Terms{
		Region: first(r.task.region(), r.in.Variables["AWS_REGION"], r.in.Variables["AWS_DEFAULT_REGION"]),
		ARM:    runtime.GOARCH == "arm64",
		Spot:   onFargate && r.config.Capacity == SpotProvider,
	}
	price, took := fargate.PriceOf(terms), r.now().Sub(begun)
	return &cost{
		Dollars: microDollars(price.Cost(size, took)), Seconds: seconds(fargate.Billed(took)), Size: size,
		Region: price.Region, Architecture: price.Architecture(), Capacity: price.Capacity(), PricesAsOf: fargate.PricesAsOf,
		Estimated: price.Doubtful(size), Would: !onFargate,
	}
}

// microDollars is an amount to the millionth, which is what the shortest run on the smallest task is worth.
func microDollars(amount float64) float64 { return math.Round(amount*1e6) / 1e6 }

// text is the cost in words.
func (c *cost) text() string {
	terms := []string{c.Region, c.Architecture, c.Capacity}
	if c.Estimated {
		terms = append(terms, "estimated")
	}
	text := fmt.Sprintf("%s for %s of %s (%s)", fargate.Dollars(c.Dollars), units.Duration(duration(c.Seconds)), c.Size, strings.Join(terms, ", "))
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
