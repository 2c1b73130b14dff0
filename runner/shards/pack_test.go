package shards

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/carlin-cicd/runner/steps/history"
)

func unitsOf(n int) (units []Unit) {
	for i := range n {
		units = append(units, unitOf(fmt.Sprintf("src/%05d.test.ts", i)))
	}
	return units
}

// Whatever the list, the times and the number: each file is in exactly one share, and the same on every machine.
func TestSharesPartitionTheList(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		units, times := unitsOf(random.IntN(60)), history.FileTimes{}
		for _, u := range units {
			if random.IntN(4) > 0 {
				times[u.Name] = random.Int64N(5000)
			}
		}
		n := 1 + random.IntN(40)
		p := Pack(units, times, n)
		if len(p.Shares) != n {
			t.Fatalf("%d shares of %d", len(p.Shares), n)
		}
		var all []string
		for _, share := range p.Shares {
			all = append(all, Names(share.Units)...)
		}
		slices.Sort(all)
		if !slices.Equal(all, Names(units)) {
			t.Fatalf("%d files in %d shares are %v", len(units), n, all)
		}
		again := Pack(units, times, n)
		for i := range p.Shares {
			if !slices.Equal(Names(p.Shares[i].Units), Names(again.Shares[i].Units)) {
				t.Fatal("the shares differ from one machine to the next")
			}
		}
		if p.Known+p.Unknown != len(units) {
			t.Errorf("%d known and %d unknown of %d", p.Known, p.Unknown, len(units))
		}
	}
}

func TestUnknownFilesTakeTheMedian(t *testing.T) {
	times := history.FileTimes{"a": 100, "b": 10, "c": 1}
	p := Pack([]Unit{unitOf("a"), unitOf("b"), unitOf("c"), unitOf("new")}, times, 2)
	if p.Shares[0].Milliseconds != 100 || p.Shares[1].Milliseconds != 21 || p.Unknown != 1 || p.Longest.Name != "a" || !p.Beyond {
		t.Errorf("%+v", p)
	}
}

func TestWithoutTimesFilesAreDividedByNumber(t *testing.T) {
	p := Pack(unitsOf(10), nil, 4)
	for _, share := range p.Shares {
		if n := len(share.Units); n < 2 || n > 3 {
			t.Errorf("a share has %d files", n)
		}
	}
	if p.Beyond {
		t.Error("one of ten files of the same length is longer than a quarter")
	}
}

// Packages without tests take no time and are spread: none is left out, since they count for the coverage.
func TestPackagesWithoutTests(t *testing.T) {
	units := []Unit{{Name: "a", Args: []string{"a"}}}
	for i := range 6 {
		units = append(units, Unit{Name: fmt.Sprint("empty", i), Empty: true})
	}
	p := Pack(units, history.FileTimes{"a": 5}, 3)
	if len(p.Shares[0].Units) != 1 || len(p.Shares[1].Units) != 3 || len(p.Shares[2].Units) != 3 || p.Unknown != 0 {
		t.Errorf("%+v", p.Shares)
	}
}
