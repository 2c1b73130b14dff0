package redact

import (
	"bytes"
	"encoding/binary"
	"strings"
	"sync"
)

// tokenRule is a kind of secret that is known by how it begins.
type tokenRule struct {
	prefix string
	pair   int // the first of three pairs of the prefix that texts are searched for: rare ones are fast
	name   string
	// find returns the secret, empty if there is none, for a prefix at i. If it is open, text ends before it is
	// known whether there is one, or more of it, that begins at start.
	find func(text []byte, i int) (start, end int, open bool)
}

var tokenRules = []tokenRule{
	{"ghp_", 0, "github-token", run(isAlnum, 4, 36)},
	{"gho_", 0, "github-token", run(isAlnum, 4, 36)},
	{"ghu_", 0, "github-token", run(isAlnum, 4, 36)},
	{"ghs_", 0, "github-token", run(isAlnum, 4, 36)},
	{"ghr_", 0, "github-token", run(isAlnum, 4, 36)},
	{"github_pat_", 5, "github-token", run(isWord, 11, 22)},
	{"glpat-", 0, "gitlab-token", run(isDashedWord, 6, 20)},
	{"xoxa-", 0, "slack-token", run(isDashedWord, 5, 10)},
	{"xoxb-", 0, "slack-token", run(isDashedWord, 5, 10)},
	{"xoxp-", 0, "slack-token", run(isDashedWord, 5, 10)},
	{"xoxr-", 0, "slack-token", run(isDashedWord, 5, 10)},
	{"xoxs-", 0, "slack-token", run(isDashedWord, 5, 10)},
	{"npm_", 0, "npm-token", run(isAlnum, 4, 36)},
	{"AKIA", 0, "aws-secret-key", awsSecret},
	{"ASIA", 0, "aws-secret-key", awsSecret},
	{"-----BEGIN ", 4, "private-key", privateKey},
}

func isWord(c byte) bool       { return isAlnum(c) || c == '_' }
func isDashedWord(c byte) bool { return isWord(c) || c == '-' }
func isBase64(c byte) bool     { return isAlnum(c) || c == '+' || c == '/' }

// runLength returns how many bytes at the start of text are of a kind, most at the most.
func runLength(text []byte, is func(byte) bool, most int) int {
	n := 0
	for n < min(len(text), most) && is(text[n]) {
		n++
	}
	return n
}

// run finds a prefix that is followed by least characters of a kind, or up to 255.
func run(is func(byte) bool, prefix, least int) func([]byte, int) (int, int, bool) {
	const most = 255
	return func(text []byte, i int) (start, end int, open bool) {
		rest := text[i+prefix:]
		n := runLength(rest, is, most)
		open = n == len(rest) && n < most
		if n < least {
			return i, i, open
		}
		return i, i + prefix + n, open
	}
}

const (
	awsIDLength     = 20
	awsSecretLength = 40
	awsReach        = 256 // bytes after the id in which the secret begins; all three fit into lookBehind
)

// awsSecret finds the secret access key that follows the id of a key. The id itself stays: it is not secret, and
// it is what one looks a leak up by.
func awsSecret(text []byte, i int) (start, end int, open bool) {
	id := text[i:min(len(text), i+awsIDLength+1)]
	if runLength(id, isAlnum, len(id)) != awsIDLength || strings.ToUpper(string(id)) != string(id) {
		return i, i, false
	}
	j := i + awsIDLength
	for last := j + awsReach; j < min(last, len(text)); {
		if text[j] == esc {
			n, _ := sequence(text[j:])
			j += max(n, 1)
			continue
		}
		run := text[j:]
		n := runLength(run, isBase64, len(run))
		if n <= awsSecretLength && n == len(run) { // it may go on
			open = true
		}
		commit := runLength(run, isLowerHex, n) == n
		if n == awsSecretLength && !commit && (open || run[n] != '=') {
			return j, j + n, open
		}
		if open {
			return j, j, true
		}
		j += max(n, 1)
	}
	return i, i, false
}

func isLowerHex(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' }

// anchors finds the prefixes of tokens: of any three neighbouring pairs of bytes, a look at every third place of
// the text meets one.
type anchors struct {
	table  [1 << 16]uint8 // by a pair, little endian: which of places, plus 1
	places [][]anchor
}

// anchor is where in which prefix a pair is.
type anchor struct {
	rule, offset int
	start        uint32 // the prefix's first four bytes, little endian
}

const pairStride = 3

// tokenAnchors is made once, when it is needed.
var tokenAnchors = sync.OnceValue(func() *anchors {
	a := &anchors{}
	for i, r := range tokenRules {
		for offset := r.pair; offset < r.pair+pairStride; offset++ {
			entry := &a.table[uint16(r.prefix[offset])|uint16(r.prefix[offset+1])<<8]
			if *entry == 0 {
				a.places = append(a.places, nil)
				*entry = uint8(len(a.places))
			}
			a.places[*entry-1] = append(a.places[*entry-1], anchor{i, offset, binary.LittleEndian.Uint32([]byte(r.prefix))})
		}
	}
	return a
})

// findTokens adds the tokens in text that begin at from or later, and returns where one may begin that is not
// complete.
func (s *scanner) findTokens(a *anchors, text []byte, from int) (hold int) {
	const turn = 12 * pairStride
	hold = len(text)
	t := &a.table
	i := max(0, from-lookBehind)
	for ; i+turn <= len(text); i += turn {
		p := text[i : i+turn] // one check of the bounds for all
		v, w := binary.LittleEndian.Uint64(p), binary.LittleEndian.Uint64(p[9:])
		x, y := binary.LittleEndian.Uint64(p[18:]), binary.LittleEndian.Uint64(p[27:])
		if t[uint16(v)]|t[uint16(v>>24)]|t[uint16(v>>48)]|t[uint16(w)]|t[uint16(w>>24)]|t[uint16(w>>48)]|
			t[uint16(x)]|t[uint16(x>>24)]|t[uint16(x>>48)]|t[uint16(y)]|t[uint16(y>>24)]|t[uint16(y>>48)] != 0 {
			for at := i; at < i+turn; at += pairStride {
				if t[binary.LittleEndian.Uint16(text[at:])] != 0 {
					hold = min(hold, s.findToken(a, text, from, at))
				}
			}
		}
	}
	for ; i+2 <= len(text); i += pairStride {
		if t[binary.LittleEndian.Uint16(text[i:])] != 0 {
			hold = min(hold, s.findToken(a, text, from, i))
		}
	}
	return hold
}

// findToken adds the token of which the pair at i is part, and returns where it is open.
func (s *scanner) findToken(a *anchors, text []byte, from, i int) (hold int) {
	hold = len(text)
	for _, at := range a.places[a.table[binary.LittleEndian.Uint16(text[i:])]-1] {
		begin := i - at.offset
		if begin < 0 || begin+4 > len(text) || binary.LittleEndian.Uint32(text[begin:]) != at.start {
			continue
		}
		r := &tokenRules[at.rule]
		if !bytes.HasPrefix(text[begin:], []byte(r.prefix)) {
			continue
		}
		start, end, open := r.find(text, begin)
		if start < from {
			continue // it was decided
		}
		if end > start {
			s.matches = append(s.matches, match{start, end, r.name, true})
		}
		if open {
			hold = min(hold, start)
		}
	}
	return hold
}
