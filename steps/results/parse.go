package results

import (
	"bytes"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/joshdk/go-junit"

	"github.com/carlin-cicd/runner/steps/xmlstream"
)

// Up to here go-junit reads a report. It takes thirty times the size in bytes, more for each tag, and as much again
// for each level of elements: what is beyond would need more than 32 MiB. Our own reader holds no more than the case it is at.
const (
	maxIngest = 512 << 10 // bytes
	maxTags   = 20_000
	maxNested = 16 // elements within each other
)

// parse shows see the cases of a report; an entry holds until the next one. The error is for what is wrong with the report.
func parse(in io.Reader, info fs.FileInfo, see func(*entry)) error {
	in = xmlstream.UTF8(io.LimitReader(in, info.Size())) // a file that somebody still writes to has no end
	if info.Size() > maxIngest {
		_, err := readReport(in, see)
		return err
	}
	text, err := io.ReadAll(in)
	if err != nil {
		return bare(err)
	}
	if bytes.Count(text, []byte("<")) > maxTags {
		_, err := readReport(bytes.NewReader(text), see)
		return err
	}
	return ingest(text, see)
}

// ingest reads a report of UTF-8 with go-junit where that can, and with our own reader for what it passes over: all
// before a fault, cases outside of suites, failures beside other marks or of suites, reruns.
func ingest(text []byte, see func(*entry)) error {
	var entries []*entry
	deepest, err := readReport(bytes.NewReader(text), func(e *entry) { entries = append(entries, e.clone()) })
	if deepest <= maxNested {
		if suites, err := junit.Ingest(tame(text)); err == nil {
			adopt(entries, suites)
		}
	}
	for _, e := range entries {
		see(e)
	}
	return err
}

// adopt takes over the texts of go-junit's cases, if it has found them all. It lists a suite's own cases before those
// of the suites in it.
func adopt(entries []*entry, suites []junit.Suite) {
	tests := flatten(nil, suites)
	if len(tests) != len(entries) {
		return
	}
	entries = slices.SortedStableFunc(slices.Values(entries), func(a, b *entry) int { return a.order - b.order })
	for i, t := range tests {
		entries[i].adopt(t)
	}
}

// ingested is a case of go-junit's with the name of its suite.
type ingested struct {
	junit.Test
	suite string
}

func flatten(tests []ingested, suites []junit.Suite) []ingested {
	for _, s := range suites {
		for _, t := range s.Tests {
			tests = append(tests, ingested{t, s.Name})
		}
		tests = flatten(tests, s.Suites)
	}
	return tests
}

func (e *entry) adopt(t ingested) {
	e.name, e.class, e.suite = []byte(t.Name), []byte(t.Classname), []byte(t.suite)
	if file := first(t.Properties["file"], t.Properties["filepath"]); file != "" {
		e.file = []byte(file)
	}
	e.duration = 0
	if t.Duration > 0 && t.Duration < maxDuration {
		e.duration = t.Duration
	}
	if why, ok := t.Error.(junit.Error); ok && e.reasons == 1 { // of several, it has the last
		e.why = reason{[]byte(why.Message), []byte(why.Type), []byte(why.Body)}
	}
}

var (
	declaration = regexp.MustCompile(`^\s*<\?xml[^>]*\?>`)
	numbered    = regexp.MustCompile(`&#(x[0-9a-fA-F]{1,8}|[0-9]{1,10});`)
)

// tame is a report without what Go's parser refuses and test runners write all the same.
func tame(text []byte) []byte {
	if loc := declaration.FindIndex(text); loc != nil {
		text = text[loc[1]:] // with its encoding, which no longer holds, and its version: 1.1 is refused
	}
	if bytes.Contains(text, []byte("&#")) {
		text = numbered.ReplaceAllFunc(text, unnumber)
	}
	return []byte(xmlstream.Plain(text))
}

// unnumber puts ESC in the place of a reference to it, so that colours are found, and leaves out other references to
// what XML does not allow.
func unnumber(ref []byte) []byte {
	digits, base := string(ref[2:len(ref)-1]), 10
	if digits[0] == 'x' {
		digits, base = digits[1:], 16
	}
	switch n, err := strconv.ParseUint(digits, base, 64); {
	case err != nil || n > utf8.MaxRune:
		return nil
	case n == 0x1b:
		return []byte{0x1b}
	case !xmlstream.Legal(rune(n)):
		return nil
	}
	return ref
}
