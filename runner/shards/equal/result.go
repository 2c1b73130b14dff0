package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// result is what a run has found. Reports are read here anew: what is compared must not depend on the runner's own
// reading of them.
type result struct {
	Passed  bool    `json:"passed"`
	Reason  string  `json:"reason"`
	Seconds float64 `json:"duration_seconds"`
	Tests   struct {
		Total, Failed, Errored, Skipped int
	} `json:"tests"`
	Coverage struct {
		Lines, Branches struct{ Covered, Total int64 }
		Files           int
	} `json:"coverage"`
	Shards []struct{ Seconds float64 } `json:"shards"`

	cases map[string]int  // how often each test ended in which way
	lines map[string]bool // whether each line of the sources is covered
}

func (r result) slowest() (seconds float64) {
	for _, s := range r.Shards {
		seconds = max(seconds, s.Seconds)
	}
	return seconds
}

// readResult reads the record of the only run in a store, its reports and its coverage.
func readResult(store, sha, dir string) (r result, err error) {
	runs, err := filepath.Glob(filepath.Join(store, "runs", branch, sha, "test", "*", "finished.json"))
	if err != nil || len(runs) != 1 {
		return r, fmt.Errorf("%d records of a run are in %s", len(runs), store)
	}
	text, err := os.ReadFile(runs[0])
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		return r, err
	}
	r.cases, r.lines = map[string]int{}, map[string]bool{}
	err = eachFile(filepath.Join(filepath.Dir(runs[0]), "junit"), func(name string) error { return r.readCases(name) })
	if err != nil {
		return r, err
	}
	sources := source{dir, moduleOf(dir)}
	set := filepath.Join(store, "coverage", branch, sha)
	if one := filepath.Join(set, "lcov.info"); exists(one) { // of all shards, or of the whole run
		return r, r.readLcov(one, sources)
	}
	return r, eachFile(set, func(name string) error {
		if filepath.Ext(name) == ".out" {
			return r.readProfile(name, sources)
		}
		return nil
	})
}

func exists(name string) bool { _, err := os.Stat(name); return err == nil }

// eachFile calls do for the files below a folder.
func eachFile(dir string, do func(name string) error) error {
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		return do(name)
	})
}

// readCases counts the tests of a JUnit report.
func (r *result) readCases(name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	d := xml.NewDecoder(file)
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "testcase" {
			continue
		}
		var test struct {
			Name    string    `xml:"name,attr"`
			Class   string    `xml:"classname,attr"`
			File    string    `xml:"file,attr"`
			Failure *struct{} `xml:"failure"`
			Error   *struct{} `xml:"error"`
			Skipped *struct{} `xml:"skipped"`
		}
		if err := d.DecodeElement(&test, &start); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		state := "passed"
		for word, has := range map[string]bool{"failed": test.Failure != nil, "errored": test.Error != nil, "skipped": test.Skipped != nil} {
			if has {
				state = word
			}
		}
		r.cases[strings.Join([]string{test.File, test.Class, test.Name, state}, " › ")]++
	}
}

// source is where the sources are.
type source struct{ dir, module string }

// name is a source file relative to the project.
func (s source) name(text string) string {
	for _, prefix := range []string{s.dir + "/", s.module} {
		if rest, ok := strings.CutPrefix(text, prefix); ok && prefix != "" {
			return rest
		}
	}
	return path.Clean(text)
}

func (r *result) line(file string, number int, hit bool) {
	key := fmt.Sprintf("%s:%d", file, number)
	r.lines[key] = r.lines[key] || hit
}

func (r *result) readLcov(name string, s source) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	file := ""
	for row := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(row), ":")
		switch key {
		case "SF":
			file = s.name(value)
		case "DA":
			number, hits, _ := strings.Cut(value, ",")
			n, err := strconv.Atoi(number)
			if err != nil {
				return fmt.Errorf("%s: %q", name, row)
			}
			r.line(file, n, strings.TrimLeft(hits, "0") != "")
		}
	}
	return nil
}

// readProfile reads a profile of Go: a line is covered if a block on it is.
func (r *result) readProfile(name string, s source) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	for row := range strings.Lines(string(text)) {
		var from, to, column, statements, hits int
		at := strings.LastIndexByte(row, ':')
		if strings.HasPrefix(row, "mode:") || at < 0 {
			continue
		}
		if _, err := fmt.Sscanf(row[at+1:], "%d.%d,%d.%d %d %d", &from, &column, &to, &column, &statements, &hits); err != nil {
			return fmt.Errorf("%s: %q", name, row)
		}
		for n := from; n <= to && statements > 0; n++ {
			r.line(s.name(row[:at]), n, hits > 0)
		}
	}
	return nil
}

// compare says how another result differs; nothing if it is the same.
func (r result) compare(o result) (differences []string) {
	differ := func(what string, a, b any) {
		if a != b {
			differences = append(differences, fmt.Sprintf("%s: %v in one run, %v merged", what, a, b))
		}
	}
	differ("passed", r.Passed, o.Passed)
	differ("reason", r.Reason, o.Reason)
	differ("tests", r.Tests, o.Tests)
	differ("coverage", r.Coverage, o.Coverage)
	differences = append(differences, differing("test", r.cases, o.cases)...)
	return append(differences, differing("line", r.lines, o.lines)...)
}

// differing lists the first few keys that differ.
func differing[V comparable](what string, a, b map[string]V) (list []string) {
	const most = 5
	all := maps.Clone(a)
	maps.Copy(all, b)
	n := 0
	for _, key := range slices.Sorted(maps.Keys(all)) {
		one, inOne := a[key]
		two, inTwo := b[key]
		if inOne == inTwo && one == two {
			continue
		}
		if n++; n <= most {
			list = append(list, fmt.Sprintf("%s %s: %v in one run, %v merged", what, key, one, two))
		}
	}
	if n > most {
		list = append(list, fmt.Sprintf("and %d more of %d", n-most, len(all)))
	}
	return list
}
