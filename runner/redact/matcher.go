package redact

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
)

// pattern is one form of a secret.
type pattern struct {
	text []byte
	name string
}

// interval is a part of a text that has to go.
type interval struct {
	start, end int
	name       string
}

// matcher finds many patterns in a text at the speed of reading a fraction of it.
//
// Patterns are put into lanes by their length. In a lane whose shortest pattern has m bytes, every occurrence covers a window of
// four bytes at one of its first m-3 offsets that begins at a multiple of m-3 in the text. So only those windows are looked at:
// a bitmap of their hashes, small enough to stay in the cache, rules out nearly all, and a table leads from the others to the
// patterns and offsets to compare.
type matcher struct {
	lanes    []lane
	patterns []pattern
	longest  int
	begin    [1 << 16 / 64]uint64 // the first two bytes of the patterns
	single   [256]bool            // their first byte
	begins   map[uint32][]int32   // their first four bytes, to the patterns
}

const (
	window     = 4
	bitmapBits = 18 // 32 KiB
)

type lane struct {
	stride int
	bitmap []uint64
	spots  map[uint32][]spot
}

// spot is where in a pattern a window is.
type spot struct{ pattern, offset int32 }

// laneLimits are the lengths at which a lane ends: a short pattern slows down only those of its own lane.
var laneLimits = []int{8, 12, 20, 1 << 30}

func newMatcher(all []pattern) *matcher {
	m := &matcher{begins: map[uint32][]int32{}}
	seen := map[string]bool{}
	for _, p := range all { // the first name that a text has stays
		if len(p.text) >= MinLength && !seen[string(p.text)] {
			seen[string(p.text)] = true
			m.patterns = append(m.patterns, p)
		}
	}
	from := 0
	for _, limit := range laneLimits {
		var members []int32
		shortest := limit
		for i, p := range m.patterns {
			if n := len(p.text); n >= from && n < limit {
				members = append(members, int32(i))
				shortest = min(shortest, n)
			}
		}
		from = limit
		if members != nil {
			m.lanes = append(m.lanes, newLane(m.patterns, members, shortest))
		}
	}
	for i, p := range m.patterns {
		m.longest = max(m.longest, len(p.text))
		two := binary.LittleEndian.Uint16(p.text)
		m.begin[two>>6] |= 1 << (two & 63)
		m.single[p.text[0]] = true
		four := binary.LittleEndian.Uint32(p.text)
		m.begins[four] = append(m.begins[four], int32(i))
	}
	return m
}

func newLane(patterns []pattern, members []int32, shortest int) lane {
	l := lane{stride: shortest - window + 1, bitmap: make([]uint64, 1<<bitmapBits/64), spots: map[uint32][]spot{}}
	for _, i := range members {
		for offset := range l.stride {
			w := binary.LittleEndian.Uint32(patterns[i].text[offset:])
			h := hash(w)
			l.bitmap[h>>6] |= 1 << (h & 63)
			l.spots[w] = append(l.spots[w], spot{i, int32(offset)})
		}
	}
	return l
}

func hash(w uint32) uint32 { return w * 2654435761 >> (32 - bitmapBits) }

func (m *matcher) empty() bool { return len(m.patterns) == 0 }

// find returns what has to go, in order and without overlaps: occurrences that overlap become one, named after the longest of
// those that begin first.
func (m *matcher) find(text []byte) []interval {
	var found []interval
	for i := range m.lanes {
		found = m.lanes[i].find(found, m.patterns, text)
	}
	if len(found) < 2 {
		return found
	}
	slices.SortFunc(found, func(a, b interval) int {
		switch {
		case a.start != b.start:
			return a.start - b.start
		case a.end != b.end:
			return b.end - a.end
		default:
			return strings.Compare(a.name, b.name)
		}
	})
	merged := found[:1]
	for _, f := range found[1:] {
		if last := &merged[len(merged)-1]; f.start < last.end {
			last.end = max(last.end, f.end)
		} else {
			merged = append(merged, f)
		}
	}
	return merged
}

func (l *lane) find(found []interval, patterns []pattern, text []byte) []interval {
	bitmap, stride := l.bitmap, l.stride
	for at := 0; at+window <= len(text); at += stride {
		w := binary.LittleEndian.Uint32(text[at : at+window])
		h := hash(w)
		if bitmap[h>>6]&(1<<(h&63)) == 0 {
			continue
		}
		for _, s := range l.spots[w] {
			start := at - int(s.offset)
			p := &patterns[s.pattern]
			if start >= 0 && start+len(p.text) <= len(text) && bytes.Equal(text[start:start+len(p.text)], p.text) {
				found = append(found, interval{start, start + len(p.text), p.name})
			}
		}
	}
	return found
}

// incomplete returns where the longest end of the text begins that is the beginning of a pattern, and not all of it;
// the text's length if there is none.
func (m *matcher) incomplete(text []byte) int {
	for at := max(0, len(text)-m.longest+1); at < len(text); at++ {
		rest := text[at:]
		if !m.single[rest[0]] {
			continue
		}
		if len(rest) == 1 {
			return at
		}
		two := binary.LittleEndian.Uint16(rest)
		if m.begin[two>>6]&(1<<(two&63)) == 0 {
			continue
		}
		if len(rest) >= window {
			for _, i := range m.begins[binary.LittleEndian.Uint32(rest)] {
				if p := m.patterns[i].text; len(p) > len(rest) && bytes.HasPrefix(p, rest) {
					return at
				}
			}
			continue
		}
		for _, p := range m.patterns {
			if bytes.HasPrefix(p.text, rest) {
				return at
			}
		}
	}
	return len(text)
}
