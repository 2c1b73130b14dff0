package coverage

import (
	"bytes"
	"cmp"
	"io"
	"slices"

	"github.com/carlin-cicd/runner/steps/xmlstream"
)

// Cobertura and clover have the same root; cobertura's has rates.
func isCobertura(head []byte) bool {
	root := rootTag(head, "<coverage")
	return root != nil && bytes.Contains(root, []byte("line-rate="))
}

func isClover(head []byte) bool {
	root := rootTag(head, "<coverage")
	return root != nil && !bytes.Contains(root, []byte("line-rate="))
}

func isJacoco(head []byte) bool {
	return rootTag(head, "<report") != nil &&
		(bytes.Contains(head, []byte("JACOCO")) || bytes.Contains(head, []byte("<sessioninfo")) ||
			bytes.Contains(head, []byte("<counter")) || bytes.Contains(head, []byte("<sourcefile")))
}

// tagEnds are the bytes that end the name of a tag.
var tagEnds = []byte(" \t\r\n/>")

// rootTag is the first tag of a document if it begins as given, else nil.
func rootTag(head []byte, name string) []byte {
	for {
		n := bytes.IndexByte(head, '<')
		if n < 0 || n+1 >= len(head) {
			return nil
		}
		head = head[n:]
		switch {
		case bytes.HasPrefix(head, []byte("<!--")):
			_, head, _ = bytes.Cut(head, []byte("-->"))
		case head[1] == '?' || head[1] == '!':
			_, head, _ = bytes.Cut(head, []byte(">"))
		case bytes.HasPrefix(head, []byte(name)) && len(head) > len(name) && bytes.IndexByte(tagEnds, head[len(name)]) >= 0:
			tag, _, _ := bytes.Cut(head, []byte(">"))
			return tag
		default:
			return nil
		}
	}
}

// readCobertura reads the lines of classes; those of methods are the same lines again. The totals of the root count for
// what the classes do not list.
func readCobertura(in io.Reader, d *data) error {
	var source, name []byte // the only source folder; the file of the class
	var f *file
	sources, methods := 0, 0
	s := xmlstream.New(xmlstream.UTF8(in))
	for s.Next() {
		element := string(s.Name())
		switch {
		case s.Kind() == xmlstream.Text && string(s.Parent()) == "source":
			source = s.AppendText(source, maxPath)
		case s.Kind() == xmlstream.End && element == "methods":
			methods--
		case s.Kind() != xmlstream.Start:
		case element == "coverage":
			d.stated.Lines = figure(s, "lines-covered", "lines-valid")
			d.stated.Branches = figure(s, "branches-covered", "branches-valid")
		case element == "source":
			sources++
		case element == "methods":
			methods++
		case element == "class":
			name = append(name[:0], s.Attr("filename")...)
			if from := bytes.TrimSpace(
				source,
			); sources == 1 && bytes.HasPrefix(from, []byte("/")) &&
				!bytes.HasPrefix(name, []byte("/")) {
				name = slices.Concat(bytes.TrimRight(from, "/"), []byte("/"), name)
			}
			f = d.file(name)
		case element == "line" && methods == 0 && f != nil:
			number, _ := parseCount(s.Attr("number"))
			hits, _ := parseCount(s.Attr("hits"))
			d.line(f, number, hits > 0)
			d.branchCounts(f, number, conditions(s.Attr("condition-coverage")))
		}
	}
	return s.Err()
}

// readClover reads lines: the totals that clover states are of statements. Branches it has in totals of files alone.
// Code of tests is left out.
func readClover(in io.Reader, d *data) error {
	var f *file
	tests := false
	s := xmlstream.New(xmlstream.UTF8(in))
	for s.Next() {
		element := string(s.Name())
		if element == "testproject" && s.Kind() != xmlstream.Text {
			tests = s.Kind() == xmlstream.Start
		}
		if s.Kind() != xmlstream.Start || tests {
			continue
		}
		switch element {
		case "file":
			f = d.file([]byte(cmp.Or(string(s.Attr("path")), string(s.Attr("name")))))
		case "metrics":
			branches := figure(s, "coveredconditionals", "conditionals")
			switch string(s.Parent()) {
			case "project":
				d.stated.Branches = d.stated.Branches.plus(branches)
			case "file":
				d.state(f, Summary{Branches: branches})
			}
		case "line":
			if f == nil || string(s.Attr("type")) == "method" {
				continue
			}
			number, _ := parseCount(s.Attr("num"))
			hits, ok := parseCount(s.Attr("count"))
			if !ok { // of a condition: how often it was true, and false
				yes, _ := parseCount(s.Attr("truecount"))
				no, _ := parseCount(s.Attr("falsecount"))
				hits = yes + no
			}
			d.line(f, number, hits > 0)
		}
	}
	return s.Err()
}

// readJacoco reads the lines of source files: a line is covered if one of its instructions is. The counters of the
// report count for what it does not list.
func readJacoco(in io.Reader, d *data) error {
	var pkg []byte
	var f *file
	s := xmlstream.New(xmlstream.UTF8(in))
	for s.Next() {
		if s.Kind() != xmlstream.Start {
			continue
		}
		switch string(s.Name()) {
		case "package":
			pkg = append(pkg[:0], s.Attr("name")...)
		case "sourcefile":
			f = d.file(bytes.TrimPrefix(slices.Concat(pkg, []byte("/"), s.Attr("name")), []byte("/")))
		case "line":
			if f == nil {
				continue
			}
			number, _ := parseCount(s.Attr("nr"))
			instructions, _ := parseCount(s.Attr("ci"))
			missed, _ := parseCount(s.Attr("mb"))
			covered, _ := parseCount(s.Attr("cb"))
			d.line(f, number, instructions > 0)
			d.branchCounts(f, number, clamp(covered, covered+missed))
		case "counter":
			d.jacocoCounter(s, f)
		}
	}
	return s.Err()
}

func (d *data) jacocoCounter(s *xmlstream.Scanner, f *file) {
	missed, _ := parseCount(s.Attr("missed"))
	covered, _ := parseCount(s.Attr("covered"))
	count := clamp(covered, covered+missed)
	var stated Summary
	switch string(s.Attr("type")) {
	case "LINE":
		stated.Lines = count
	case "BRANCH":
		stated.Branches = count
	default:
		return
	}
	switch string(s.Parent()) {
	case "report":
		d.stated.Lines, d.stated.Branches = d.stated.Lines.plus(stated.Lines), d.stated.Branches.plus(stated.Branches)
	case "sourcefile":
		if f.lines.count() == 0 {
			d.state(f, stated)
		}
	}
}

// figure reads two counts of an element's attributes.
func figure(s *xmlstream.Scanner, covered, total string) Figure {
	n, _ := parseCount(s.Attr(covered))
	all, _ := parseCount(s.Attr(total))
	return clamp(n, all)
}

// conditions reads "50% (1/2)".
func conditions(text []byte) Figure {
	_, text, _ = bytes.Cut(text, []byte("("))
	covered, total, _ := bytes.Cut(bytes.TrimSuffix(text, []byte(")")), []byte("/"))
	n, _ := parseCount(covered)
	all, _ := parseCount(total)
	return clamp(n, all)
}
