package redact

import (
	"encoding/binary"
	"math/bits"
)

// group finds patterns of similar length by sampling. All patterns are at least size bytes long, so that if one
// looks at a window of width bytes at every stride = size-width+1 places of the text, one window at least falls
// wholly into the first size bytes of any match. What windows there are in those bytes of the patterns is known;
// most of the text's are none of them, which costs a look into a table that stays in the cache:
//
//	text     DOCKER_AUTH=c2VjcmV0IHNlY3JldA== npm run build    size 16
//	samples  ‾‾‾‾‾       ‾‾‾‾‾       ‾‾‾‾‾       ‾‾‾‾‾          width 5, stride 12
//	                     is known: compare what is around it
type group struct {
	size, width, stride int

	// A window is mixed by one multiplication, whose factor shifts out what is beyond its width.
	factor  uint64
	shift   uint
	filter  []uint64 // three bits in one word for each window (a blocked Bloom filter)
	entries []entry
	buckets []int32 // a hash table of entries: the first one's index plus 1
	bucket  uint    // the shift from a mixed window to its bucket

	heads    []head
	patterns []pattern // sorted
}

// entry is a window of the patterns. It has all of the head: what is not in the cache is looked at once.
type entry struct {
	first, last uint64 // bytes of the head, which overlap
	head        int32
	offset      int32 // of the window in the head
	next        int32 // in the bucket: index plus 1
}

// head is the first size bytes of some patterns, which are patterns[first:last].
type head struct{ first, last int32 }

const (
	maxWidth = 8  // what is loaded at once
	maxSize  = 16 // longer heads gain little speed and need more windows

	// manyHeads have so many windows of five bytes that words of a text are among them.
	manyHeads = 1 << 13

	turn   = 3*(maxSize-1) + maxWidth // bytes in which four samples are
	factor = 0x9e3779b97f4a7c15

	// Which bits of a mixed window say which bits of a word of the filter are its. They are constants, as
	// shifts by them are faster.
	firstBit, secondBit, thirdBit = 40, 34, 28
)

// newGroup makes a group of sorted patterns.
func newGroup(patterns []pattern) *group {
	g := &group{size: maxSize, patterns: patterns}
	for _, p := range patterns {
		g.size = min(g.size, len(p.text))
	}
	for i, p := range patterns {
		if i == 0 || p.text[:g.size] != patterns[i-1].text[:g.size] {
			g.heads = append(g.heads, head{first: int32(i)})
		}
		g.heads[len(g.heads)-1].last = int32(i + 1)
	}
	// A narrow window leaves a longer stride; a wider one is met less often by chance, which counts where hashes are,
	// and where there are many windows.
	g.width = 4
	switch {
	case g.size >= 12 && len(g.heads) >= manyHeads:
		g.width = 6
	case g.size >= 12:
		g.width = 5
	}
	g.stride = g.size - g.width + 1
	g.factor = factor << (64 - 8*g.width)
	windows := len(g.heads) * g.stride
	// 64 bits of the filter, or more, for each window; a fourth of that where it would not stay in the cache.
	const cached = 15 // 256 KiB
	words := max(11, min(bits.Len(uint(windows)), cached), bits.Len(uint(windows/4)))
	g.shift = uint(64 - words)
	g.filter = make([]uint64, 1<<words)
	g.bucket = uint(64 - bits.Len(uint(windows)))
	g.buckets = make([]int32, 1<<(64-g.bucket))
	g.entries = make([]entry, 0, windows)
	for i, h := range g.heads {
		text := patterns[h.first].text
		for offset := range g.stride {
			e := entry{head: int32(i), offset: int32(offset)}
			e.first, e.last = g.ends([]byte(text))
			g.add(e, g.window([]byte(text[offset:])))
		}
	}
	return g
}

// window returns the first width bytes of text, or as many as there are.
func (g *group) window(text []byte) uint64 {
	var b [maxWidth]byte
	copy(b[:g.width], text)
	return binary.LittleEndian.Uint64(b[:])
}

// ends returns the first and the last bytes of a head: all of them, as there are no more than 16.
func (g *group) ends(head []byte) (first, last uint64) {
	if g.size >= 8 {
		return binary.LittleEndian.Uint64(head), binary.LittleEndian.Uint64(head[g.size-8:])
	}
	var b [8]byte
	copy(b[:], head[:g.size])
	return binary.LittleEndian.Uint64(b[:]), 0
}

func (g *group) add(e entry, window uint64) {
	h := window * g.factor
	g.filter[h>>g.shift] |= 1<<(h>>firstBit&63) | 1<<(h>>secondBit&63) | 1<<(h>>thirdBit&63)
	first := &g.buckets[h>>g.bucket]
	e.next = *first
	g.entries = append(g.entries, e)
	*first = int32(len(g.entries))
}

// find appends the matches of the group's patterns in text.
func (g *group) find(matches []match, text []byte) []match {
	for i := 0; i+g.width <= len(text); i += g.stride {
		if i = g.next(text, i); i+g.width <= len(text) {
			matches = g.verify(matches, text, i)
		}
	}
	return matches
}

// next returns where the next sample is, at i or later, that may be of a known window. It calls nothing, has no
// check of bounds but the filter's, and only the first of the bits is looked at: there is a look at most of what
// the process reads.
func (g *group) next(text []byte, i int) int {
	filter, factor, shift := g.filter, g.factor, g.shift&63
	s := uint(g.stride) & (maxSize - 1)
	s2, s3 := 2*s, 3*s
	for ; i <= len(text)-turn; i += 4 * int(s) {
		p := (*[turn]byte)(text[i:])
		if h := binary.LittleEndian.Uint64(p[:]) * factor; has(filter[h>>shift], h) {
			return i
		}
		if h := binary.LittleEndian.Uint64(p[s:s+8]) * factor; has(filter[h>>shift], h) {
			return i + int(s)
		}
		if h := binary.LittleEndian.Uint64(p[s2:s2+8]) * factor; has(filter[h>>shift], h) {
			return i + int(s2)
		}
		if h := binary.LittleEndian.Uint64(p[s3:s3+8]) * factor; has(filter[h>>shift], h) {
			return i + int(s3)
		}
	}
	for ; i <= len(text)-maxWidth; i += int(s) {
		if h := binary.LittleEndian.Uint64(text[i:]) * factor; has(filter[h>>shift], h) {
			break
		}
	}
	return i
}

// has reports whether a word of the filter has the first bits of a mixed window. The third is looked at in verify: it
// spares a look into tables that are not in the cache.
func has(word, h uint64) bool {
	return word&(1<<(h>>firstBit&63)) != 0 && word&(1<<(h>>secondBit&63)) != 0
}

// verify appends the matches that have the window at i in their head.
func (g *group) verify(matches []match, text []byte, i int) []match {
	window := g.window(text[i:])
	h := window * g.factor
	if w := g.filter[h>>g.shift]; w>>(h>>firstBit&63)&(w>>(h>>secondBit&63))&(w>>(h>>thirdBit&63))&1 == 0 {
		return matches
	}
	for n := g.buckets[h>>g.bucket]; n != 0; {
		e := &g.entries[n-1]
		n = e.next
		start := i - int(e.offset)
		if start < 0 || start+g.size > len(text) {
			continue
		}
		rest := text[start:]
		if first, last := g.ends(rest); first != e.first || last != e.last {
			continue
		}
		h := g.heads[e.head]
		for _, p := range g.patterns[h.first:h.last] {
			if len(p.text) <= len(rest) && string(rest[:len(p.text)]) == p.text {
				matches = append(matches, match{start: start, end: start + len(p.text), name: p.name})
			}
		}
	}
	return matches
}
