package results

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// randomSuites is a report with suites of a few names, so that tests, their rows and their attempts meet namesakes in
// the same report and in others.
func randomSuites(random *rand.Rand) string {
	var b strings.Builder
	b.WriteString("<testsuites>")
	for range 1 + random.IntN(3) {
		file := fmt.Sprintf("f%d.test.js", random.IntN(3))
		fmt.Fprintf(&b, `<testsuite name="%s" file="%s">`, file, file)
		if random.IntN(3) == 0 {
			fmt.Fprintf(&b, `<properties><property name="browser" value="b%d"/></properties>`, random.IntN(2))
		}
		for range random.IntN(5) {
			name := random.IntN(3)
			fmt.Fprintf(&b, `<testcase name="t%d" classname="c%d" time="0.%03d">`, name, random.IntN(2), random.IntN(1000))
			switch random.IntN(6) {
			case 0:
				fmt.Fprintf(&b, `<failure message="no %d">a&#10;b</failure>`, random.IntN(100))
			case 1:
				fmt.Fprintf(&b, `<error message="broken %d"/>`, random.IntN(100))
			case 2:
				b.WriteString(`<skipped/>`)
			case 3:
				fmt.Fprintf(&b, `<flakyFailure message="once %d"/>`, random.IntN(100))
			}
			b.WriteString("</testcase>")
		}
		b.WriteString("</testsuite>")
	}
	return b.String() + "</testsuites>"
}

// withoutOrder is what a result says, without the names of the reports and the places of namesakes among them, which
// the order gives.
func withoutOrder(t *testing.T, r Results) string {
	t.Helper()
	var lines []string
	for what, list := range map[string][]Case{"failed": r.Failures, "flaky": r.FlakyCases} {
		for _, c := range list {
			c.ID, c.Report = "", ""
			text, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, what+" "+string(text))
		}
	}
	for _, c := range r.Slowest {
		lines = append(lines, fmt.Sprint("slow ", c.Duration))
	}
	slices.Sort(lines)
	return fmt.Sprintf("%+v %v\n%s", r.Counts, r.Duration, strings.Join(lines, "\n"))
}

// Whatever the reports are called, and so in whatever order they are read, they say the same.
func TestTheOrderOfReportsDoesNotMatter(t *testing.T) {
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 7))
		var texts []string
		for range 2 + random.IntN(4) {
			texts = append(texts, randomSuites(random))
		}
		passed := random.IntN(2) == 0
		var first string
		for order := range 4 {
			files := map[string]string{}
			for i, text := range texts {
				files[fmt.Sprintf("r%d.xml", i)] = text
			}
			r, err := Read(Options{Root: folder(t, files), Globs: []string{"*.xml"}, CommandPassed: passed})
			if err != nil {
				t.Fatal(err)
			}
			if r.Total < r.Failed+r.Errored+r.Skipped+r.Flaky {
				t.Fatalf("seed %d: more than ran: %+v", seed, r.Counts)
			}
			got := withoutOrder(t, r)
			if order == 0 {
				first = got
			}
			if got != first {
				t.Fatalf("seed %d: in one order\n%s\nin another\n%s", seed, first, got)
			}
			random.Shuffle(len(texts), func(i, j int) { texts[i], texts[j] = texts[j], texts[i] })
		}
	}
}
