package redact

import (
	"encoding/binary"
	"math/bits"
	"sort"
	"strings"
)

// prefixes tells which end of a text may be the beginning of one of some words.
type prefixes struct {
	words   []string // sorted, each once
	longest int
	shift   uint
	starts  []uint64 // a bit for each mixed first four bytes of a word
}

const startWidth = 4

// newPrefixes takes words of at least four bytes, sorted.
func newPrefixes(words []string) prefixes {
	size := max(bits.Len(uint(len(words)/2)), 4) // 32 bits or more for each word
	p := prefixes{words: words, shift: uint(64 - size), starts: make([]uint64, 1<<size)}
	for _, w := range words {
		p.longest = max(p.longest, len(w))
		h := p.mix([]byte(w[:startWidth]))
		p.starts[h>>p.shift] |= 1 << (h >> (p.shift - 6) & 63)
	}
	return p
}

func (p *prefixes) mix(start []byte) uint64 {
	return uint64(binary.LittleEndian.Uint32(start)) * factor
}

// hold returns where the longest end of text begins that is the beginning of a word, but not all of it: len(text)
// if none does.
func (p *prefixes) hold(text []byte) int {
	i := max(0, len(text)-p.longest+1)
	for ; i+startWidth <= len(text); i++ {
		h := p.mix(text[i:])
		if p.starts[h>>(p.shift&63)]>>(h>>((p.shift-6)&63)&63)&1 != 0 && p.begins(text[i:]) {
			return i
		}
	}
	for ; i < len(text); i++ {
		if p.begins(text[i:]) {
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
