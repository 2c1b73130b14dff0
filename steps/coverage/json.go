package coverage

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
)

// eachEntry reads a JSON object an entry at a time: reports are larger than what should be held of them.
func eachEntry(d *json.Decoder, what string, entry func(name string) error) error {
	if token, err := d.Token(); err != nil || token != json.Delim('{') {
		return errors.Join(fmt.Errorf("it is not an object of %s", what), err)
	}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string)
		if err := entry(name); err != nil {
			return fmt.Errorf("%.100q: %w", name, err)
		}
	}
	_, err := d.Token() // the end
	return err
}

// readSummary reads istanbul's coverage-summary.json: totals of files, and of all files.
func readSummary(in io.Reader, d *data) error {
	j := json.NewDecoder(in)
	return eachEntry(j, "files", func(name string) error {
		var entry struct {
			Lines, Branches struct{ Total, Covered int64 }
		}
		if err := j.Decode(&entry); err != nil {
			return err
		}
		s := Summary{
			Lines:    clamp(entry.Lines.Covered, entry.Lines.Total),
			Branches: clamp(entry.Branches.Covered, entry.Branches.Total),
		}
		if name == "total" {
			d.stated = s
			return nil
		}
		d.state(d.file([]byte(name)), s)
		return nil
	})
}

// readFinal reads istanbul's coverage-final.json. A line is that of a statement's start, as istanbul counts lines.
func readFinal(in io.Reader, d *data) error {
	type location struct{ Start struct{ Line int64 } }
	j := json.NewDecoder(in)
	return eachEntry(j, "files", func(name string) error {
		var entry struct {
			StatementMap map[string]location
			S            map[string]float64
			BranchMap    map[string]struct {
				Loc  location
				Line int64
			}
			B map[string][]float64
		}
		if err := j.Decode(&entry); err != nil {
			return err
		}
		f := d.file([]byte(name))
		for id, at := range entry.StatementMap {
			d.line(f, at.Start.Line, entry.S[id] > 0)
		}
		next := map[int64]int{}
		for _, id := range slices.SortedFunc(maps.Keys(entry.B), compareNumbers) {
			line := entry.BranchMap[id].Line
			if line == 0 {
				line = entry.BranchMap[id].Loc.Start.Line
			}
			for _, taken := range entry.B[id] {
				d.branch(f, line, min(next[line], maxBranches), taken > 0)
				next[line]++
			}
		}
		return nil
	})
}

// compareNumbers orders keys of JSON objects that are numbers.
func compareNumbers(a, b string) int {
	x, _ := strconv.Atoi(a)
	y, _ := strconv.Atoi(b)
	return x - y
}

// simplecovFile is a file of SimpleCov: an object with its lines, or in old versions the lines alone.
type simplecovFile struct {
	lines    []any // hits by line, null for none
	branches int64
	taken    int64
}

func (f *simplecovFile) UnmarshalJSON(text []byte) error {
	if json.Unmarshal(text, &f.lines) == nil {
		return nil
	}
	var object struct {
		Lines    []any
		Branches json.RawMessage
	}
	if err := json.Unmarshal(text, &object); err != nil {
		return err
	}
	f.lines = object.Lines
	f.countBranches(object.Branches)
	return nil
}

// countBranches counts a list of branches, or a mapping from conditions to their branches' counts.
func (f *simplecovFile) countBranches(text json.RawMessage) {
	var list []struct{ Coverage any }
	var byCondition map[string]map[string]any
	add := func(count any) {
		n, isNumber := count.(float64)
		if !isNumber {
			return
		}
		f.branches++
		if n > 0 {
			f.taken++
		}
	}
	if json.Unmarshal(text, &list) == nil {
		for _, b := range list {
			add(b.Coverage)
		}
		return
	}
	if json.Unmarshal(text, &byCondition) == nil {
		for _, branches := range byCondition {
			for _, count := range branches {
				add(count)
			}
		}
	}
}

// readSimplecov reads SimpleCov's coverage.json, or its .resultset.json with a result for each test command.
func readSimplecov(in io.Reader, d *data) error {
	j := json.NewDecoder(in)
	files := func() error {
		return eachEntry(j, "files", func(name string) error {
			var entry simplecovFile
			if err := j.Decode(&entry); err != nil {
				return err
			}
			f := d.file([]byte(name))
			for i, hits := range entry.lines {
				if n, isNumber := hits.(float64); isNumber { // null: not code; "ignored": by a comment
					d.line(f, int64(i)+1, n > 0)
				}
			}
			d.state(f, Summary{Branches: clamp(entry.taken, entry.branches)})
			return nil
		})
	}
	skip := func() error { return j.Decode(new(json.RawMessage)) }
	return eachEntry(j, "results", func(name string) error {
		switch name {
		case "coverage":
			return files()
		case "meta", "groups", "total", "errors":
			return skip()
		}
		return eachEntry(j, "a result", func(name string) error { // of a test command
			if name == "coverage" {
				return files()
			}
			return skip()
		})
	})
}
