package results

import (
	"cmp"
	"encoding/json"
	"slices"
	"sort"
	"strings"

	"github.com/joshdk/go-junit"
)

// explain fills in why a case failed: the line that says most (Message), what else its producer says (Details), and an
// excerpt of both. Where the producer says nothing, it is the output of the test.
func (c *Case) explain(why junit.Error, t *testCase) {
	message, body := splitLines(why.Message), splitLines(unwrapJSON(why.Body))
	var rest []string
	if at := firstTelling(message, t.Name); at >= 0 {
		n := joinedLines(message[at:])
		c.Message = joinLines(message[at : at+n])
		rest = slices.Concat(message[:at], message[at+n:], withoutRepetition(body, message, why.Type))
	} else if at := mostTelling(body, t.Name); at >= 0 {
		if goLine.MatchString(body[at]) { // it logs, then it fails
			at = goTestFailure(body)
		}
		n := joinedLines(body[at:])
		c.Message = joinLines(body[at : at+n])
		rest = body
		if at == 0 && n == 1 {
			rest = body[1:]
		}
	} else if output := splitLines(outputOf(t)); len(output) > 0 {
		at = max(mostTelling(output, t.Name), 0)
		c.Message, rest = strings.TrimSpace(output[at]), output
		if head := headOf(output, at); head < at && weigh(output[at], t.Name) == pair {
			c.Message = joinLines(output[head : head+joinedLines(output[head:])])
		}
	} else {
		c.Message, rest = cmp.Or(firstOf(message), firstOf(body), why.Type), body
	}
	for _, more := range t.more {
		lines := splitLines(more.Message)
		rest = append(append(slices.Clip(rest), lines...), withoutRepetition(splitLines(more.Body), lines, more.Type)...)
	}
	c.Message = shorten(c.Message, maxMessage)
	details := strings.Trim(strings.Join(dedent(rest), "\n"), "\n")
	if strings.Contains(why.Body, "--- FAIL: ") { // go test: indentation has a meaning, and so has what is missing
		details = strings.TrimSpace(why.Body)
	}
	c.Details = cutMiddle(details, maxDetails)
	c.Excerpt = excerpt(c.Message, rest, t.Name)
}

// outputOf is what a test printed.
func outputOf(t *testCase) string {
	return strings.TrimSpace(t.SystemOut) + "\n" + strings.TrimSpace(t.SystemErr)
}

// splitLines returns the lines of a text without trailing blanks, and without blank lines around it.
func splitLines(text string) []string {
	text = strings.Trim(text, "\n")
	all := strings.Split(text, "\n")
	for i := range all {
		all[i] = strings.TrimRight(all[i], " \t")
	}
	for len(all) > 0 && strings.TrimSpace(all[0]) == "" {
		all = all[1:]
	}
	for len(all) > 0 && all[len(all)-1] == "" {
		all = all[:len(all)-1]
	}
	return all
}

func firstOf(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return strings.TrimSpace(all[0])
}

// firstTelling is the index of the first line that says something, -1 if none does.
func firstTelling(all []string, name string) int {
	return slices.IndexFunc(all, func(line string) bool {
		w := weigh(line, name)
		return w > noise && w != frame
	})
}

// mostTelling is the index of the first line that says most, -1 if none says anything.
func mostTelling(all []string, name string) int {
	best, at := noise, -1
	for i, line := range all {
		w := weigh(line, name)
		if w == frame {
			continue
		}
		if w > marked { // what was expected says less than what failed
			w = thrown
		}
		if w > best {
			best, at = w, i
		}
	}
	return at
}

// The most lines that a line which ends with a colon is joined with, and the bytes that they may have together.
const (
	maxJoined     = 4
	maxJoinedSize = 200
)

// joinedLines counts the lines that belong to the first one: what follows a colon.
func joinedLines(all []string) int {
	if !strings.HasSuffix(all[0], ":") {
		return 1
	}
	n, size := 1, len(all[0])
	for _, line := range all[1:min(len(all), maxJoined)] {
		text := strings.TrimSpace(line)
		if w := weigh(line, ""); text == "" || w == noise || w == frame || size+len(text) > maxJoinedSize {
			break
		}
		size += len(text) + 1
		n++
	}
	return n
}

// headOf is the index of the line whose colon a line follows, or of that line itself.
func headOf(all []string, at int) int {
	for i := at - 1; i >= max(0, at-maxJoined+1); i-- {
		if joinedLines(all[i:]) > at-i && !source.MatchString(strings.TrimSpace(all[i])) {
			return i
		}
	}
	return at
}

// joinLines makes one line of some, without labels that say nothing.
func joinLines(all []string) string {
	var words []string
	for _, line := range all {
		words = append(words, strings.Fields(withoutLabel(line))...)
	}
	if len(all) == 1 { // as it is
		return withoutLabel(all[0])
	}
	return strings.Join(words, " ")
}

// withoutLabel removes pytest's mark of an error, and testify's label of it.
func withoutLabel(line string) string {
	line = strings.TrimSpace(line)
	for _, label := range []string{"E  ", "Error:      \t", "Error:"} {
		if rest, ok := strings.CutPrefix(
			line,
			label,
		); ok &&
			(label != "Error:" || strings.HasPrefix(rest, " \t") || strings.HasPrefix(rest, "  ")) {
			return strings.TrimSpace(rest)
		}
	}
	return line
}

// withoutRepetition removes from the start of a body what the message says already.
func withoutRepetition(body, message []string, kind string) []string {
	same := func(a, b string) bool {
		a, b = strings.TrimRight(strings.TrimSpace(a), ":"), strings.TrimRight(strings.TrimSpace(b), ":")
		return a == b || kind != "" && a == kind+": "+b
	}
	// The message of an assertion begins in the next line. Other types say more than their message.
	if len(body) > 1 && len(message) > 0 && strings.Contains(kind, "Assertion") && same(body[0], kind) {
		if rest := splitLines(strings.Join(body[1:], "\n")); len(rest) > 0 && same(rest[0], message[0]) {
			body = rest
		}
	}
	n := 0
	for n < len(body) && n < len(message) && same(body[n], message[n]) {
		n++
	}
	if n < len(message) && n < len(body) { // only in part the same: it may be another text
		for _, line := range message[n:] {
			if strings.TrimSpace(line) != "" {
				n = min(n, 1)
				break
			}
		}
	}
	return body[n:]
}

// The bounds of an excerpt.
const (
	maxExcerptLines = 6
	maxExcerptLine  = 200 // bytes
)

// candidate is a line that an excerpt may have.
type candidate struct {
	at     int
	weight weight
}

// excerpt picks the lines that explain a failure on their own: the message, what was expected and received,
// differences, and the first frame of the project's own code.
func excerpt(message string, rest []string, name string) string {
	candidates := candidatesOf(message, rest, name)
	sort.SliceStable(candidates, func(i, j int) bool { return candidates[i].weight > candidates[j].weight })
	candidates = candidates[:min(len(candidates), maxExcerptLines-1)]
	sort.Slice(candidates, func(i, j int) bool { return candidates[i].at < candidates[j].at })
	picked := []string{shorten(message, maxExcerptLine)}
	for _, c := range candidates {
		line := strings.TrimRight(rest[c.at], " ")
		if marked, ok := strings.CutPrefix(line, "E  "); ok {
			line = "   " + marked
		}
		picked = append(picked, shorten(line, maxExcerptLine))
	}
	return strings.Join(append(picked[:1], dedent(picked[1:])...), "\n")
}

// candidatesOf weighs the lines beside a message. A line that says what another one says already is none.
func candidatesOf(message string, rest []string, name string) []candidate {
	var candidates []candidate
	said := map[string]bool{}
	isMarked := slices.ContainsFunc(rest, func(line string) bool { return strings.HasPrefix(line, "E  ") })
	framed, inStack, different := false, false, false
	for i, line := range rest {
		text := strings.TrimSpace(line)
		w := weigh(line, name)
		inStack = inStack || frames.MatchString(text) || goroutine.MatchString(text)
		different = different && w != frame || diffHead.MatchString(text)
		switch {
		case repeats(message, text) || said[plainLine(text)]:
			continue
		case w == frame && framed:
			continue
		case w == frame:
			framed = true
		case different && w != noise && (strings.HasPrefix(text, "-") || strings.HasPrefix(text, "+")):
			w = difference
		case w == plain && (inStack || isMarked && strings.HasPrefix(line, "    ")): // source code, unknown frames
			continue
		}
		if w > noise {
			candidates = append(candidates, candidate{i, w})
			said[plainLine(text)] = true
		}
	}
	return candidates
}

// repeats reports whether a message has a line already.
func repeats(message, line string) bool {
	line = plainLine(line)
	return line == plainLine(message) || strings.HasPrefix(message, line) || strings.HasSuffix(message, line) ||
		strings.Contains(message, " "+line+" ") || strings.HasSuffix(message, line+`"`) && line != ""
}

// plainLine is a line without what different tools write around the same text: blanks, labels, the type of an
// exception, a colon at the end.
func plainLine(line string) string {
	line = withoutLabel(line)
	if at := exception.FindStringIndex(line); at != nil {
		line = line[at[1]-1:]
	}
	return strings.Join(strings.Fields(strings.TrimRight(line, ":")), " ")
}

// unwrapJSON is the stack of an error that a producer has written as JSON, as jest-junit does for hooks; other text
// stays as it is.
func unwrapJSON(body string) string {
	var failure struct{ Message, Stack string }
	if !strings.HasPrefix(body, `{"message":`) || json.Unmarshal([]byte(body), &failure) != nil {
		return body
	}
	return cmp.Or(failure.Stack, failure.Message, body)
}

// dedent removes the indentation that all lines have in common.
func dedent(all []string) []string {
	indent := -1
	for _, line := range all {
		if own := len(line) - len(strings.TrimLeft(line, " \t")); own < len(line) && (indent < 0 || own < indent) {
			indent = own
		}
	}
	dedented := slices.Clone(all)
	for i, line := range dedented {
		dedented[i] = line[min(max(indent, 0), len(line)):]
	}
	return dedented
}
