package shards

import (
	"cmp"
	"slices"
	"sort"

	"github.com/carlin-cicd/runner/steps/history"
)

// Share is what one shard runs.
type Share struct {
	Units        []Unit
	Milliseconds int64 // by the times of earlier runs
}

// Packing is how a list is divided.
type Packing struct {
	Shares  []Share
	Known   int    // units whose time is known
	Unknown int    // that are taken for as long as the median
	Longest Unit   // of all
	Beyond  bool   // the longest takes more than an even share, so that more shards do not help
	Listed  string // digest of the list
}

// Pack divides units, which are in the order of their names, into n shares: the longest first, each to the share that
// takes the least time so far. The same list, times and number give the same shares on every machine.
func Pack(units []Unit, times history.FileTimes, n int) Packing {
	p := Packing{Shares: make([]Share, n), Listed: Digest(units)}
	weights := p.weigh(units, times.Finder())
	order := make([]int, len(units))
	var total int64
	for i := range order {
		order[i] = i
		total += weights[i]
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(weights[b], weights[a]) })
	for _, i := range order {
		least := 0
		for s := range p.Shares {
			if lighter(p.Shares[s], p.Shares[least]) {
				least = s
			}
		}
		share := &p.Shares[least]
		share.Units, share.Milliseconds = append(share.Units, units[i]), share.Milliseconds+weights[i]
	}
	for s := range p.Shares {
		units := p.Shares[s].Units
		sort.Slice(units, func(i, j int) bool { return units[i].Name < units[j].Name })
	}
	if len(order) > 0 {
		p.Longest = units[order[0]]
		p.Beyond = n > 1 && weights[order[0]]*int64(n) > total
	}
	return p
}

// lighter orders shares. Of those that take the same time, the one with fewer files is next: files without tests are
// spread, too.
func lighter(a, b Share) bool {
	return cmp.Or(cmp.Compare(a.Milliseconds, b.Milliseconds), cmp.Compare(len(a.Units), len(b.Units))) < 0
}

// weigh returns the time of each unit: measured, else the median of those that are, and 1 if none is.
func (p *Packing) weigh(units []Unit, find func(string) (int64, bool)) []int64 {
	weights := make([]int64, len(units))
	unknown := make([]int, len(units)) // files of each unit
	var known []int64
	for i, u := range units {
		if u.Empty {
			continue
		}
		for _, name := range append([]string{u.Name}, u.Others...) {
			if ms, ok := find(name); ok {
				weights[i] += ms
				known = append(known, ms)
			} else {
				unknown[i]++
			}
		}
	}
	median := int64(1)
	if len(known) > 0 {
		slices.Sort(known)
		median = max(known[len(known)/2], 1)
	}
	for i := range units {
		weights[i] += int64(unknown[i]) * median
		p.Unknown += unknown[i]
	}
	p.Known = len(known)
	return weights
}
