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
	maxSeen   = 2 * maxTests
	maxFailed = 200 // with more in one run their names tell nothing
	maxName   = 200 // bytes
)

// Sample is how the tests of one run ended. It takes bounded memory for any number of tests.
type Sample struct {
	root  string
	clean func(string) string
	seen  map[key]seen
	names map[key]string // of those that did not simply pass
	level int            // those that passed are kept from this one on
}

type seen struct {
	outcome      rune
	milliseconds int64
}

// NewSample returns an empty sample. Paths of files lose root, the absolute path of the folder that the tests ran in,
// so that a test is the same on every machine. Names that are kept go through clean first; nil leaves them as they are.
func NewSample(root string, clean func(string) string) *Sample {
	if clean == nil {
		clean = func(s string) string { return s }
	}
	return &Sample{root: filepath.ToSlash(root), clean: clean, seen: map[key]seen{}, names: map[key]string{}}
}

// Add adds a case. Of several with one name, a failure wins.
func (s *Sample) Add(c results.Case) {
	switch {
	case c.Status == results.Failed || c.Status == results.Errored:
		s.put(c, failed)
	case c.Status == results.Skipped:
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
func severity(outcome rune) int { return strings.IndexRune(outcomes, outcome) }

func (s *Sample) put(c results.Case, outcome rune) {
	k := s.keyOf(c)
	if outcome == passed && k.level() < s.level {
		return
	}
	now := seen{outcome, (c.Duration + time.Millisecond/2).Milliseconds()}
	if was, again := s.seen[k]; again && severity(was.outcome) >= severity(outcome) {
		return
	}
	s.seen[k] = now
	if outcome != passed && len(s.names) < maxFailed {
		s.names[k] = cut(s.clean(name(c)), maxName)
	}
	for len(s.seen) > maxSeen {
		s.thin()
	}
}

// thin leaves half of those that passed, and if none do then half of all.
func (s *Sample) thin() {
	before := len(s.seen)
	s.level++
	for k, t := range s.seen {
		if t.outcome == passed && k.level() < s.level {
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
	local := func(path string) string { return strings.TrimPrefix(strings.TrimPrefix(path, root), "/") }
	kind, where := "file", c.File
	if c.File == "" {
		kind, where = "suite", c.Suite
	}
	parts := []string{kind, local(where), local(c.Class), c.Name}
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

func name(c results.Case) string {
	parts := []string{c.File, c.Class, c.Name}
	return strings.Trim(strings.Join(parts, " › "), " ›")
}

// cut shortens text at a rune's boundary.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit-len("…")], "") + "…"
}
