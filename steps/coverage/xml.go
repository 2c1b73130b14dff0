package coverage

import (
	"bytes"
	"hash/maphash"
	"io"

	"github.com/carlin-cicd/runner/steps/markup"
)

// Cobertura and clover have the same root; cobertura's bears its rates.
func isCobertura(head []byte) bool {
	root := rootTag(head)
	return root != nil && bytes.Contains(root, []byte("line-rate="))
}

func isClover(head []byte) bool {
	root := rootTag(head)
	return root != nil && !bytes.Contains(root, []byte("line-rate="))
}

// rootTag is the tag that a coverage report begins with, nil of anything else.
func rootTag(head []byte) []byte {
	n := bytes.Index(head, []byte("<coverage"))
	if n < 0 || bytes.Contains(head[:n], []byte("<report")) || bytes.Contains(head[:n], []byte("<test")) {
		return nil
	}
	tag, _, _ := bytes.Cut(head[n:], []byte(">"))
	return tag
}

// readCobertura takes the totals that the root states, else those of the lines of classes. The lines of their methods
// are the same ones again.
func readCobertura(in io.Reader) (Summary, error) {
	var stated, counted Summary
	files := map[uint64]struct{}{}
	seed := maphash.MakeSeed()
	methods := 0 // that we are inside of
	s := markup.New(markup.UTF8(in))
	for s.Next() {
		name := string(s.Name())
		switch {
		case s.Kind() == markup.End && name == "methods":
			methods--
		case s.Kind() != markup.Start:
		case name == "coverage":
			stated.Lines = figure(s, "lines-covered", "lines-valid")
			stated.Branches = figure(s, "branches-covered", "branches-valid")
		case name == "methods":
			methods++
		case name == "class":
			files[maphash.Bytes(seed, s.Attr("filename"))] = struct{}{}
		case name == "line" && methods == 0:
			n, _ := parseCount(s.Attr("hits"))
			counted.Lines.count(1, n > 0)
			counted.Branches = counted.Branches.plus(conditions(s.Attr("condition-coverage")))
		}
	}
	if err := s.Err(); err != nil {
		return Summary{}, err
	}
	if stated.Lines.Total == 0 {
		stated.Lines = counted.Lines
	}
	if stated.Branches.Total == 0 {
		stated.Branches = counted.Branches
	}
	stated.Files = len(files)
	return stated, nil
}

// readClover counts lines, as the totals that clover states are of statements. Those of branches it takes, of the
// project: packages and files have theirs as well. Code that only tests is left out.
func readClover(in io.Reader) (Summary, error) {
	var sum Summary
	files := 0
	tests := false // we are inside of code that tests
	s := markup.New(markup.UTF8(in))
	for s.Next() {
		name := string(s.Name())
		if name == "testproject" && s.Kind() != markup.Text {
			tests = s.Kind() == markup.Start
		}
		if s.Kind() != markup.Start || tests {
			continue
		}
		switch name {
		case "file":
			files++
		case "metrics":
			if string(s.Parent()) == "project" {
				sum.Branches = sum.Branches.plus(figure(s, "coveredconditionals", "conditionals"))
			}
		case "line":
			if string(s.Attr("type")) == "method" {
				continue
			}
			n, ok := parseCount(s.Attr("count"))
			if !ok { // of a condition: how often it was true, and false
				yes, _ := parseCount(s.Attr("truecount"))
				no, _ := parseCount(s.Attr("falsecount"))
				n = yes + no
			}
			sum.Lines.count(1, n > 0)
		}
	}
	sum.Files = files
	return sum, s.Err()
}

// figure reads two counts of an element's attributes.
func figure(s *markup.Scanner, covered, total string) Figure {
	n, _ := parseCount(s.Attr(covered))
	all, _ := parseCount(s.Attr(total))
	return possible(n, all)
}

// conditions reads "50% (1/2)".
func conditions(text []byte) Figure {
	_, text, _ = bytes.Cut(text, []byte("("))
	covered, total, _ := bytes.Cut(bytes.TrimSuffix(text, []byte(")")), []byte("/"))
	n, _ := parseCount(covered)
	all, _ := parseCount(total)
	return possible(n, all)
}
