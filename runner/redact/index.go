package redact

// index is all patterns that are known: most of them in a matcher, those that were added since it was made beside it.
type index struct {
	*matcher // nil: to be made
	recent   recent
}

// add takes in a pattern that is not in it.
func (x *index) add(p pattern) {
	if x.matcher != nil {
		x.recent.add(p)
	}
}

// find appends the matches of the patterns in text, in any order.
func (x *index) find(matches []match, text []byte) []match {
	return x.recent.find(x.matcher.find(matches, text), text)
}

// hold returns where the longest end of text begins that is the beginning of a pattern or of a token, but not all
// of it: len(text) if none does.
func (x *index) hold(text []byte) int { return min(x.prefixes.hold(text), x.recent.hold(text)) }

// longest returns the length of the longest pattern in bytes, 0 if there is none.
func (x *index) longest() int { return max(x.matcher.longest, x.recent.longest) }

// hasPair reports whether a and b are neighbours in any pattern.
func (x *index) hasPair(a, b byte) bool { return x.pairs.has(a, b) || x.recent.pairs.has(a, b) }

// isOver reports whether a pattern may go over the seam between some bytes.
func (x *index) isOver(a, b [4]byte) bool {
	return x.quads.over(a, b) || !x.recent.isEmpty() && x.recent.quads.over(a, b)
}
