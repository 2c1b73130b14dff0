package coverage

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// lcovOf is a report of one file whose first lines are covered.
func lcovOf(name string, covered, total int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "TN:\nSF:%s\n", name)
	for i := range total {
		hits := 0
		if i < covered {
			hits = 1
		}
		fmt.Fprintf(&b, "DA:%d,%d\n", i+1, hits)
	}
	return b.String() + "end_of_record\n"
}

// coberturaOf is a report of lines of one file; those from first to last are covered.
func coberturaOf(source, name string, first, last, total int) string {
	var b strings.Builder
	fmt.Fprintf(
		&b,
		`<?xml version="1.0"?><coverage line-rate="0.5" lines-covered="%d" lines-valid="%d"><sources><source>%s</source></sources><packages><package><classes><class filename="%s"><lines>`,
		last-first+1,
		total,
		source,
		name,
	)
	for i := range total {
		hits := 0
		if i >= first && i <= last {
			hits = 1
		}
		fmt.Fprintf(&b, `<line number="%d" hits="%d"/>`, i, hits)
	}
	return b.String() + "</lines></class></classes></package></packages></coverage>"
}

// uses is what became of the reports, as text.
func uses(r Result) string {
	var all []string
	for _, report := range r.Reports {
		all = append(all, report.Path+" "+string(report.Use))
	}
	return strings.Join(all, ", ")
}

func TestReportsAreMerged(t *testing.T) {
	goProfileOf := func(counts ...int) string {
		text := "mode: set\n"
		for i, n := range counts {
			text += fmt.Sprintf("example.com/m/a.go:%d.1,%d.2 5 %d\n", i+1, i+1, n)
		}
		return text
	}
	for name, c := range map[string]struct {
		files map[string]string
		want  Figure
		uses  string
	}{
		"different files of one folder": {
			map[string]string{"coverage/a.lcov": lcovOf("a.js", 10, 10), "coverage/b.lcov": lcovOf("b.js", 0, 90)},
			Figure{10, 100},
			"a.lcov merged, b.lcov merged",
		},
		"different files of one folder, cobertura": {
			map[string]string{"coverage/a.xml": coberturaOf("/w", "a.py", 0, 9, 10), "coverage/b.xml": coberturaOf("/w", "b.py", 0, -1, 90)},
			Figure{10, 100},
			"a.xml merged, b.xml merged",
		},
		"several levels": {
			map[string]string{"coverage/lcov.info": lcovOf("tools/x.js", 10, 10), "coverage/packages/a/lcov.info": lcovOf("a.js", 0, 90)},
			Figure{10, 100},
			"lcov.info merged, packages/a/lcov.info merged",
		},
		"the same file of two test projects": {
			map[string]string{
				"coverage/1111/coverage.cobertura.xml": coberturaOf("/w/", "Lib/A.cs", 0, 49, 100),
				"coverage/2222/coverage.cobertura.xml": coberturaOf("/w/", "Lib/A.cs", 50, 99, 100),
			},
			Figure{100, 100},
			"1111/coverage.cobertura.xml merged, 2222/coverage.cobertura.xml merged",
		},
		"the same relative file, known by its lines": {
			map[string]string{"coverage/unit/lcov.info": lcovOf("src/a.js", 2, 10), "coverage/e2e/lcov.info": lcovOf("src/a.js", 7, 10)},
			Figure{7, 10},
			"e2e/lcov.info merged, unit/lcov.info merged",
		},
		"different files of one relative name": {
			map[string]string{"coverage/a/lcov.info": lcovOf("src/index.js", 2, 10), "coverage/b/lcov.info": lcovOf("src/index.js", 5, 20)},
			Figure{7, 30},
			"a/lcov.info merged, b/lcov.info merged",
		},
		"the same file in the sources, with other lines": {
			map[string]string{
				"src/a.js": "", "coverage/unit/lcov.info": lcovOf("src/a.js", 10, 10), "coverage/e2e/lcov.info": lcovOf("src/a.js", 2, 20),
			},
			Figure{10, 20},
			"e2e/lcov.info merged, unit/lcov.info merged",
		},
		"reports of packages, gathered in one folder": {
			map[string]string{
				"packages/a/src/index.js": "", "packages/b/src/index.js": "", "src/index.js": "",
				"coverage/a/lcov.info": lcovOf("src/index.js", 10, 10), "coverage/b/lcov.info": lcovOf("src/index.js", 0, 10),
			},
			Figure{10, 20},
			"a/lcov.info merged, b/lcov.info merged",
		},
		"reports gathered under the paths of their packages": {
			map[string]string{
				"libs/a/src/index.js": "", "apps/a/src/index.js": "",
				"coverage/libs/a/lcov.info": lcovOf("src/index.js", 10, 10), "coverage/apps/a/lcov.info": lcovOf("src/index.js", 0, 10),
			},
			Figure{10, 20},
			"apps/a/lcov.info merged, libs/a/lcov.info merged",
		},
		"two formats of one run, gathered": {
			map[string]string{
				"libs/a/src/index.js": "", "coverage/libs/a/lcov.info": lcovOf("src/index.js", 3, 10),
				"coverage/libs/a/cobertura.xml": coberturaOf("", "src/index.js", 1, 3, 11),
			},
			Figure{3, 10},
			"libs/a/cobertura.xml duplicate, libs/a/lcov.info merged",
		},
		"profiles of Go": {
			map[string]string{"coverage/unit.out": goProfileOf(1, 0, 0), "coverage/e2e.out": goProfileOf(0, 1, 0)},
			Figure{10, 15},
			"e2e.out merged, unit.out merged",
		},
		"two formats of one run": {
			map[string]string{
				"coverage/lcov.info":             lcovOf("/w/a.js", 3, 10),
				"coverage/clover.xml":            `<coverage generated="1"><project><file path="/w/a.js">` + cloverLines(3, 10) + `<line num="11" type="cond" truecount="0" falsecount="0"/></file></project></coverage>`,
				"coverage/coverage-summary.json": `{"total":{"lines":{"total":10,"covered":3}},"/w/a.js":{"lines":{"total":10,"covered":3}}}`,
			},
			Figure{3, 10},
			"clover.xml duplicate, coverage-summary.json duplicate, lcov.info merged",
		},
		"two formats of one run under shortened names": {
			map[string]string{"coverage/lcov.info": lcovOf("src/lib/a.py", 3, 10), "coverage/coverage.xml": strings.Replace(coberturaOf("", "lib/a.py", 1, 3, 11), `<line number="0" hits="0"/>`, "", 1)},
			Figure{3, 10},
			"coverage.xml duplicate, lcov.info merged",
		},
		"a profile of Go and what was converted from it": {
			map[string]string{"coverage/c.out": goProfileOf(1, 0), "coverage/c.xml": coberturaOf("", "a.go", 0, 4, 10)},
			Figure{5, 10},
			"c.out duplicate, c.xml merged",
		},
		"two runs in two formats": {
			map[string]string{"coverage/lcov.info": lcovOf("/w/a.js", 3, 10), "coverage/cobertura.xml": coberturaOf("/w", "a.js", 5, 9, 10)},
			Figure{8, 11},
			"cobertura.xml merged, lcov.info merged",
		},
		"a summary of files that no other report has": {
			map[string]string{"coverage/lcov.info": lcovOf("/w/a.js", 3, 10), "coverage/web/coverage-summary.json": `{"total":{"lines":{"total":5,"covered":5}},"/w/b.js":{"lines":{"total":5,"covered":5}}}`},
			Figure{8, 15},
			"lcov.info merged, web/coverage-summary.json merged",
		},
		"a copy of a report": {
			map[string]string{"coverage/lcov.info": lcovOf("a.js", 3, 10), "coverage/copy/lcov.info": lcovOf("a.js", 3, 10)},
			Figure{3, 10},
			"copy/lcov.info merged, lcov.info merged",
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := folder(t, c.files)
			got, err := Read(filepath.Join(root, "coverage"), root, time.Time{})
			if err != nil || got.Lines != c.want || uses(got) != c.uses {
				t.Errorf("%+v of %s, %v; want %+v of %s", got.Lines, uses(got), err, c.want, c.uses)
			}
		})
	}
}

func cloverLines(covered, total int) string {
	var b strings.Builder
	for i := range total {
		hits := 0
		if i < covered {
			hits = 1
		}
		fmt.Fprintf(&b, `<line num="%d" type="stmt" count="%d"/>`, i+1, hits)
	}
	return b.String()
}

func TestEachReportIsCheckedForItsAge(t *testing.T) {
	now := time.Now()
	root := folder(
		t,
		map[string]string{
			"a/lcov.info":  lcovOf("a.js", 10, 10),
			"b/lcov.info":  lcovOf("b.js", 100, 100),
			"c/broken.xml": cobertura[:200],
		},
	)
	old := func(names ...string) {
		for _, name := range names {
			if err := os.Chtimes(filepath.Join(root, name), now, now.Add(-time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
	}
	old("b/lcov.info", "c/broken.xml")
	got, err := Read(root, root, now.Add(-time.Minute))
	if err != nil || got.Lines != (Figure{10, 10}) ||
		uses(got) != "a/lcov.info merged, b/lcov.info stale, c/broken.xml stale" ||
		strings.Join(got.Stale(), " ") != "b/lcov.info c/broken.xml" {
		t.Errorf("%+v, %v", got, err)
	}
	old("a/lcov.info")
	_, err = Read(root, root, now.Add(-time.Minute))
	if err == nil ||
		!strings.Contains(err.Error(), "is older than the command: a/lcov.info, b/lcov.info, c/broken.xml") {
		t.Error(err)
	}
}

func TestAModuleOfGoIsNamedByItsFolders(t *testing.T) {
	root := folder(
		t,
		map[string]string{
			"go.mod":         "module example.com/m\n",
			"coverage/c.out": "mode: set\nexample.com/m/pkg/a.go:1.1,2.2 3 1\nother.com/x/b.go:1.1,2.2 1 1\n",
		},
	)
	got, err := Read(filepath.Join(root, "coverage"), root, time.Time{})
	if err != nil || folderText(got.Folders) != "other.com/x 1/1, pkg 3/3" {
		t.Errorf("%s, %v", folderText(got.Folders), err)
	}
}

// Whatever the reports are called and in whatever order they are found, they give the same figures; merged, these are
// at least those of each report and at most those of all together.
func TestMergingReportsIsIndependentOfTheirOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 60 {
		var texts []string
		extension := []string{"info", "xml", "out"}[random.IntN(3)]
		for range 2 + random.IntN(3) {
			texts = append(texts, randomReport(random, extension))
		}
		var first Summary
		var most, sum Figure
		for _, text := range texts {
			one := read(t, map[string]string{"r." + extension: text})
			most, sum = most.atLeast(one.Lines), sum.plus(one.Lines)
		}
		for order := range 4 {
			files := map[string]string{}
			for i, text := range texts {
				files[fmt.Sprintf("r%d.%s", i, extension)] = text
			}
			got := read(t, files)
			got.Source = ""
			if order == 0 {
				first = got
			}
			if got != first {
				t.Fatalf("round %d: %+v in one order, %+v in another", round, first, got)
			}
			random.Shuffle(len(texts), func(i, j int) { texts[i], texts[j] = texts[j], texts[i] })
		}
		if first.Lines.Covered < most.Covered || first.Lines.Total < most.Total || first.Lines.Covered > sum.Covered ||
			first.Lines.Total > sum.Total {
			t.Errorf("round %d: %+v; each report has at most %+v, all have %+v", round, first.Lines, most, sum)
		}
	}
}

// Reports of several formats give exactly the union of their lines: one that any of them covers is covered.
func TestMergedReportsOfSeveralFormatsAreTheirUnion(t *testing.T) {
	for seed := range uint64(80) {
		random := rand.New(rand.NewPCG(seed, 3))
		files, union := map[string]string{}, map[string]bool{}
		var most Figure
		for n := range 2 + random.IntN(4) {
			lines := map[string]bool{} // "file:line", covered
			for file := range 3 {
				for line := 1; line < 30; line += 1 + random.IntN(4) {
					lines[fmt.Sprintf("/w/f%d.x:%d", file, line)] = random.IntN(2) == 0
				}
			}
			var covered int64
			for line, hit := range lines {
				union[line] = union[line] || hit
				if hit {
					covered++
				}
			}
			most = most.atLeast(Figure{covered, int64(len(lines))})
			extension, text := formatted(random.IntN(4), lines)
			files[fmt.Sprintf("coverage/r%d/%s", n, extension)] = text
		}
		want := Figure{Total: int64(len(union))}
		for _, hit := range union {
			if hit {
				want.Covered++
			}
		}
		root := folder(t, files)
		got, err := Read(filepath.Join(root, "coverage"), root, time.Time{})
		if err != nil || got.Lines != want || got.Lines.atLeast(most) != got.Lines {
			t.Fatalf("seed %d: %+v of %s, %v; the union is %+v, each has at most %+v", seed, got.Lines, uses(got), err, want, most)
		}
	}
}

// formatted writes lines as a report in one of four formats, under the name that the tool gives it.
func formatted(format int, lines map[string]bool) (name, text string) {
	byFile := map[string][]string{}
	for _, line := range slices.Sorted(maps.Keys(lines)) {
		file, number, _ := strings.Cut(line, ":")
		hits := 0
		if lines[line] {
			hits = 2
		}
		var entry string
		switch format {
		case 0:
			entry = fmt.Sprintf("DA:%s,%d\n", number, hits)
		case 1:
			entry = fmt.Sprintf(`<line number="%s" hits="%d"/>`, number, hits)
		case 2:
			entry = fmt.Sprintf(`<line num="%s" type="stmt" count="%d"/>`, number, hits)
		default:
			at := fmt.Sprintf(`"%s":{"start":{"line":%s,"column":0},"end":{"line":%s,"column":9}}`, number, number, number)
			entry = fmt.Sprintf(`%s %s:%d`, at, `"`+number+`"`, hits)
		}
		byFile[file] = append(byFile[file], entry)
	}
	var b strings.Builder
	for _, file := range slices.Sorted(maps.Keys(byFile)) {
		switch entries := byFile[file]; format {
		case 0:
			fmt.Fprintf(&b, "SF:%s\n%send_of_record\n", file, strings.Join(entries, ""))
		case 1:
			fmt.Fprintf(&b, `<class filename="%s"><lines>%s</lines></class>`, file, strings.Join(entries, ""))
		case 2:
			fmt.Fprintf(&b, `<file path="%s">%s</file>`, file, strings.Join(entries, ""))
		default:
			var places, hits []string
			for _, entry := range entries {
				place, hit, _ := strings.Cut(entry, " ")
				places, hits = append(places, place), append(hits, hit)
			}
			if b.Len() > 0 {
				b.WriteString(",")
			}
			fmt.Fprintf(&b, `"%[1]s":{"path":"%[1]s","statementMap":{%[2]s},"s":{%[3]s},"branchMap":{},"b":{},"fnMap":{},"f":{}}`,
				file, strings.Join(places, ","), strings.Join(hits, ","))
		}
	}
	switch format {
	case 0:
		return "lcov.info", "TN:\n" + b.String()
	case 1:
		return "cobertura.xml", `<coverage line-rate="0"><packages><package><classes>` + b.String() + `</classes></package></packages></coverage>`
	case 2:
		return "clover.xml", `<coverage generated="1"><project>` + b.String() + `</project></coverage>`
	}
	return "coverage-final.json", "{" + b.String() + "}"
}

func read(t *testing.T, files map[string]string) Summary {
	t.Helper()
	got, err := Read(folder(t, files), "/w", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return got.Summary
}

// randomReport is a report of a few files under absolute names, with random lines.
func randomReport(random *rand.Rand, extension string) string {
	var b strings.Builder
	for file := range 3 {
		if random.IntN(4) == 0 {
			continue
		}
		name := fmt.Sprintf("/w/f%d.x", file)
		switch extension {
		case "info":
			fmt.Fprintf(&b, "SF:%s\n", name)
		case "xml":
			fmt.Fprintf(&b, `<class filename="%s">`, name)
		}
		for line := 1; line < 20; line += 1 + random.IntN(3) {
			hits := random.IntN(2)
			switch extension {
			case "info":
				fmt.Fprintf(&b, "DA:%d,%d\n", line, hits)
			case "xml":
				fmt.Fprintf(&b, `<line number="%d" hits="%d"/>`, line, hits)
			default:
				fmt.Fprintf(&b, "%s:%d.1,%d.9 1 %d\n", name, line, line, hits)
			}
		}
		switch extension {
		case "info":
			b.WriteString("end_of_record\n")
		case "xml":
			b.WriteString("</class>")
		}
	}
	switch extension {
	case "info":
		return "TN:\n" + b.String()
	case "xml":
		return `<coverage line-rate="0">` + b.String() + "</coverage>"
	}
	return "mode: set\n" + b.String()
}

// The memory for reports is bounded: what is beyond is counted all the same.
func TestAHugeReportIsCountedBeyondTheBounds(t *testing.T) {
	var b strings.Builder
	const files = maxFiles + 1000
	for i := range files {
		fmt.Fprintf(&b, "SF:/w/src/file%d.ts\nDA:1,1\nDA:2,0\nend_of_record\n", i)
	}
	b.WriteString("SF:/w/huge.ts\nDA:900000000,1\nend_of_record\n")
	got := read(t, map[string]string{"lcov.info": b.String()})
	if got.Lines != (Figure{files + 1, 2*files + 1}) || got.Files != files+1 {
		t.Errorf("%+v", got)
	}
}
