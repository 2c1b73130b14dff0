package coverage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// testdata/totals.txt has the totals of the tools themselves.
func TestReportsOfRealTools(t *testing.T) {
	istanbul := Summary{Lines: Figure{12, 15}, Branches: Figure{5, 11}, Files: 2}
	for folder, want := range map[string]Summary{
		"summary":     istanbul,
		"lcov":        istanbul,
		"clover":      istanbul,
		"cobertura":   istanbul,
		"node":        {Lines: Figure{11, 13}, Branches: Figure{5, 9}, Files: 2},
		"go":          {Lines: Figure{6, 10}, Files: 2},
		"go-coverpkg": {Lines: Figure{8, 10}, Files: 2},
	} {
		got, err := Read(filepath.Join("testdata/reports", folder), ".", time.Time{})
		want.Source = got.Source
		if err != nil || got.Summary != want || got.Source == "" || len(got.Reports) != 1 {
			t.Errorf("%s: %+v, %v, want %+v", folder, got, err, want)
		}
	}
}

const (
	summaryJSON = `{"total":{"lines":{"total":10,"covered":9,"pct":90},"branches":{"total":4,"covered":1,"pct":"Unknown"}},"/workspace/a.js":{"lines":{"total":10,"covered":9}}}`
	lcovInfo    = "TN:\nSF:a.js\nDA:1,1\nDA:2,0\nend_of_record\n"
	cobertura   = `<?xml version="1.0"?><!DOCTYPE coverage SYSTEM "x"><coverage line-rate="0.5"><packages><package><classes><class filename="a.py"><methods><method><lines><line number="1" hits="1"/></lines></method></methods><lines><line number="1" hits="1"/><line number="2" hits="0"/><line number="3" hits="2" branch="true" condition-coverage="50% (1/2)"/></lines></class></classes></package></packages></coverage>`
	clover      = `<coverage generated="1"><project><metrics conditionals="2" coveredconditionals="1"/><package><metrics conditionals="2" coveredconditionals="1"/><file name="a.php"><line num="1" type="method" count="1"/><line num="2" type="stmt" count="1"/><line num="3" type="stmt" count="0"/><line num="4" type="cond" truecount="1" falsecount="0"/></file></package></project><testproject><file><line num="1" type="stmt" count="1"/></file></testproject></coverage>`
	jacoco      = `<?xml version="1.0"?><!DOCTYPE report PUBLIC "-//JACOCO//DTD Report 1.1//EN" "report.dtd"><report name="shop"><package name="shop"><class name="shop/Cart"><counter type="LINE" missed="9" covered="9"/></class><sourcefile name="Cart.java"><line nr="3" mi="0" ci="2" mb="0" cb="0"/><line nr="4" mi="1" ci="1" mb="1" cb="1"/><line nr="5" mi="1" ci="0" mb="2" cb="0"/><counter type="LINE" missed="1" covered="2"/></sourcefile></package></report>`
	final       = `{"/w/a.js":{"path":"/w/a.js","statementMap":{"0":{"start":{"line":1,"column":0},"end":{"line":1,"column":5}},"1":{"start":{"line":1}},"2":{"start":{"line":2}},"3":{"start":{"line":4}}},"fnMap":{},"branchMap":{"0":{"line":2,"locations":[]}},"s":{"0":0,"1":3,"2":1,"3":0},"f":{},"b":{"0":[1,0]}}}`
	profile     = "mode: atomic\nm/a.go:1.1,2.2 3 1\nm/a.go:3.1,4.2 2 0\n"
)

func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestEachFormat(t *testing.T) {
	for name, c := range map[string]struct {
		file, text string
		want       Summary
	}{
		"istanbul's summary":                    {"coverage-summary.json", summaryJSON, Summary{Figure{9, 10}, Figure{1, 4}, 1, ""}},
		"istanbul's summary without a total":    {"coverage-summary.json", `{"a":{"lines":{"total":2,"covered":1}},"b":{"lines":{"total":2,"covered":2}}}`, Summary{Lines: Figure{3, 4}, Files: 2}},
		"istanbul's summary of nothing":         {"coverage-summary.json", `{"total":{"lines":{"total":0,"covered":0,"pct":"Unknown"}}}`, Summary{}},
		"lcov":                                  {"lcov.info", lcovInfo, Summary{Lines: Figure{1, 2}, Files: 1}},
		"lcov with CRLF, checksums, no TN":      {"a.lcov", "SF:a\r\nDA:1,1,abc==\r\nDA:2,0,abc==\r\nend_of_record\r\n", Summary{Lines: Figure{1, 2}, Files: 1}},
		"lcov with a comment":                   {"lcov.info", "# by hand\n" + lcovInfo, Summary{Lines: Figure{1, 2}, Files: 1}},
		"lcov, a file in two tests":             {"lcov.info", "TN:a\nSF:x\nDA:1,1\nDA:2,0\nBRDA:1,0,0,1\nBRDA:1,0,1,-\nend_of_record\nTN:b\nSF:x\nDA:1,1\nDA:2,5\nBRDA:1,0,0,1\nBRDA:1,0,1,1\nend_of_record\n", Summary{Figure{2, 2}, Figure{2, 2}, 1, ""}},
		"lcov with totals alone":                {"lcov.info", "SF:x\nLF:8\nLH:3\nBRF:4\nBRH:2\nend_of_record\n", Summary{Figure{3, 8}, Figure{2, 4}, 1, ""}},
		"lcov with totals that are wrong":       {"lcov.info", "SF:x\nDA:1,1\nLF:8\nLH:8\nend_of_record\n", Summary{Lines: Figure{1, 1}, Files: 1}},
		"lcov with overflowed counters":         {"lcov.info", "SF:x\nDA:1,-5\nDA:2,1.8e+19\nDA:3,99999999999999999999\nDA:9223372036854775807,1\nend_of_record\n", Summary{Lines: Figure{3, 4}, Files: 1}},
		"lcov of no file":                       {"lcov.info", "TN:\n", Summary{}},
		"cobertura":                             {"coverage.xml", cobertura, Summary{Figure{2, 3}, Figure{1, 2}, 1, ""}},
		"cobertura with totals":                 {"cobertura.xml", strings.Replace(cobertura, "<coverage ", `<coverage lines-covered="7" lines-valid="9" branches-covered="0" branches-valid="0" `, 1), Summary{Figure{7, 9}, Figure{1, 2}, 1, ""}},
		"clover":                                {"clover.xml", clover, Summary{Figure{2, 3}, Figure{1, 2}, 1, ""}},
		"a profile of Go":                       {"cover.out", profile, Summary{Lines: Figure{3, 5}, Files: 1}},
		"a profile of Go, blocks of two tests":  {"c.coverprofile", profile + "m/a.go:3.1,4.2 2 7\n" + profile, Summary{Lines: Figure{5, 5}, Files: 1}},
		"a profile of Go for a path with blank": {"coverage.txt", "mode: set\nm/a b:c.go:1.1,2.2 3 1\n", Summary{Lines: Figure{3, 3}, Files: 1}},
		"a profile of nothing":                  {"cover.out", "mode: set\n", Summary{}},
		"lcov behind a byte order mark":         {"lcov.info", "\uFEFFSF:a.js\nDA:1,1\nend_of_record\n", Summary{Lines: Figure{1, 1}, Files: 1}},
		"lcov with odd names":                   {"lcov.info", "SF:/w/a b.js\nFN:9,g(x, y)\nBRDA:3,e0,0,1\nBRDA:3,0,(a,b),0\nDA:4,1e+20\nDA:4,0\nend_of_record\nSF:C:\\w\\b.js\nDA:1,5\nend_of_record\n", Summary{Figure{2, 2}, Figure{1, 2}, 2, ""}},
		"cobertura with a class in two parts":   {"c.xml", `<coverage line-rate="0"><class filename="A.cs"><lines><line number="1" hits="1"/><line number="2" hits="0"/></lines></class><class filename="A.cs"><lines><line number="2" hits="1"/></lines></class></coverage>`, Summary{Lines: Figure{2, 2}, Files: 1}},
		"JaCoCo":                                {"jacoco.xml", jacoco, Summary{Figure{2, 3}, Figure{1, 4}, 1, ""}},
		"JaCoCo, not all lines listed":          {"jacoco.xml", strings.Replace(jacoco, "</report>", `<counter type="LINE" missed="10" covered="90"/></report>`, 1), Summary{Figure{90, 100}, Figure{1, 4}, 1, ""}},
		"JaCoCo, counters alone":                {"jacoco.xml", `<!DOCTYPE report PUBLIC "-//JACOCO//DTD Report 1.1//EN" "report.dtd"><report name="x"><package name="p"><sourcefile name="A.java"><counter type="LINE" missed="1" covered="3"/></sourcefile></package></report>`, Summary{Lines: Figure{3, 4}, Files: 1}},
		"coverage-final.json":                   {"coverage-final.json", final, Summary{Figure{2, 3}, Figure{1, 2}, 1, ""}},
		"SimpleCov":                             {"coverage.json", `{"meta":{"simplecov_version":"0.22"},"coverage":{"/w/a.rb":{"lines":[1,null,0,"ignored",5],"branches":[{"coverage":1},{"coverage":0}]}},"groups":{}}`, Summary{Figure{2, 3}, Figure{1, 2}, 1, ""}},
		"SimpleCov's results of two commands":   {".resultset.json", `{"RSpec":{"coverage":{"/w/a.rb":{"lines":[1,null,0]}},"timestamp":1},"Minitest":{"coverage":{"/w/a.rb":[0,null,2]},"timestamp":2}}`, Summary{Lines: Figure{2, 2}, Files: 1}},
		"SimpleCov of nothing":                  {"coverage.json", `{"meta":{"simplecov_version":"0.22"},"coverage":{}}`, Summary{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Read(folder(t, map[string]string{c.file: c.text}), ".", time.Time{})
			c.want.Source = c.file
			if err != nil || got.Summary != c.want {
				t.Errorf("%+v, %v, want %+v", got.Summary, err, c.want)
			}
		})
	}
}

func TestADamagedReportIsAnError(t *testing.T) {
	for name, c := range map[string]struct{ file, text, want string }{
		"a truncated summary":          {"coverage-summary.json", summaryJSON[:60], "EOF"},
		"a summary that is not closed": {"coverage-summary.json", summaryJSON[:len(summaryJSON)-1], "EOF"},
		"a summary that is a list":     {"coverage-summary.json", `{"total":[]}`, "total"},
		"truncated lcov":               {"lcov.info", lcovInfo[:20], "ends inside the record of \"a.js\""},
		"lcov with a record in one":    {"lcov.info", "SF:a\nSF:b\n", "has not ended"},
		"lcov with a broken line":      {"lcov.info", "SF:a\nDA:x,1\n", "line 2 is not a line with its count"},
		"lcov with a broken branch":    {"lcov.info", "SF:a\nBRDA:1,1\n", "line 2 is not a branch"},
		"lcov with a broken total":     {"lcov.info", "SF:a\nLF:\n", "line 2 is not a total"},
		"lcov that ends too early":     {"lcov.info", "TN:\nend_of_record\n", "line 2"},
		"truncated cobertura":          {"coverage.xml", cobertura[:200], "damaged"},
		"truncated clover":             {"clover.xml", clover[:100], "damaged"},
		"a truncated profile":          {"cover.out", profile[:len(profile)-6], "line 3 is not a block"},
		"truncated JaCoCo":             {"jacoco.xml", jacoco[:300], "damaged"},
		"a truncated final report":     {"coverage-final.json", final[:90], "EOF"},
		"a truncated SimpleCov":        {"coverage.json", `{"meta":{"simplecov_version":"0.22"},"coverage":{"a":`, "EOF"},
		"a profile with other things":  {"cover.out", profile + "PASS\n", "line 4 is not a block of a profile: \"PASS\""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read(folder(t, map[string]string{c.file: c.text, "z/lcov.info": lcovInfo}), ".", time.Time{})
			var broken *ReportError
			if !errors.As(err, &broken) || !strings.Contains(err.Error(), c.want) || broken.Report != c.file ||
				broken.Hint() == "" {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestAFolderWithoutAReport(t *testing.T) {
	root := folder(
		t,
		map[string]string{
			"junit.xml":             "<testsuites/>",
			"other.xml":             "<report><coverage/></report>",
			"lcov-report/lcov.info": lcovInfo,
		},
	)
	outside := folder(t, map[string]string{"lcov.info": lcovInfo})
	if err := os.Symlink(filepath.Join(outside, "lcov.info"), filepath.Join(root, "lcov.info")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(root, "linked")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(root, "cover.out"), 0o644); err != nil {
		t.Fatal(err)
	}
	var none *NotFoundError
	if got, err := Read(root, ".", time.Time{}); !errors.As(err, &none) || none.Hint() == "" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := Read(filepath.Join(root, "missing"), ".", time.Time{}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestFilesThatCannotBeReadAreNamed(t *testing.T) {
	for file, want := range map[string]string{
		".coverage": "coverage xml", "target/jacoco.exec": "XML", "x.profraw": "llvm-cov", "a.gcda": "lcov", "r.coverage": "cobertura",
		".last_run.json": "simplecov_json_formatter", "coverage.opencover.xml": "cobertura", "a.c.gcov": "lcov",
	} {
		_, err := Read(folder(t, map[string]string{file: "\x00binary"}), ".", time.Time{})
		var none *NotFoundError
		if !errors.As(err, &none) || !strings.Contains(err.Error(), file) || !strings.Contains(none.Hint(), want) {
			t.Errorf("%s: %v, %v", file, err, none.Hint())
		}
	}
}

func TestJSONOfOtherToolsIsNamed(t *testing.T) {
	for text, want := range map[string]string{
		`{"meta":{"format":2,"version":"7.0"},"files":{"a.py":{"executed_lines":[1],"missing_lines":[2]}}}`: "coverage.py",
		`{"data":[{"files":[]}],"type":"llvm.coverage.json.export","version":"2.0.1"}`:                      "LLVM",
	} {
		_, err := Read(folder(t, map[string]string{"coverage.json": text}), ".", time.Time{})
		var none *NotFoundError
		if !errors.As(err, &none) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// What is not read is listed beside what is, and all of it where nothing is.
func TestAllThatIsNotReadIsListed(t *testing.T) {
	files := map[string]string{".coverage": "SQLite", "target/jacoco.exec": "x"}
	if _, err := Read(folder(t, files), ".", time.Time{}); err == nil || !strings.Contains(err.Error(), ".coverage") ||
		!strings.Contains(err.Error(), "jacoco.exec") {
		t.Error(err)
	}
	files["lcov.info"] = lcovInfo
	got, err := Read(folder(t, files), ".", time.Time{})
	if want := ".coverage unread, lcov.info merged, target/jacoco.exec unread"; err != nil || uses(got) != want {
		t.Errorf("%s, %v; want %s", uses(got), err, want)
	}
}

func TestASingleFile(t *testing.T) {
	root := folder(t, map[string]string{"coverage.xml": cobertura, "lcov.info": lcovInfo})
	got, err := Read(filepath.Join(root, "coverage.xml"), root, time.Time{})
	if err != nil || got.Lines != (Figure{2, 3}) || len(got.Reports) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestFloor(t *testing.T) {
	of := func(covered, total int64) Summary { return Summary{Lines: Figure{covered, total}, Source: "lcov.info"} }
	for name, c := range map[string]struct {
		floor         Floor
		now, previous Summary
		want          string // "" for high enough
	}{
		"none":                                 {Floor{}, of(0, 100), of(100, 100), ""},
		"met":                                  {Floor{Minimum: 80}, of(80, 100), Summary{}, ""},
		"missed":                               {Floor{Minimum: 80}, of(782, 1000), Summary{}, "line coverage 78.2 % is under the floor of 80 %"},
		"missed by very little":                {Floor{Minimum: 80}, of(79_999, 100_000), Summary{}, "line coverage 79.9 % is under the floor of 80 %"},
		"of no line":                           {Floor{Minimum: 80}, of(0, 0), Summary{}, "lcov.info has no lines, which is under the floor of 80 %"},
		"a drop that is allowed":               {Floor{Drop: 2}, of(80, 100), of(82, 100), ""},
		"a drop that is not":                   {Floor{Drop: 2}, of(751, 1000), of(782, 1000), "line coverage fell by 3.1 points to 75.1 %, more than the 2 points allowed"},
		"a drop by very little more":           {Floor{Drop: 2}, of(79_999, 100_000), of(82, 100), "line coverage fell by 2.1 points to 79.9 %, more than the 2 points allowed"},
		"a rise":                               {Floor{Drop: 2}, of(90, 100), of(50, 100), ""},
		"no previous run":                      {Floor{Drop: 2}, of(10, 100), Summary{}, ""},
		"both missed: the minimum comes first": {Floor{Minimum: 80, Drop: 2}, of(10, 100), of(90, 100), "line coverage 10 % is under the floor of 80 %"},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.floor.Check(c.now, c.previous)
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var under *FloorError
			if !errors.As(err, &under) || err.Error() != c.want || under.Hint() == "" {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
	if hint := (&FloorError{Summary: of(782, 1000), Floor: Floor{Minimum: 80}}).Hint(); !strings.Contains(
		hint,
		"18 more lines",
	) {
		t.Error(hint)
	}
}

func TestChangeIsInPercentagePoints(t *testing.T) {
	now := Summary{Lines: Figure{3, 4}, Branches: Figure{1, 2}}
	if got := now.Change(Summary{Lines: Figure{1, 2}}); got != (Change{Lines: 25}) {
		t.Errorf("%+v", got)
	}
}

// Reading any report ends, and its figures are possible.
func FuzzRead(f *testing.F) {
	for _, text := range []string{summaryJSON, lcovInfo, cobertura, clover, jacoco, final, profile, "SF:a\nLF:1\nLH:9\nend_of_record\n", `{"a":{"coverage":{"b":[1]}}}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for rank, format := range formats() {
			r := found{path: "a", rank: rank, data: newData()}
			if format.read(strings.NewReader(string(text)), r.data) != nil {
				continue
			}
			m := newMerger(newNames("/", "/", false))
			m.merge(r)
			got := m.result()
			figures := []Figure{got.Lines, got.Branches}
			for _, f := range got.Folders {
				figures = append(figures, f.Lines, f.Branches)
			}
			for _, figure := range figures {
				if figure.Covered < 0 || figure.Covered > figure.Total || figure.Percent() < 0 ||
					figure.Percent() > 100 {
					t.Errorf("%s: %+v of %q", format.name, got, text)
				}
			}
		}
	})
}

func largeLcov(n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "TN:\nSF:/workspace/src/file%d.ts\n", n)
	for i := range 300 {
		fmt.Fprintf(&b, "DA:%d,%d\n", i+1, i%3)
	}
	b.WriteString("LF:300\nLH:200\nend_of_record\n")
	return b.String()
}

func BenchmarkLcov(b *testing.B) {
	text := largeLcov(1) + largeLcov(2) + largeLcov(3)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		d := newData()
		if err := readLcov(strings.NewReader(text), d); err != nil || d.listed.Lines != (Figure{600, 900}) {
			b.Fatal(d.listed, err)
		}
	}
}
