package cluster

import (
	"cmp"
	"slices"
	"sort"
)

// PricesAsOf is when the list prices were looked up, and PricesFrom where.
const (
	PricesAsOf = "2026-11-23"
	PricesFrom = "https://aws.amazon.com/cloudwatch/pricing, /kms/pricing, /secrets-manager/pricing; us-east-1"
)

// Price is what resources cost a month whether anything runs or not.
type Price struct {
	What    string  `json:"what"`
	Number  int     `json:"number"`
	Dollars float64 `json:"dollars"` // a month, all of them
}

// monthly are the resources of the templates that cost by the month; all others cost by what is used. In dollars, of
// us-east-1. An alarm costs by the metrics that it looks at.
var monthly = map[string]struct {
	what    string
	dollars float64
}{
	"AWS::CloudWatch::Alarm":      {"metrics of alarms", 0.10},
	"AWS::KMS::Key":               {"KMS keys", 1.00},
	"AWS::SecretsManager::Secret": {"secrets", 0.40},
}

// pricesOf are the prices of resources.
func pricesOf(resources map[string]Resource) []Price {
	var prices []Price
	for _, r := range resources {
		price, ok := monthly[r.Type]
		if !ok {
			continue
		}
		number := 1
		if metrics, ok := r.Properties["Metrics"].([]any); ok {
			number = 0
			for _, m := range metrics {
				if fields, ok := m.(map[string]any); ok && fields["MetricStat"] != nil {
					number++
				}
			}
		}
		prices = append(prices, Price{price.what, number, float64(number) * price.dollars})
	}
	return prices
}

// sumPrices adds up what is of one kind, the dearest first.
func sumPrices(prices []Price) []Price {
	var sums []Price
	for _, p := range prices {
		at := slices.IndexFunc(sums, func(q Price) bool { return q.What == p.What })
		if at < 0 {
			sums = append(sums, p)
			continue
		}
		sums[at].Number += p.Number
		sums[at].Dollars += p.Dollars
	}
	sort.Slice(sums, func(i, j int) bool {
		a, b := sums[i], sums[j]
		return cmp.Or(cmp.Compare(b.Dollars, a.Dollars), cmp.Compare(a.What, b.What)) < 0
	})
	return sums
}

// Monthly is the sum of prices, in dollars.
func Monthly(prices []Price) float64 {
	sum := 0.0
	for _, p := range prices {
		sum += p.Dollars
	}
	return sum
}
