package redact

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"
)

// pattern is one form of a secret.
type pattern struct{ text, name string }

// match is a part of a text that has to go.
type match struct {
	start, end int
	name       string
	rule       int // of a token, plus 1; 0 for a secret
}

// compare sorts matches by where they begin. Of several at one place the first gives its name: a secret before a
// token, and tokens in the order of their rules, for how long a token is may not be known yet when its beginning
// is passed on; then the longest.
func (m match) compare(n match) int {
	return cmp.Or(cmp.Compare(m.start, n.start), cmp.Compare(m.rule, n.rule), cmp.Compare(n.end, m.end))
}

// matcher finds all patterns in a text. It does not change once it is made.
type matcher struct {
	groups   []*group
	prefixes prefixes // of the patterns and the tokens: what may become a match
	longest  int      // pattern, in bytes
	pairs    pairs    // neighbours in any pattern
	quads    quads
	anchors  *anchors
	tokens   bool // are looked for
}

// Patterns of long bytes and more are looked for apart from the others, for the shortest of a group sets its
// speed. Each group costs a pass over the text, which patterns that are nearly long are not worth; three groups
// have turned out slower than two.
const (
	long       = 16
	nearlyLong = 12
)

func newMatcher(patterns []pattern, tokens bool) *matcher {
	m := &matcher{anchors: allAnchors(), tokens: tokens}
	slices.SortFunc(patterns, func(a, b pattern) int { return strings.Compare(a.text, b.text) })
	texts := make([]string, 0, len(patterns)+len(tokenRules))
	shortest, length := long, 0
	for _, p := range patterns {
		texts = append(texts, p.text)
		shortest, m.longest = min(shortest, len(p.text)), max(m.longest, len(p.text))
		length += len(p.text)
		m.pairs.add(p.text)
	}
	m.quads = newQuads(length)
	for _, p := range patterns {
		m.quads.add(p.text)
	}
	least := long
	if shortest >= nearlyLong {
		least = shortest
	}
	var members [2][]pattern
	for _, p := range patterns {
		which := 0
		if len(p.text) >= least {
			which = 1
		}
		members[which] = append(members[which], p)
	}
	for _, of := range members {
		if len(of) > 0 {
			m.groups = append(m.groups, newGroup(of))
		}
	}
	if tokens {
		for _, r := range tokenRules {
			texts = append(texts, r.prefix)
		}
		slices.Sort(texts)
	}
	m.prefixes = newPrefixes(texts)
	return m
}

// find appends the matches of the patterns in text, in any order.
func (m *matcher) find(matches []match, text []byte) []match {
	for _, g := range m.groups {
		matches = g.find(matches, text)
	}
	return matches
}

// pairs is a set of two bytes. Its zero value is empty.
type pairs struct{ bits [1 << 16 / 64]uint64 }

func (p *pairs) add(text string) {
	for i := 1; i < len(text); i++ {
		pair := uint16(text[i-1])<<8 | uint16(text[i])
		p.bits[pair>>6] |= 1 << (pair & 63)
	}
}

func (p *pairs) has(a, b byte) bool {
	pair := uint16(a)<<8 | uint16(b)
	return p.bits[pair>>6]>>(pair&63)&1 != 0
}

// quads knows four bytes that are together in any pattern, and a few others. The bits of those that begin with the same
// two bytes are near each other: a text has few different ones at its seams, so that those stay in the cache.
type quads struct {
	bits  []uint64
	shift uint
}

// newQuads has room for patterns of so many bytes.
func newQuads(length int) quads {
	size := min(max(bits.Len(uint(length/8)), 10), 17) // eight bits or more for each four, but no more than one MiB
	return quads{make([]uint64, 1<<size), uint(64 - size)}
}

// isCrowded reports whether the patterns have more bytes than there is room for.
func (q *quads) isCrowded(length int) bool { return length > 8*len(q.bits) && len(q.bits) < 1<<17 }

func (q *quads) add(text string) {
	for i := 4; i <= len(text); i++ {
		word, bit := q.mix(text[i-4], text[i-3], text[i-2], text[i-1])
		q.bits[word] |= 1 << bit
	}
}

// mix returns the bit of four bytes: one in the block of words that the first two have.
func (q *quads) mix(a, b, c, d byte) (word, bit uint64) {
	const block = 1 << 5 // words
	first := uint64(a)<<8 | uint64(b)
	in := (first<<16 | uint64(c)<<8 | uint64(d)) * factor
	return first*factor>>(q.shift&63)&^(block-1) | in>>(64-5), in >> (64 - 5 - 6) & 63
}

func (q *quads) has(a, b, c, d byte) bool {
	word, bit := q.mix(a, b, c, d)
	return q.bits[word]>>bit&1 != 0
}

// over reports whether a pattern may go over the seam between some bytes. It has three bytes on one of the sides at
// least, for none is shorter than six. With these go two of the other side, or one, and then there is a fourth on
// this.
func (q *quads) over(a, b [4]byte) bool {
	left, right := q.has(a[1], a[2], a[3], b[0]), q.has(a[3], b[0], b[1], b[2])
	switch {
	case !left && !right:
		return false
	case q.has(a[2], a[3], b[0], b[1]):
		return true
	}
	return left && q.has(a[0], a[1], a[2], a[3]) || right && q.has(b[0], b[1], b[2], b[3])
}
