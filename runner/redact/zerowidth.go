package redact

// zeroWidths are the characters that are not seen, in UTF-8: ZERO WIDTH SPACE, NON-JOINER and JOINER, WORD
// JOINER, and the byte order mark. Tools put them between words, and a copy of a secret from a page may have
// some.
var zeroWidths = [...][3]byte{
	{0xe2, 0x80, 0x8b}, {0xe2, 0x80, 0x8c}, {0xe2, 0x80, 0x8d}, {0xe2, 0x81, 0xa0}, {0xef, 0xbb, 0xbf},
}

// zeroWidthPlace is the place of their pairs among the anchors: the pairs of their bytes, and all that begin with
// the last.
const zeroWidthPlace = 0

func isZeroWidth(c [3]byte) bool {
	for _, z := range zeroWidths {
		if c == z {
			return true
		}
	}
	return false
}

// findZeroWidth adds the place of the zero-width character of which the pair at i is part, if there is one at
// from or later.
func (s *scanner) findZeroWidth(text []byte, from, i int) {
	for begin := max(i-2, from); begin <= i && begin+3 <= len(text); begin++ {
		if isZeroWidth([3]byte(text[begin:])) {
			s.zeroWidths = append(s.zeroWidths, begin)
			return
		}
	}
}

// zeroWidthAtEnd returns where the zero-width character begins that text ends with, or ends within: len(text) if
// there is none.
func zeroWidthAtEnd(text []byte, from int) int {
	for begin := max(len(text)-3, from); begin < len(text); begin++ {
		end := text[begin:]
		for _, z := range zeroWidths {
			if string(z[:len(end)]) == string(end) {
				return begin
			}
		}
	}
	return len(text)
}
