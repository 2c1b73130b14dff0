package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// median of a client's good samples; ok is false when one failed or there is none.
func (r result) median(work, client string) (s sample, ok bool) {
	samples := r[work][client]
	if len(samples) == 0 || slices.ContainsFunc(samples, func(s sample) bool { return s.err != nil }) {
		return sample{}, false
	}
	return sample{
		wall:     middle(samples, func(s sample) time.Duration { return s.wall }),
		cpu:      middle(samples, func(s sample) time.Duration { return s.cpu }),
		memory:   middle(samples, func(s sample) int64 { return s.memory }),
		requests: middle(samples, func(s sample) int64 { return s.requests }),
	}, true
}

func middle[T int64 | time.Duration](samples []sample, of func(sample) T) T {
	all := make([]T, len(samples))
	for i, s := range samples {
		all[i] = of(s)
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// reportGaps says what a table is no comparison with: peers that are not there, and works that a client has failed.
func reportGaps(w io.Writer, missing []string, r result) {
	if len(missing) > 0 {
		fmt.Fprintf(w, "\nMISSING, as not in PATH: %s\n", strings.Join(missing, ", "))
	}
	for _, work := range slices.Sorted(maps.Keys(r)) {
		for _, client := range slices.Sorted(maps.Keys(r[work])) {
			for _, s := range r[work][client] {
				if s.err != nil {
					fmt.Fprintf(w, "\nFAILED: %s by %s: %v\n", work, client, s.err)
					break
				}
			}
		}
	}
}

// report prints a table of the medians, and how they compare with what we want.
func report(w io.Writer, b *bench, r result) {
	fmt.Fprintf(w, "\n## %s, median of %d: wall s / CPU s / peak MiB / requests\n\n", b.setting.title, b.rounds)
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprint(t, "| work")
	for _, c := range b.clients {
		fmt.Fprint(t, "\t| ", c.name)
	}
	fmt.Fprint(t, "\t|\n|---", strings.Repeat("\t|---", len(b.clients)), "\t|\n")
	for _, work := range works {
		if r[work.name] == nil {
			continue
		}
		fmt.Fprintf(t, "| %s %s", work.name, work.title)
		for _, c := range b.clients {
			s, ok := r.median(work.name, c.name)
			if !ok {
				fmt.Fprint(t, "\t| FAILED")
				continue
			}
			fmt.Fprintf(t, "\t| %.2f / %.2f / %d / %d", s.wall.Seconds(), s.cpu.Seconds(), s.memory>>20, s.requests)
		}
		fmt.Fprint(t, "\t|\n")
	}
	t.Flush()
	verdicts := judge(r)
	if len(verdicts) == 0 {
		return
	}
	fmt.Fprint(w, "\n")
	t = tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprint(t, "| target\t| measured\t|\t|\n|---\t|---\t|---\t|\n")
	for _, v := range verdicts {
		word := "miss"
		if v.pass {
			word = "pass"
		}
		fmt.Fprintf(t, "| %s\t| %s\t| %s\t|\n", v.target, v.measured, word)
	}
	t.Flush()
}

type verdict struct {
	target, measured string
	pass             bool
}

const ours = "ours"

// judge leaves out targets whose clients were not there.
func judge(r result) []verdict {
	var all []verdict
	add := func(pass bool, target, format string, args ...any) {
		all = append(all, verdict{target, fmt.Sprintf(format, args...), pass})
	}
	// times is how often as long as ours another took.
	times := func(work, client string, least float64) {
		us, ok := r.median(work, ours)
		them, there := r.median(work, client)
		if ok && there {
			ratio := them.wall.Seconds() / us.wall.Seconds()
			add(ratio >= least, fmt.Sprintf("%s: %g x faster than %s", work, least, client), "%.1f x", ratio)
		}
	}

	us, ok := r.median("W1", ours)
	if floor, there := r.median("W1", "floor"); ok && there {
		ratio := us.wall.Seconds() / floor.wall.Seconds()
		add(ratio <= 1.5, "W1: at most 1.5 x the floor", "%.2f x", ratio)
	}
	times("W1", "aws", 25)
	times("W1", "s5cmd", 12)
	times("W1", "rclone", 5)

	if us, ok := r.median("W2t", ours); ok {
		add(us.requests <= 3, "W2t: at most 3 requests", "%d", us.requests)
	}
	times("W2t", "aws", 60)
	times("W2t", "s5cmd", 30)

	if us, ok := r.median("W3", ours); ok {
		// A request for each file that changed or went, and ten for the manifest and what is around it.
		add(us.requests <= 2*changes+10, fmt.Sprintf("W3: at most %d requests", 2*changes+10), "%d", us.requests)
	}
	times("W3", "aws", 6)
	for _, peer := range peers(r, "W3") {
		times("W3", peer, 1)
	}

	for _, work := range []string{"W4", "W5"} {
		us, ok := r.median(work, ours)
		best, name := time.Duration(0), ""
		for _, peer := range peers(r, work) {
			if them, ok := r.median(work, peer); ok && (name == "" || them.wall < best) {
				best, name = them.wall, peer
			}
		}
		if ok && name != "" {
			ratio := us.wall.Seconds() / best.Seconds()
			add(ratio <= 1.1, fmt.Sprintf("%s: at most 1.1 x %s, the best", work, name), "%.2f x", ratio)
		}
		times(work, "aws", 4)
		times(work, "s5cmd", 3)
	}

	peak := int64(0)
	for _, samples := range r {
		for _, s := range samples[ours] {
			if s.err == nil {
				peak = max(peak, s.memory)
			}
		}
	}
	if peak > 0 {
		add(peak <= 48<<20, "all: at most 48 MiB", "%.1f MiB", float64(peak)/(1<<20))
	}
	return all
}

// peers are the tools of others that did a work.
func peers(r result, work string) []string {
	var names []string
	for _, c := range clients {
		if _, ok := r.median(work, c.name); ok && c.program != "" {
			names = append(names, c.name)
		}
	}
	return names
}
