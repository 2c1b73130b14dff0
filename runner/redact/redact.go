// Package redact replaces secrets in everything that leaves, in every form they are likely to take.
//
// A Redactor knows the secrets. It cleans texts whole (String, Bytes) and streams as they pass (Writer, Reader).
//
// Of a secret that has parts, the parts are secrets, too, for tools show one alone: all strings of JSON, the password of a
// URL, the lines of a key. Of files like kubeconfig, .npmrc, .netrc, .env and INI it is the values, without those that are
// plain words under a key that does not sound secret; their other lines (apiVersion: v1, [default], <server>, braces) are in
// texts that have nothing to do with the secret, where a replacement would say more than it hides.
package redact

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Secret is a value that must not be seen, and the name that is shown in its place: [REDACTED:NAME].
type Secret struct{ Name, Value string }

// Redactor replaces the secrets it was told of. Where several overlap, one replacement stands for all of what
// they cover, with the name of the one that begins first; of those, the longest.
//
// All methods are safe for concurrent use.
type Redactor struct {
	matcher  atomic.Pointer[matcher] // nil: to be made from what follows
	scanners sync.Pool               // of *scanner

	mu         sync.Mutex
	names      map[string]string // of every form of every secret, by its text
	short      []string
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
// A secret that is JSON counts as all of its strings, one of several lines as those that are not in every such file, too.
func (r *Redactor) Add(secrets ...Secret) {
	r.mu.Lock()
	defer r.mu.Unlock()
	changed := false
	for _, s := range secrets {
		if s.Name == "" {
			s.Name = "secret"
		}
		values, short := valuesOf(s)
		for _, v := range values {
			for _, text := range formsOf(v) {
				// Of two secrets with one value, the name does not depend on which was added first.
				if name, ok := r.names[text]; !ok || s.Name < name {
					r.names[text], changed = s.Name, true
				}
			}
		}
		for _, name := range short {
			if i, ok := slices.BinarySearch(r.short, name); !ok {
				r.short = slices.Insert(r.short, i, name)
			}
		}
	}
	if changed {
		r.matcher.Store(nil)
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

// DisableTokens turns off what needs no secret to be known: GitHub's, GitLab's, Slack's and npm's tokens, AWS's
// secret keys after their ids, and private keys.
func (r *Redactor) DisableTokens() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keepTokens = true
	r.matcher.Store(nil)
}

// current returns the matcher of all secrets known. It is made when it is first needed, so that many secrets
// added one by one cost one matcher.
func (r *Redactor) current() *matcher {
	if m := r.matcher.Load(); m != nil {
		return m
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.matcher.Load()
	if m == nil {
		patterns := make([]pattern, 0, len(r.names))
		for text, name := range r.names {
			patterns = append(patterns, pattern{text, name})
		}
		m = newMatcher(patterns, !r.keepTokens)
		r.matcher.Store(m)
	}
	return m
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
	s.scan(r.current(), text, 0, true)
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
		}
		c.done, c.masked = m.end, m.end
	}
	if c.done < hold {
		dst = append(dst, text[c.done:hold]...)
		c.done = hold
	}
	return dst
}
