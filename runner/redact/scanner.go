package redact

import "slices"

// scanner finds what has to go. It has the memory for it, to be used again.
type scanner struct {
	matches []match // sorted
	found   []match
	seams   []seam
	view    view

	zeroWidths []int
}

// lookBehind is how much of the text before what is scanned has to be there, in bytes.
const lookBehind = 384

// scan finds the matches in text that begin at from or later: no others are possible. What is before from is there
// to be looked back at. It returns where the text begins that has to be scanned again once more of it is
// there, as it may be the beginning of a match; if text is final, nothing is.
//
// What is found depends on the text only, never on where it was cut.
func (s *scanner) scan(x *index, text []byte, from int, final bool) (hold int) {
	s.matches = x.find(s.matches[:0], text[from:])
	for i := range s.matches {
		s.matches[i].start += from
		s.matches[i].end += from
	}
	hold = len(text)
	if !final {
		hold = from + x.hold(text[from:])
	}
	if x.anchors != nil {
		hold = min(hold, s.findAnchored(x.anchors, x.tokens, text, from))
	}
	if x.longest() > 0 {
		hold = s.outsideSeams(min(hold, s.findSewn(x, text, from)))
	}
	if final {
		hold = len(text)
	}
	if len(s.matches) > 1 {
		slices.SortFunc(s.matches, match.compare)
	}
	return hold
}

// findSewn adds the matches over seams, and returns where one may begin that is not complete. Only a few texts
// have to be copied without their seams: those around seams whose neighbours are neighbours in some pattern, with
// two more.
func (s *scanner) findSewn(x *index, text []byte, from int) (hold int) {
	s.seams, hold = findSeams(s.seams, text, from, s.zeroWidths)
	reach := x.longest() - 1
	viewing := false
	left := from // the end of the seam before, if any
	for i, c := range s.seams {
		sewn := c.start > left && (c.end == len(text) || x.hasPair(text[c.start-1], text[c.end]))
		if sewn {
			next := len(text)
			if i+1 < len(s.seams) {
				next = s.seams[i+1].start
			}
			sewn = c.start-left < 4 || next-c.end < 4 || x.isOver([4]byte(text[c.start-4:]), [4]byte(text[c.end:]))
		}
		near := c.start-left < reach
		if viewing {
			s.view.add(text, left, min(c.start, left+reach))
			if !sewn || !near {
				s.findInView(x)
				viewing = false
			}
		}
		if sewn && !viewing {
			s.view.reset()
			s.view.add(text, max(left, c.start-reach), c.start)
			viewing = true
		}
		left = c.end
	}
	if viewing {
		end := min(len(text), left+reach)
		s.view.add(text, left, end)
		s.findInView(x)
		if at := x.hold(s.view.text); end == len(text) && at < len(s.view.text) {
			at, _ = s.view.raw(at)
			hold = min(hold, at)
		}
	}
	return hold
}

// findInView adds the matches in the view that go over a seam.
func (s *scanner) findInView(x *index) {
	s.found = x.find(s.found[:0], s.view.text)
	for _, f := range s.found {
		start, first := s.view.raw(f.start)
		end, last := s.view.raw(f.end - 1)
		if first != last {
			f.start, f.end = start, end+1
			s.matches = append(s.matches, f)
		}
	}
}

// outsideSeams moves hold out of the middle of a seam: what is left of one would not be known as one.
func (s *scanner) outsideSeams(hold int) int {
	for _, c := range slices.Backward(s.seams) {
		if c.end <= hold {
			break
		}
		if c.start < hold {
			return c.start
		}
	}
	return hold
}
