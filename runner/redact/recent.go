package redact

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"
)

// recent finds the patterns that were added after the matcher was made. To add one takes the same time however
// many there are. To search takes a look at each byte of a text, instead of one at every twelfth.
//
//	text     echo c2VjcmV0IHNlY3JldA== | base64 -d
//	head          ‾‾‾‾‾‾                           some patterns begin so: the longest of them that is here is the match
type recent struct {
	patterns []listed
	longest  int // pattern, in bytes
	bytes    int // of all patterns

	filter []uint64 // two bits for each head, as in a group
	shift  uint
	heads  map[uint64][]int32 // the patterns that begin with a head, sorted; by index
	chunk  []int32            // memory for lists of one
	starts map[uint64]struct{}
	pairs  pairs
	quads  quads
}

// listed is a pattern, and the longest other one that it begins with: its index plus 1, 0 if there is none.
type listed struct {
	pattern
	within int32
}

func (c *recent) isEmpty() bool { return len(c.patterns) == 0 }

const headSize = minimum // no pattern is shorter

// headOf returns the first six bytes of text, which has that many.
func headOf(text []byte) uint64 {
	return uint64(binary.LittleEndian.Uint32(text)) | uint64(binary.LittleEndian.Uint16(text[4:]))<<32
}

// startOf returns text, which is shorter than a head, as a number.
func startOf(text string) uint64 {
	var b [8]byte
	copy(b[:], text)
	return binary.LittleEndian.Uint64(b[:]) | uint64(len(text))<<56
}

// add takes in a pattern that is not in it.
func (c *recent) add(p pattern) {
	if c.heads == nil {
		c.heads, c.starts = map[uint64][]int32{}, map[uint64]struct{}{}
	}
	c.longest = max(c.longest, len(p.text))
	c.bytes += len(p.text)
	c.pairs.add(p.text)
	c.insert(p)
	for n := headSize - 1; n > 0; n-- {
		start := startOf(p.text[:n])
		if _, ok := c.starts[start]; ok {
			break // and what is shorter is there, too
		}
		c.starts[start] = struct{}{}
	}
	if len(c.patterns) > len(c.filter) || c.quads.isCrowded(c.bytes) {
		c.grow()
		return
	}
	c.addBits(p.text)
}

// grow makes the filters anew, with room for twice the patterns.
func (c *recent) grow() {
	size := bits.Len(uint(max(2*len(c.patterns), 512)))
	c.filter, c.shift = make([]uint64, 1<<size), uint(64-size)
	c.quads = newQuads(2 * c.bytes)
	for _, p := range c.patterns {
		c.addBits(p.text)
	}
}

func (c *recent) addBits(text string) {
	h := headOf([]byte(text[:headSize])) * factor
	c.filter[h>>c.shift] |= 1<<(h>>firstBit&63) | 1<<(h>>secondBit&63)
	c.quads.add(text)
}

// insert puts a pattern into the list of its head.
func (c *recent) insert(p pattern) {
	index := int32(len(c.patterns))
	c.patterns = append(c.patterns, listed{pattern: p})
	head := headOf([]byte(p.text[:headSize]))
	list := c.heads[head]
	if list == nil {
		if len(c.chunk) == 0 {
			c.chunk = make([]int32, 1024)
		}
		list, c.chunk = c.chunk[:1:1], c.chunk[1:]
		list[0] = index
		c.heads[head] = list
		return
	}
	at, _ := c.search(list, []byte(p.text))
	list = slices.Insert(list, at, index)
	c.heads[head] = list
	if at > 0 {
		c.patterns[index].within = c.longestPrefix(list[at-1], []byte(p.text))
	}
	for _, other := range list[at+1:] { // what begins with it follows it
		if !strings.HasPrefix(c.patterns[other].text, p.text) {
			break
		}
		if c.patterns[other].within == c.patterns[index].within {
			c.patterns[other].within = index + 1
		}
	}
}

// search returns where in a list the first pattern is that comes after text, and whether it begins with text.
func (c *recent) search(list []int32, text []byte) (at int, begins bool) {
	at, _ = slices.BinarySearchFunc(list, text, func(i int32, text []byte) int {
		if c.patterns[i].text > string(text) {
			return 1
		}
		return -1
	})
	return at, at < len(list) && strings.HasPrefix(c.patterns[list[at]].text, string(text))
}

// longestPrefix returns the longest pattern that text begins with, by index plus 1, 0 if there is none. Before is
// the last pattern that does not come after text: all patterns that text begins with are those that before begins
// with, and perhaps it.
func (c *recent) longestPrefix(before int32, text []byte) int32 {
	p := c.patterns[before].text
	common := 0
	for common < min(len(p), len(text)) && p[common] == text[common] {
		common++
	}
	n := before + 1
	for n != 0 && len(c.patterns[n-1].text) > common {
		n = c.patterns[n-1].within
	}
	return n
}

// find appends the longest match at each place of text.
func (c *recent) find(matches []match, text []byte) []match {
	if len(c.patterns) == 0 {
		return matches
	}
	for i := 0; i+headSize <= len(text); i++ {
		if i = c.next(text, i); i+headSize > len(text) {
			break
		}
		list := c.heads[headOf(text[i:])]
		if list == nil {
			continue
		}
		rest := text[i:min(len(text), i+c.longest)]
		at, _ := c.search(list, rest)
		if at == 0 {
			continue
		}
		if n := c.longestPrefix(list[at-1], rest); n != 0 {
			p := c.patterns[n-1]
			matches = append(matches, match{start: i, end: i + len(p.text), name: p.name})
		}
	}
	return matches
}

// next returns the next place, at i or later, where a pattern may begin.
func (c *recent) next(text []byte, i int) int {
	const sixBytes = 1<<48 - 1
	filter, shift := c.filter, c.shift&63
	for ; i+8 <= len(text); i++ {
		if h := binary.LittleEndian.Uint64(text[i:]) & sixBytes * factor; has(filter[h>>shift], h) {
			break
		}
	}
	return i
}

// hold returns where the longest end of text begins that is the beginning of a pattern, but not all of it:
// len(text) if none does.
func (c *recent) hold(text []byte) int {
	if len(c.patterns) == 0 {
		return len(text)
	}
	i := max(0, len(text)-c.longest+1)
	for ; i+headSize <= len(text); i++ {
		if i = c.next(text, i); i+headSize > len(text) {
			break
		}
		if _, begins := c.search(c.heads[headOf(text[i:])], text[i:]); begins {
			return i
		}
	}
	for i = max(i, len(text)-headSize+1, 0); i < len(text); i++ {
		if _, ok := c.starts[startOf(string(text[i:]))]; ok {
			return i
		}
	}
	return len(text)
}
