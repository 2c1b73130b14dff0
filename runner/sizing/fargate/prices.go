package fargate

import (
	"fmt"
	"math"
	"time"
)

// PricesAsOf is the date of the prices below: the one on which AWS published the offer.
const PricesAsOf = "2026-09-11"

// The prices are in US dollars, without tax, savings plans and discounts of one's own: rates for a vCPU and for a GiB
// of memory, an hour of each.
//
// Source: the AWS Price List, offer AmazonECS, publication of 2026-09-11
// (https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AmazonECS/current/region_index.json), usage types
// …-Fargate-vCPU-Hours:perCPU, …-Fargate-GB-Hours, the same with ARM, and …-Fargate-EphemeralStorage-GB-Hours.
// https://aws.amazon.com/fargate/pricing/ shows the same. They were taken over from public notes of 2026-09-28 and
// 2026-09-29 that name that offer, and not from AWS itself:
//
//   - x86 on demand: a table whose 22 regions its authors compared with the offer, read as it was in November 2025 and since said to have
//     matched; other notes have the rates of us-east-1, eu-central-1, eu-north-1, eu-west-1, ap-northeast-1, ap-south-1 and ap-southeast-1
//     from the offer.
//   - ARM: noted for us-east-1, eu-west-1 and ap-south-1 from the offer; for us-east-2, ap-southeast-2 and sa-east-1 without a date. Where
//     there is none, it is taken to be 20 % less than x86, as it is in all of those but ap-south-1, and marked as estimated.
//   - Spot floats. What is here is what it was on 2026-09-28; where there is none, the price on demand is the most that it can be.
//   - Storage: us-east-1 from the offer, us-east-2 and ap-northeast-1 without a date; elsewhere that of us-east-1, marked as estimated.
//
// To bring them up to date: the files named above need no account. Change the table and PricesAsOf together.
var prices = map[string]struct {
	x86, arm, spotX86, spotARM rate
	storage                    float64 // a GiB over the 20 that are included, an hour
}{
	"us-east-1": {
		rate{0.04048, 0.004445},
		rate{0.03238, 0.00356},
		rate{0.01288871, 0.00141527},
		rate{0.01030969, 0.00113349},
		0.000111,
	},
	"us-east-2":    {rate{0.04048, 0.004445}, rate{0.03238, 0.00356}, rate{}, rate{}, 0.000111},
	"us-west-1":    {rate{0.04656, 0.00511}, rate{}, rate{}, rate{}, 0},
	"us-west-2":    {rate{0.04048, 0.004445}, rate{}, rate{}, rate{}, 0},
	"ca-central-1": {rate{0.04456, 0.004865}, rate{}, rate{}, rate{}, 0},
	"sa-east-1":    {rate{0.0696, 0.0076}, rate{0.0557, 0.00612}, rate{}, rate{}, 0},
	"eu-central-1": {rate{0.04656, 0.00511}, rate{}, rate{}, rate{}, 0},
	"eu-north-1":   {rate{0.0445, 0.0049}, rate{}, rate{}, rate{}, 0},
	"eu-west-1": {
		rate{0.04048, 0.004445},
		rate{0.03238, 0.00356},
		rate{0.01224056, 0.0013441},
		rate{0.00979124, 0.00107649},
		0,
	},
	"eu-west-2":      {rate{0.04656, 0.00511}, rate{}, rate{}, rate{}, 0},
	"eu-west-3":      {rate{0.0486, 0.0053}, rate{}, rate{}, rate{}, 0},
	"ap-northeast-1": {rate{0.05056, 0.00553}, rate{}, rate{}, rate{}, 0.000133},
	"ap-northeast-2": {rate{0.04656, 0.00511}, rate{}, rate{}, rate{}, 0},
	"ap-south-1":     {rate{0.04256, 0.004655}, rate{0.02383, 0.00261}, rate{}, rate{}, 0},
	"ap-southeast-1": {rate{0.05056, 0.00553}, rate{}, rate{}, rate{}, 0},
	"ap-southeast-2": {rate{0.04856, 0.00532}, rate{0.03885, 0.00426}, rate{}, rate{}, 0},
}

type rate struct{ vCPU, memory float64 }

const (
	usual   = "us-east-1" // whose prices stand for those that are not known
	armLess = 0.8         // of x86
)

// Terms are what a price depends on beside the size.
type Terms struct {
	Region string
	ARM    bool // else x86
	Spot   bool // else on demand
}

// The words for the terms.
const (
	OnDemand = "on demand"
	Spot     = "Spot"
	X86      = "x86"
	ARM      = "ARM"
)

// Capacity is OnDemand or Spot.
func (t Terms) Capacity() string {
	if t.Spot {
		return Spot
	}
	return OnDemand
}

// Architecture is X86 or ARM.
func (t Terms) Architecture() string {
	if t.ARM {
		return ARM
	}
	return X86
}

// Price is what a task costs. Its terms are those that it was found for: where there is no price of Spot it is on
// demand, and where none of the region is known it is that of us-east-1.
type Price struct {
	Terms
	Estimated bool // it does not stand in AWS's list as it is here, see the table

	rate    rate
	storage float64
	assumed bool // the storage's is another region's
}

// PriceOf finds the price for the terms.
func PriceOf(t Terms) Price {
	p := Price{Terms: t}
	if _, known := prices[t.Region]; !known {
		p.Region, p.Estimated = usual, t.Region != ""
	}
	row := prices[p.Region]
	p.rate = row.x86
	if t.ARM {
		p.rate = row.arm
		if p.rate == (rate{}) {
			p.rate, p.Estimated = rate{row.x86.vCPU * armLess, row.x86.memory * armLess}, true
		}
	}
	if t.Spot {
		spot := row.spotX86
		if t.ARM {
			spot = row.spotARM
		}
		if p.Spot = spot != (rate{}); p.Spot {
			p.rate, p.Estimated = spot, true
		}
	}
	p.storage, p.assumed = row.storage, row.storage == 0
	if p.assumed {
		p.storage = prices[usual].storage
	}
	return p
}

// Billed is the time that AWS charges for: from the start of the image's pull to the end of the task, whole seconds, a
// minute at least. Source: https://aws.amazon.com/fargate/pricing/
func Billed(d time.Duration) time.Duration {
	return max(time.Duration(math.Ceil(d.Seconds()))*time.Second, time.Minute)
}

// Cost is what a task of the size costs in dollars that takes so long.
func (p Price) Cost(s Size, d time.Duration) float64 {
	hour := s.VCPU*p.rate.vCPU + s.Memory*p.rate.memory + float64(max(s.Storage-IncludedStorage, 0))*p.storage
	return hour * Billed(d).Hours()
}

// Doubtful reports whether the price of this size is an estimate.
func (p Price) Doubtful(s Size) bool { return p.Estimated || p.assumed && s.Storage > IncludedStorage }

// Dollars is an amount as people read it: to the cent, and small ones to two digits that tell something.
func Dollars(amount float64) string {
	switch {
	case amount <= 0:
		return "$0"
	case amount >= 1:
		return fmt.Sprintf("$%.2f", amount)
	case amount < 0.00005:
		return "under $0.0001"
	default:
		return fmt.Sprintf("$%.4f", amount)
	}
}
