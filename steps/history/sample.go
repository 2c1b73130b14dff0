package history

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/bits"
	"path/filepath"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/steps/results"
)

// The bounds of a sample.
const (
	maxSeen = 2 * maxTests
	maxName = 200 // bytes
)

// Sample is how the tests of one run ended. It takes bounded memory for any number of tests.
type Sample struct {
	root  string
	clean func(string) string
	seen  map[key]seen
	level int // those that passed or were skipped are kept from this one on
}

type seen struct {
	outcome      rune
	milliseconds int64
	name         string
}

// thinned reports whether a test may be left out where there are too many.
func (s seen) thinned() bool { return s.outcome == passed || s.outcome == skipped }

// NewSample returns an empty sample. Paths of files lose root, the absolute path of the folder that the tests ran in,
// so that a test is the same on every machine. Names that are kept go through clean first; nil leaves them as they are.
func NewSample(root string, clean func(string) string) *Sample {
	if clean == nil {
		clean = func(s string) string { return s }
	}
	return &Sample{root: filepath.ToSlash(root), clean: clean, seen: map[key]seen{}}
}

// Add adds a case. Of several with one name, a failure wins.
func (s *Sample) Add(c results.Case) {
	switch {
	case c.Status == results.Failed || c.Status == results.Errored:
		s.put(c, failed)
	case c.Status == results.Skipped:
		s.put(c, skipped)
	case c.Flaky:
		s.put(c, flaky)
	default:
		s.put(c, passed)
	}
}

// ApplyReruns corrects cases by what became of them after all: those that passed when they were run again are flaky.
func (s *Sample) ApplyReruns(r results.Results) {
	for _, list := range [][]results.Case{r.FlakyCases, r.Failures, r.QuarantinedCases} {
		for _, c := range list {
			delete(s.seen, s.keyOf(c))
		}
	}
	for _, c := range r.FlakyCases {
		s.put(c, flaky)
	}
	for _, list := range [][]results.Case{r.Failures, r.QuarantinedCases} {
		for _, c := range list {
			s.put(c, failed)
		}
	}
}

// severity orders outcomes: the worst of a test's is its own.
func severity(outcome rune) int { return strings.IndexRune("-s.~F", outcome) }

func (s *Sample) put(c results.Case, outcome rune) {
	k := s.keyOf(c)
	now := seen{outcome: outcome, milliseconds: (c.Duration + time.Millisecond/2).Milliseconds()}
	if now.thinned() && k.level() < s.level {
		return
	}
	if was, again := s.seen[k]; again && severity(was.outcome) >= severity(outcome) {
		return
	}
	now.name = cut(s.clean(s.name(c)), maxName)
	s.seen[k] = now
	for len(s.seen) > maxSeen {
		s.thin()
	}
}

// thin leaves half of those that passed, and if none do then half of all.
func (s *Sample) thin() {
	before := len(s.seen)
	s.level++
	for k, t := range s.seen {
		if t.thinned() && k.level() < s.level {
			delete(s.seen, k)
		}
	}
	if len(s.seen) < before {
		return
	}
	for k := range s.seen {
		if k.level() < s.level {
			delete(s.seen, k)
		}
	}
}

func (s *Sample) outcome(k key) seen {
	if t, ok := s.seen[k]; ok {
		return t
	}
	return seen{outcome: missing}
}

// keyOf identifies a test by its file, class and name; where there is no file, by its suite.
func (s *Sample) keyOf(c results.Case) key { return keyOf(s.root, c) }

// key is the beginning of a digest. That any two of 20 000 tests have one key is less likely than one in a million.
type key [6]byte

func keyOf(root string, c results.Case) key {
	kind, where := "file", c.File
	if c.File == "" {
		kind, where = "suite", c.Suite
	}
	parts := []string{kind, local(root, where), local(root, c.Class), c.Name}
	if c.Project != "" {
		parts = append(parts, c.Project)
	}
	text := make([]byte, 0, 512) // of nearly all names; it costs no memory
	for _, part := range parts {
		text = append(append(text, part...), 0)
	}
	sum := sha256.Sum256(text)
	return key(sum[:len(key{})])
}

func (k key) compare(other key) int { return bytes.Compare(k[:], other[:]) }

// level is n for about one in 2ⁿ keys.
func (k key) level() int { return bits.LeadingZeros16(uint16(k[0])<<8 | uint16(k[1])) }

// MarshalText writes the key as eight letters.
func (k key) MarshalText() ([]byte, error) {
	return base64.RawURLEncoding.AppendEncode(nil, k[:]), nil
}

// UnmarshalText reads what MarshalText writes.
func (k *key) UnmarshalText(text []byte) error {
	b, err := base64.RawURLEncoding.AppendDecode(nil, text)
	if err != nil || len(b) != len(k) {
		return fmt.Errorf("%q is no test's key", text)
	}
	*k = key(b)
	return nil
}

// local is a path without the folder that the tests ran in.
func local(root, path string) string { return strings.TrimPrefix(strings.TrimPrefix(path, root), "/") }

// name is what a test is called: file, class, name and project, without what a part repeats.
func (s *Sample) name(c results.Case) string {
	file, class := local(s.root, c.File), local(s.root, c.Class)
	parts := make([]string, 0, 4)
	if file != "" && file != class {
		parts = append(parts, file)
	}
	if class != "" && c.Name != class && !strings.HasPrefix(c.Name, class+" ") {
		parts = append(parts, class)
	}
	if parts = append(parts, c.Name); c.Project != "" {
		parts = append(parts, "["+c.Project+"]")
	}
	return strings.TrimSpace(strings.Join(parts, " › "))
}

// cut shortens text at a rune's boundary.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit-len("…")], "") + "…"
}
