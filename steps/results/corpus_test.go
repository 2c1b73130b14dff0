package results

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The corpus holds reports of real tools, and the counts of a reader in another language.
func TestCorpusCountsMatchAnIndependentReader(t *testing.T) {
	const corpus = "testdata/corpus"
	text, err := os.ReadFile(corpus + "/counts.json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]struct {
		Counts
		Damaged string
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	producers := map[string]bool{}
	err = filepath.WalkDir(corpus+"/reports", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(corpus+"/reports", path)
		if err != nil {
			return err
		}
		counted, ok := want[name]
		if !ok {
			t.Errorf("%s is missing in counts.json", name)
		}
		delete(want, name)
		producers[filepath.Dir(name)] = true

		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if _, err := readCases(t, string(raw)); (err != nil) != (counted.Damaged != "") {
			t.Errorf("%s: the problem is %v, the other reader's %q", name, err, counted.Damaged)
		}
		// The other reader skips damaged reports.
		if r := read(t, corpus+"/reports", name); r.Counts != counted.Counts && counted.Damaged == "" {
			t.Errorf("%s: counted %+v, the other reader %+v", name, r.Counts, counted.Counts)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range want {
		t.Errorf("%s is in counts.json only", name)
	}
	if len(producers) < 25 {
		t.Errorf("there are reports of %d producers", len(producers))
	}
}

// excerpts.txt has what is shown of each failure in the corpus: what a person needs is there, and nothing twice.
func TestExcerptsOfTheCorpus(t *testing.T) {
	const corpus = "testdata/corpus"
	reports, err := filepath.Glob(corpus + "/reports/*/*.xml")
	if err != nil || len(reports) == 0 {
		t.Fatal(reports, err)
	}
	var b strings.Builder
	for _, report := range reports {
		name := strings.TrimPrefix(report, corpus+"/reports/")
		r := read(t, corpus+"/reports", name)
		if len(r.Failures)+len(r.FlakyCases) == 0 {
			continue
		}
		fmt.Fprintf(&b, "== %s\n", name)
		for _, c := range append(r.Failures, r.FlakyCases...) {
			kind := ""
			if c.Setup {
				kind = " (setup)"
			}
			fmt.Fprintf(&b, "%s %s%s\n", c.StatusText(), readable(c.Name), kind)
			for line := range strings.SplitSeq(c.Excerpt, "\n") {
				fmt.Fprintf(&b, "    | %s\n", readable(line))
			}
		}
	}
	const golden = corpus + "/excerpts.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	gotLines, wantLines := strings.Split(b.String(), "\n"), strings.Split(string(want), "\n")
	for i := range max(len(gotLines), len(wantLines)) {
		if i >= len(gotLines) || i >= len(wantLines) || gotLines[i] != wantLines[i] {
			t.Fatalf("line %d differs: run the test with -update and look at what changed", i+1)
		}
	}
}

// readable escapes what cannot be printed.
func readable(text string) string {
	quoted := strconv.QuoteToGraphic(text)
	return strings.ReplaceAll(strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`), `\t`, "\t")
}
