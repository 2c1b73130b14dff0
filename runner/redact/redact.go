// Package redact replaces secrets in everything that leaves, in every form they are likely to take.
//
// A Redactor knows the secrets. It cleans texts whole (String, Bytes) and streams as they pass (Writer, Reader).
//
// Of a secret that has parts, the parts are secrets, too, for tools show one alone: all strings of JSON, the
// password of a URL, the lines of a key. Of files like kubeconfig, .npmrc, .netrc, .env and INI it is the values,
// without those that are plain words under a key that does not sound secret; their other lines (apiVersion: v1,
// [default], <server>, braces) are in texts that have nothing to do with the secret, where a replacement would
// say more than it hides.
package redact

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// Secret is a value that must not be seen, and the name that is shown in its place: [REDACTED:NAME].
type Secret struct{ Name, Value string }

// Redactor replaces the secrets that were added to it. Where several overlap, one replacement stands for all of what
// they cover, with the name of the one that begins first; of those, the longest.
//
// All methods are safe for concurrent use.
type Redactor struct {
	scanners sync.Pool    // of *scanner
	searched atomic.Int64 // bytes that recent was searched in

	mu         sync.RWMutex
	index      index
	names      map[string]string // of every form of every secret, by its text
	short      []string
	masks      masks
	keepTokens bool
}

// New returns a redactor of the secrets, and of tokens that are known by their prefix.
func New(secrets ...Secret) *Redactor {
	r := &Redactor{names: map[string]string{}}
	r.Add(secrets...)
	return r
}

// Add makes the redactor look for more secrets. What streams have passed on by then is gone.
//
// A secret that is JSON counts as all of its strings, one of several lines as those that are not in every such
// file, too.
func (r *Redactor) Add(secrets ...Secret) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range secrets {
		r.add(s, formsOf)
	}
}

func (r *Redactor) add(s Secret, forms func(value string) []string) {
	if s.Name == "" {
		s.Name = "secret"
	}
	values, short := valuesOf(s)
	for _, v := range values {
		for _, text := range forms(v) {
			r.addPattern(pattern{text, s.Name})
		}
	}
	for _, name := range short {
		if i, ok := slices.BinarySearch(r.short, name); !ok {
			r.short = slices.Insert(r.short, i, name)
		}
	}
}

func (r *Redactor) addPattern(p pattern) {
	name, known := r.names[p.text]
	switch {
	case !known:
		r.names[p.text] = p.name
		r.index.add(p)
	case p.name < name: // of two secrets with one value, the name does not depend on which was added first
		r.names[p.text] = p.name
		r.index = index{}
	}
}

// Unredacted returns the names of the secrets that are not redacted, sorted: their values are under 6 bytes, or
// so common ("true", a number, "{") that redacting them would make the text unreadable and tell the value, too.
// A string inside a JSON secret is listed as NAME.key, if its key says that it is one.
func (r *Redactor) Unredacted() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.short)
}

// DisableTokens turns off what needs no secret to be known: keys of services with a prefix of their own (see
// tokenRules), AWS's secret keys after their ids, and private keys.
func (r *Redactor) DisableTokens() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keepTokens = true
	r.index = index{}
}

// scan is the scanner's, for all secrets known.
func (r *Redactor) scan(s *scanner, text []byte, from int, final bool) (hold int) {
	r.mu.RLock()
	for r.shouldBuild() {
		r.mu.RUnlock()
		r.build()
		r.mu.RLock()
	}
	defer r.mu.RUnlock()
	if !r.index.recent.isEmpty() {
		r.searched.Add(int64(len(text) - from))
	}
	return s.scan(&r.index, text, from, final)
}

// A matcher is made when it is needed, so that many secrets added one by one cost one. It is made anew, with what
// was added since, once the slower search for that has taken as long as making it does: buildAfter is how many
// bytes for each pattern. With more than mostPatterns it would take seconds, and memory that a small task does
// not have.
const (
	buildAfter   = 400
	mostPatterns = 1 << 17
)

func (r *Redactor) shouldBuild() bool {
	if r.index.matcher == nil {
		return true
	}
	return !r.index.recent.isEmpty() && len(r.names) <= mostPatterns &&
		r.searched.Load() > int64(buildAfter*len(r.names))
}

func (r *Redactor) build() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.shouldBuild() {
		return // another goroutine has done it
	}
	patterns := make([]pattern, 0, len(r.names))
	for text, name := range r.names {
		patterns = append(patterns, pattern{text, name})
	}
	r.index = index{matcher: newMatcher(patterns, !r.keepTokens)}
	r.searched.Store(0)
}

// String returns s without the secrets.
func (r *Redactor) String(s string) string {
	if clean, changed := r.clean([]byte(s)); changed {
		return string(clean)
	}
	return s
}

// Bytes returns text without the secrets: text itself where there are none, else a copy.
func (r *Redactor) Bytes(text []byte) []byte {
	clean, _ := r.clean(text)
	return clean
}

func (r *Redactor) clean(text []byte) (clean []byte, changed bool) {
	s, ok := r.scanners.Get().(*scanner)
	if !ok {
		s = &scanner{}
	}
	defer r.scanners.Put(s)
	r.scan(s, text, 0, true)
	if len(s.matches) == 0 {
		return text, false
	}
	var c cursor
	clean = c.appendClean(make([]byte, 0, len(text)), text, s.matches, len(text))
	return clean, true
}

// cursor is how far a text has been passed on. Its zero value has passed nothing.
type cursor struct {
	done   int // what comes before has been passed on or replaced
	masked int // what comes before, since the last replacement's beginning, is replaced by it

	replaced int // secrets
}

// appendClean appends what of text is decided: everything before hold, and the matches that begin there, which
// are sorted. A match that overlaps the last replacement is covered by it.
func (c *cursor) appendClean(dst, text []byte, matches []match, hold int) []byte {
	for _, m := range matches {
		if m.start >= hold {
			break // a longer one may yet begin at the same place
		}
		if m.end <= c.done {
			continue
		}
		if m.start >= c.masked {
			dst = append(dst, text[c.done:max(c.done, m.start)]...)
			dst = append(append(append(dst, "[REDACTED:"...), m.name...), ']')
			c.replaced++
		}
		c.done, c.masked = m.end, m.end
	}
	if c.done < hold {
		dst = append(dst, text[c.done:hold]...)
		c.done = hold
	}
	return dst
}

// Contains reports whether a text holds a secret.
func (r *Redactor) Contains(text []byte) bool {
	s, ok := r.scanners.Get().(*scanner)
	if !ok {
		s = &scanner{}
	}
	defer r.scanners.Put(s)
	r.scan(s, text, 0, true)
	return len(s.matches) > 0
}

// Known returns a redactor of the secrets that are known by now. It takes no text for a token by its look alone.
func (r *Redactor) Known() *Redactor {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return &Redactor{names: maps.Clone(r.names), keepTokens: true}
}
