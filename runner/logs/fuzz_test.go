package logs

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/carlin-cicd/runner/steps/ansi"
)

var (
	// Escape sequences, as the grammar says it rather than byte by byte.
	ansiSequence = regexp.MustCompile(
		`^(?:\x1b\[[ -?]*[@-~]|\x1b[\]PX^_][^\x00-\x1f]*(?:\x07|\x1b\\)|\x1b[ -/]+[0-~]|\x1b[0-OQ-WYZ\\` + "`" + `a-~])`,
	)
	ansiHome = regexp.MustCompile(`^\x1b\[(?:[01]?G|2K)$`)
)

// reference does what a framer does to a log without colours, slowly and plainly.
func reference(in string, limit int, encode func(rune) string) (pieces []line) {
	lines := strings.SplitAfter(in, "\n")
	for _, l := range lines {
		if l == "" {
			continue // after the last newline
		}
		l = strings.TrimSuffix(l, "\n")
		var now strings.Builder
		size, home := 0, false
		for len(l) > 0 {
			if l[0] == '\r' {
				home = true
				l = l[1:]
				continue
			}
			if l[0] == ansi.ESC {
				if m := ansiSequence.FindString(l); m != "" && len(m) <= ansi.MaxSequence {
					home = home || ansiHome.MatchString(m)
					l = l[len(m):]
					continue
				}
			}
			r, n := utf8.DecodeRuneInString(l)
			l = l[n:]
			e := encode(r)
			if home {
				now.Reset()
				size, home = 0, false
			}
			if size+len(e) > limit {
				pieces = append(pieces, line{Msg: now.String(), Partial: true})
				now.Reset()
				size = 0
			}
			now.WriteRune(r)
			size += len(e)
		}
		pieces = append(pieces, line{Msg: now.String()})
	}
	return pieces
}

func encodeJSON(r rune) string {
	switch {
	case r == '"', r == '\\':
		return `\` + string(r)
	case r == '\t':
		return `\t`
	case r < ' ', isOdd(r):
		return fmt.Sprintf(`\u%04x`, r)
	}
	return string(r)
}

// isOdd reports whether a character is DEL, of C1, of text direction or a separator.
func isOdd(r rune) bool {
	return r >= 0x7f && r <= 0x9f || unicode.Is(unicode.Bidi_Control, r) || r == 0x2028 || r == 0x2029
}

func encodeText(r rune) string {
	switch {
	case r == '\t':
		return "\t"
	case r < ' ':
		return string('␀' + r)
	case r == 0x7f:
		return "␡"
	case isOdd(r):
		return fmt.Sprintf("<U+%04X>", r)
	}
	return string(r)
}

// cutAnywhere splits in at random places, or at all of them.
func cutAnywhere(in []byte, seed uint64) [][]byte {
	rnd := rand.New(rand.NewPCG(seed, 0))
	longest := 1 << (seed % 12)
	var blocks [][]byte
	for len(in) > 0 {
		n := min(len(in), 1+rnd.IntN(longest))
		blocks = append(blocks, in[:n])
		in = in[n:]
	}
	return blocks
}

// run returns the log of a command that writes these blocks. A limit other than 0 makes long
// lines cheap to have.
func run(tb testing.TB, o Options, limit int, blocks ...[]byte) []byte {
	var out bytes.Buffer
	s := New(&out, o)
	for _, output := range []*output{s.json, s.text} {
		if output != nil && limit > 0 {
			output.limit = limit
		}
	}
	c := s.Command()
	for _, b := range blocks {
		before := bytes.Clone(b)
		if _, err := c.Write(b); err != nil {
			tb.Fatal(err)
		}
		if !bytes.Equal(b, before) {
			tb.Fatal("Write has changed the block")
		}
	}
	if err := c.Close(); err != nil {
		tb.Fatal(err)
	}
	if err := s.Err(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

func checkAgainstReference(tb testing.TB, in []byte, seed uint64, limit int) {
	blocks := cutAnywhere(in, seed)

	log := run(tb, Options{}, limit, blocks...)
	lines := jsonLines(tb, log)
	jsonLimit := limit
	if limit == 0 {
		jsonLimit = newJSONOutput(nil, nil, nil).limit
	}
	want := reference(string(in), jsonLimit, encodeJSON)
	if len(lines) != len(want) {
		tb.Fatalf("%d records, want %d\n%q\nfrom %q", len(lines), len(want), messages(lines), in)
	}
	for i, l := range lines {
		if l.Msg != want[i].Msg || l.Partial != want[i].Partial || l.Source != "command" {
			tb.Fatalf("record %d is %+v, want %+v", i+1, l, want[i])
		}
	}

	textLimit := limit
	if limit == 0 {
		textLimit = MaxRecord
	}
	var text strings.Builder
	for _, p := range reference(string(in), textLimit, encodeText) {
		for _, r := range p.Msg {
			text.WriteString(encodeText(r))
		}
		if !p.Partial {
			text.WriteByte('\n')
		}
	}
	if got := run(tb, Options{Format: Text}, limit, blocks...); string(got) != text.String() {
		tb.Fatalf("text is %q, want %q", got, &text)
	}

	colour := Options{Format: Text, Color: true}
	if got, whole := run(tb, colour, limit, blocks...), run(tb, colour, limit, in); !bytes.Equal(got, whole) {
		tb.Fatalf("text with colours depends on the blocks:\n%q\n%q", got, whole)
	}
}

func FuzzCommand(f *testing.F) {
	for i, c := range framing {
		f.Add([]byte(c.in), uint64(i))
	}
	f.Add([]byte(strings.Repeat("x", 200)+"\r"+strings.Repeat("ü\"\x00", 50)+"\r\n"), uint64(3))
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		for _, limit := range []int{0, 40} {
			checkAgainstReference(t, in, seed, limit)
		}
	})
}

// TestRandomLogs is the fuzz target on what matters here: few kinds of things in every order.
func TestRandomLogs(t *testing.T) {
	things := []string{
		"\n", "\n", "\r", "\r\n", "\x1b", "\x1b[", "\x1b[31m", "\x1b[0m", "\x1b[2K", "\x1b[G", "\x1b[K", "\x1b]8;;a", "\x1b]0;", "\x07", "\x1b\\",
		"\x1b(B", "[", "m", "\\", "\"", "\t", "\x00", "a", "plain text", "a rather long stretch of plain text", "ü", "\u009b", "\u0085", "\u202e", "\u061c", "\x7f", "–", "日", "🎉", "\xe2", "\x82", "\xac", "\xff", "\xf0\x9f",
		strings.Repeat("x", 37),
		// From here on they are for every tenth round only, to be quick.
		strings.Repeat("x", ansi.MaxSequence), strings.Repeat("\"", 9000),
	}
	for i := range 3000 {
		rnd := rand.New(rand.NewPCG(uint64(i), 7))
		var in []byte
		short := len(things)
		if i%10 > 0 {
			short -= 2
		}
		for range rnd.IntN(30) {
			in = append(in, things[rnd.IntN(short)]...)
		}
		checkAgainstReference(t, in, rnd.Uint64(), []int{0, 40, 64}[i%3])
	}
}
