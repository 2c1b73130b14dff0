package results

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
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
	if len(producers) < 12 {
		t.Errorf("there are reports of %d producers", len(producers))
	}
}
