package coverage

import (
	"bytes"
	"cmp"
	"hash/maphash"
	"io"
	"slices"

	"github.com/carlin-cicd/runner/steps/xmlstream"
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
func readCobertura(in io.Reader, folders tally) (Summary, error) {
	var stated, counted Summary
	var source, file []byte // the folder that names are relative to, where there is just one; the file of this class
	sources := 0
	files := map[uint64]struct{}{}
	seed := maphash.MakeSeed()
	methods := 0 // that we are inside of
	s := xmlstream.New(xmlstream.UTF8(in))
	for s.Next() {
		name := string(s.Name())
		switch {
		case s.Kind() == xmlstream.Text && string(s.Parent()) == "source":
			source = s.AppendText(source, maxPath)
		case s.Kind() == xmlstream.End && name == "methods":
			methods--
		case s.Kind() != xmlstream.Start:
		case name == "coverage":
			stated.Lines = figure(s, "lines-covered", "lines-valid")
			stated.Branches = figure(s, "branches-covered", "branches-valid")
		case name == "source":
			sources++
		case name == "methods":
			methods++
		case name == "class":
			files[maphash.Bytes(seed, s.Attr("filename"))] = struct{}{}
			file = append(file[:0], s.Attr("filename")...)
			if from := bytes.TrimSpace(source); sources == 1 && bytes.HasPrefix(from, []byte("/")) && !bytes.HasPrefix(file, []byte("/")) {
				file = slices.Concat(bytes.TrimRight(from, "/"), []byte("/"), file)
			}
		case name == "line" && methods == 0:
			n, _ := parseCount(s.Attr("hits"))
			var line Figure
			line.count(1, n > 0)
			branches := conditions(s.Attr("condition-coverage"))
			counted.Lines, counted.Branches = counted.Lines.plus(line), counted.Branches.plus(branches)
			folders.add(file, line, branches)
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
func readClover(in io.Reader, folders tally) (Summary, error) {
	var sum Summary
	var file []byte
	files := 0
	tests := false // we are inside of code that tests
	s := xmlstream.New(xmlstream.UTF8(in))
	for s.Next() {
		name := string(s.Name())
		if name == "testproject" && s.Kind() != xmlstream.Text {
			tests = s.Kind() == xmlstream.Start
		}
		if s.Kind() != xmlstream.Start || tests {
			continue
		}
		switch name {
		case "file":
			files++
			file = append(file[:0], cmp.Or(string(s.Attr("path")), string(s.Attr("name")))...)
		case "metrics":
			branches := figure(s, "coveredconditionals", "conditionals")
			switch string(s.Parent()) {
			case "project":
				sum.Branches = sum.Branches.plus(branches)
			case "file":
				folders.add(file, Figure{}, branches)
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
			var line Figure
			line.count(1, n > 0)
			sum.Lines = sum.Lines.plus(line)
			folders.add(file, line, Figure{})
		}
	}
	sum.Files = files
	return sum, s.Err()
}

// figure reads two counts of an element's attributes.
func figure(s *xmlstream.Scanner, covered, total string) Figure {
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
