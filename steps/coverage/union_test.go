package coverage

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTheUnionOfShardsIsOneReport(t *testing.T) {
	for _, c := range []struct {
		name    string
		file    string
		reports []string // of the shards
		want    string   // of lcov
	}{
		{
			"lcov", "lcov.info",
			[]string{
				"SF:a.js\nDA:1,0\nDA:2,7\nBRDA:2,0,0,1\nBRDA:2,0,1,0\nend_of_record\n",
				"SF:a.js\nDA:1,3\nDA:2,0\nBRDA:2,0,0,0\nBRDA:2,0,1,-\nend_of_record\nSF:b.js\nDA:9,0\nend_of_record\n",
			},
			"TN: SF:a.js BRDA:2,0,0,1 BRDA:2,0,1,0 BRF:2 BRH:1 DA:1,1 DA:2,1 LF:2 LH:2 end_of_record " +
				"TN: SF:b.js DA:9,0 LF:1 LH:0 end_of_record",
		},
		{
			"blocks of Go", "c.out",
			[]string{
				"mode: set\nm/a.go:3.1,5.2 2 0\nm/a.go:5.5,6.2 1 0\n",
				"mode: set\nm/a.go:3.1,5.2 2 0\nm/a.go:5.5,6.2 1 4\n",
			},
			"TN: SF:m/a.go DA:3,0 DA:4,0 DA:5,1 DA:6,1 LF:4 LH:2 end_of_record",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var parts []Part
			for i, text := range c.reports {
				dir := t.TempDir()
				if err := os.WriteFile(filepath.Join(dir, c.file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				parts = append(parts, Part{Label: string(rune('1'+i)) + "/", Dir: dir})
			}
			root := t.TempDir()
			all, union, err := ReadAll(parts, filepath.Join(root, "coverage"), root)
			if err != nil || !union.IsComplete() {
				t.Fatalf("complete: %t, %v", union.IsComplete(), err)
			}
			var b strings.Builder
			if err := union.WriteLcov(&b); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(strings.Fields(b.String()), " "); got != c.want {
				t.Errorf("%s\nwant\n%s", got, c.want)
			}
			if c.file != "lcov.info" {
				return // Go counts statements
			}
			file := filepath.Join(root, "lcov.info")
			if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
				t.Fatal(err)
			}
			again, err := Read(file, root, time.Time{})
			if err != nil || again.Lines != all.Lines || again.Branches != all.Branches || again.Files != all.Files {
				t.Errorf("read again: %+v, %v; the shards have %+v", again.Summary, err, all.Summary)
			}
		})
	}
}

func TestAUnionWithoutLinesIsNotComplete(t *testing.T) {
	dir := t.TempDir()
	text := `{"total":{"lines":{"total":4,"covered":2}},"/a.js":{"lines":{"total":4,"covered":2}}}`
	if err := os.WriteFile(filepath.Join(dir, "coverage-summary.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, union, err := ReadAll([]Part{{"1/", dir}}, dir, dir); err != nil || union.IsComplete() {
		t.Errorf("complete: %t, %v", union.IsComplete(), err)
	}
}
