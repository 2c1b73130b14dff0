package redact

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"strings"
	"sync"

	"github.com/carlin-cicd/runner/steps/ansi"
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

var tokenRules = append([]tokenRule{
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
	{"xapp-1-", 3, "slack-token", run(isDashedWord, 7, 10)},
	{"hooks.slack.com/", 3, "slack-webhook", slackWebhook},
	{"sk_live_", 0, "stripe-key", run(isAlnum, 8, 16)},
	{"rk_live_", 0, "stripe-key", run(isAlnum, 8, 16)},
	{"sk-ant-", 0, "anthropic-key", run(isDashedWord, 7, 20)},
	{"AIza", 0, "google-key", run(isDashedWord, 4, 35)},
	{"AKIA", 0, "aws-secret-key", awsSecret},
	{"ASIA", 0, "aws-secret-key", awsSecret},
	{"-----BEGIN ", 4, "private-key", privateKey},
}, jwtRules()...)

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

// slackWebhook finds the path of an address that accepts messages from everyone who knows it.
func slackWebhook(text []byte, i int) (start, end int, open bool) {
	const host, least, most = len("hooks.slack.com/"), 20, 255
	isPath := func(c byte) bool { return isDashedWord(c) || c == '/' }
	path := text[i+host:]
	n := runLength(path, isPath, most)
	open = n == len(path) && n < most
	if n < least {
		return i, i, open
	}
	return i + host, i + host + n, open
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
		if text[j] == ansi.ESC {
			n, _ := ansi.Sequence(text[j:])
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

// anchors finds the prefixes of tokens, and zero-width characters: of any three neighbouring pairs of bytes, a
// look at every third place of the text meets one.
type anchors struct {
	table  [1 << 16]uint8 // by a pair, little endian: isPair and which of places
	places [][]anchor
}

// anchor is where in which prefix a pair is.
type anchor struct {
	rule, offset int
	start        uint32 // the prefix's first four bytes, little endian
}

const (
	pairStride = 3
	isPair     = 0x80
)

// allAnchors is made once, when it is needed.
var allAnchors = sync.OnceValue(func() *anchors {
	a := &anchors{places: [][]anchor{zeroWidthPlace: nil}}
	for _, z := range zeroWidths {
		a.table[uint16(z[0])|uint16(z[1])<<8] = isPair | zeroWidthPlace
		a.table[uint16(z[1])|uint16(z[2])<<8] = isPair | zeroWidthPlace
		for next := range 256 {
			a.table[uint16(z[2])|uint16(next)<<8] = isPair | zeroWidthPlace
		}
	}
	for i, r := range tokenRules {
		for offset := r.pair; offset < r.pair+pairStride; offset++ {
			entry := &a.table[uint16(r.prefix[offset])|uint16(r.prefix[offset+1])<<8]
			if *entry == 0 {
				a.places = append(a.places, nil)
				*entry = isPair | uint8(len(a.places)-1)
			}
			at := &a.places[*entry&^isPair]
			*at = append(*at, anchor{i, offset, binary.LittleEndian.Uint32([]byte(r.prefix))})
		}
	}
	return a
})

// findAnchored adds the tokens in text that begin at from or later, if they are wanted, and the places of
// zero-width characters. It returns where a token may begin that is not complete.
func (s *scanner) findAnchored(a *anchors, tokens bool, text []byte, from int) (hold int) {
	hold = len(text)
	s.zeroWidths = s.zeroWidths[:0]
	for i := max(0, from-lookBehind); i+1 < len(text); i += pairStride {
		if i = a.next(text, i); i+1 >= len(text) {
			break
		}
		switch place := a.table[binary.LittleEndian.Uint16(text[i:])] &^ isPair; {
		case place == zeroWidthPlace:
			s.findZeroWidth(text, from, i)
		case tokens:
			hold = min(hold, s.findToken(a.places[place], text, from, i))
		}
	}
	at := zeroWidthAtEnd(text, from)
	if n := len(s.zeroWidths); at < len(text) && (n == 0 || s.zeroWidths[n-1] < at) {
		s.zeroWidths = append(s.zeroWidths, at)
	}
	return hold
}

// next returns where the next pair is, at i or a number of strides later, that may be one of a prefix.
func (a *anchors) next(text []byte, i int) int {
	const turn = 12 * pairStride
	t := &a.table
	for ; i <= len(text)-turn; i += turn {
		p := (*[turn]byte)(text[i:]) // one check of the bounds for all
		at := func(n int) uint8 { return t[binary.LittleEndian.Uint16(p[n:n+2])] }
		if at(0)|at(3)|at(6)|at(9)|at(12)|at(15)|at(18)|at(21)|at(24)|at(27)|at(30)|at(33) == 0 {
			continue
		}
		which := uint(
			at(0)>>7,
		) | uint(
			at(3)>>7,
		)<<3 | uint(
			at(6)>>7,
		)<<6 | uint(
			at(9)>>7,
		)<<9 | uint(
			at(12)>>7,
		)<<12 | uint(
			at(15)>>7,
		)<<15 |
			uint(
				at(18)>>7,
			)<<18 | uint(
			at(21)>>7,
		)<<21 | uint(
			at(24)>>7,
		)<<24 | uint(
			at(27)>>7,
		)<<27 | uint(
			at(30)>>7,
		)<<30 | uint(
			at(33)>>7,
		)<<33
		for ; which != 0; which &= which - 1 {
			if n := i + bits.TrailingZeros(which); a.likely(text, n) {
				return n
			}
		}
	}
	for i+1 < len(text) && !a.likely(text, i) {
		i += pairStride
	}
	return i
}

// likely reports whether the pair at i is of a prefix, and its neighbours are, too: words have single pairs of them.
func (a *anchors) likely(text []byte, i int) bool {
	t := &a.table
	if t[binary.LittleEndian.Uint16(text[i:])] == 0 {
		return false
	}
	if i < 2 || i+4 > len(text) {
		return true
	}
	p := (*[6]byte)(text[i-2:])
	second, first := t[binary.LittleEndian.Uint16(p[0:2])], t[binary.LittleEndian.Uint16(p[1:3])]
	next, after := t[binary.LittleEndian.Uint16(p[3:5])], t[binary.LittleEndian.Uint16(p[4:6])]
	return (second&first|first&next|next&after)&isPair != 0
}

// findToken adds the token of which the pair at i is part, and returns where it is open.
func (s *scanner) findToken(anchors []anchor, text []byte, from, i int) (hold int) {
	hold = len(text)
	for _, at := range anchors {
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
			s.matches = append(s.matches, match{start, end, r.name, at.rule + 1})
		}
		if open {
			hold = min(hold, start)
		}
	}
	return hold
}
