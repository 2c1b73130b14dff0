package redact

import (
	"encoding/binary"
	"math/bits"
	"sort"
	"strings"
)

// prefixes tells which end of a text may be the beginning of one of some words.
type prefixes struct {
	words   []string // sorted
	longest int
	shift   uint
	starts  []uint64 // a bit for the mixed first bytes of each word: one, two, three and four of them
}

// startWidth is how many bytes of a word are mixed at most.
const startWidth = 4

// newPrefixes takes words of at least four bytes, sorted.
func newPrefixes(words []string) prefixes {
	size := bits.Len(uint(len(words))) + 1 // 64 to 128 bits for each word
	p := prefixes{words: words, shift: uint(64 - size), starts: make([]uint64, 1<<size)}
	for _, w := range words {
		p.longest = max(p.longest, len(w))
		for n := 1; n <= startWidth; n++ {
			var start [startWidth]byte
			copy(start[:], w[:n])
			word, bit := p.mix(binary.LittleEndian.Uint32(start[:]), n)
			p.starts[word] |= 1 << bit
		}
	}
	return p
}

// mix returns where the bit is of the first n bytes of a word.
func (p *prefixes) mix(start uint32, n int) (word, bit uint64) {
	h := (uint64(n)<<32 | uint64(start)) * factor
	return h >> (p.shift & 63), h >> ((p.shift - 6) & 63) & 63
}

// hold returns where the longest end of text begins that is the beginning of a word, but not all of it: len(text)
// if none does.
func (p *prefixes) hold(text []byte) int {
	i := max(0, len(text)-p.longest+1)
	for ; i+startWidth <= len(text); i++ {
		word, bit := p.mix(binary.LittleEndian.Uint32(text[i:]), startWidth)
		if p.starts[word]>>bit&1 != 0 && p.begins(text[i:]) {
			return i
		}
	}
	for ; i < len(text); i++ {
		var start [startWidth]byte
		n := copy(start[:], text[i:])
		word, bit := p.mix(binary.LittleEndian.Uint32(start[:]), n)
		if p.starts[word]>>bit&1 != 0 && p.begins(text[i:]) {
			return i
		}
	}
	return len(text)
}

// begins reports whether a word begins with end and goes on.
func (p *prefixes) begins(end []byte) bool {
	i := sort.Search(len(p.words), func(i int) bool { return p.words[i] > string(end) })
	return i < len(p.words) && strings.HasPrefix(p.words[i], string(end))
}
