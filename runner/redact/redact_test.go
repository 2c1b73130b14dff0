package redact

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

// cleaned redacts a text in every way there is: they must not differ.
func cleaned(t *testing.T, r *Redactor, text string) string {
	t.Helper()
	whole := r.String(text)
	for way, got := range map[string]string{
		"Bytes":                    string(r.Bytes([]byte(text))),
		"Writer, whole":            streamed(t, r, text, func(int) int { return len(text) }),
		"Writer, a byte at a time": streamed(t, r, text, func(int) int { return 1 }),
		"Reader":                   read(t, r, strings.NewReader(text)),
		"Reader, a byte at a time": read(t, r, iotest.OneByteReader(strings.NewReader(text))),
	} {
		if got != whole {
			t.Errorf("%s: %q\nString: %q\ntext: %q", way, got, whole, text)
		}
	}
	return whole
}

// streamed writes a text in parts of the sizes that size returns for how much is left.
func streamed(t *testing.T, r *Redactor, text string, size func(left int) int, options ...WriterOption) string {
	t.Helper()
	var out strings.Builder
	w := r.Writer(&out, options...)
	for left := text; left != ""; {
		n := min(max(size(len(left)), 1), len(left))
		if m, err := io.WriteString(w, left[:n]); m != n || err != nil {
			t.Fatalf("Write: %d, %v", m, err)
		}
		left = left[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func read(t *testing.T, r *Redactor, from io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r.Reader(from))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestWhatIsReplaced(t *testing.T) {
	for name, c := range map[string]struct {
		secrets    []Secret
		text, want string
	}{
		"no secret":                          {nil, "plain text\n", "plain text\n"},
		"nothing to replace":                 {[]Secret{{"A", "secret-1"}}, "plain text\n", "plain text\n"},
		"an empty text":                      {[]Secret{{"A", "secret-1"}}, "", ""},
		"the whole text":                     {[]Secret{{"A", "secret-1"}}, "secret-1", "[REDACTED:A]"},
		"bytes that are not UTF-8":           {[]Secret{{"A", "\xff\xfe\x00secret"}}, "\xfe\xff\xfe\x00secret\xff", "\xfe[REDACTED:A]\xff"},
		"a prefix of itself before it":       {[]Secret{{"A", "sk-sk-live"}}, "sk-sk-sk-live", "sk-[REDACTED:A]"},
		"a repetition before it":             {[]Secret{{"A", "aaaaab"}}, "aaaaaaab.", "aa[REDACTED:A]."},
		"two that overlap":                   {[]Secret{{"A", "abcdef12"}, {"B", "def12xyz"}}, "<abcdef12xyz>", "<[REDACTED:A]>"},
		"three in a chain":                   {[]Secret{{"A", "abcdef12"}, {"B", "def12xyz"}, {"C", "2xyz-and-on"}}, "abcdef12xyz-and-on.", "[REDACTED:A]."},
		"one inside another":                 {[]Secret{{"A", "inside"}, {"B", "outside-inside-out"}}, "outside-inside-out inside", "[REDACTED:B] [REDACTED:A]"},
		"one that begins as another":         {[]Secret{{"A", "abcdef"}, {"B", "abcdefghi"}}, "abcdefghi abcdef abcdefgh", "[REDACTED:B] [REDACTED:A] [REDACTED:A]gh"},
		"one that ends as another":           {[]Secret{{"A", "defghi"}, {"B", "abcdefghi"}}, "abcdefghi defghi", "[REDACTED:B] [REDACTED:A]"},
		"neighbours":                         {[]Secret{{"A", "secret-1"}, {"B", "other-2"}}, "secret-1secret-1other-2", "[REDACTED:A][REDACTED:A][REDACTED:B]"},
		"one that overlaps itself for ever":  {[]Secret{{"A", "ababab"}}, "x" + strings.Repeat("ab", 500) + "y", "x[REDACTED:A]y"},
		"its beginning at the end":           {[]Secret{{"A", "secret-1"}}, "tell no secret-", "tell no secret-"},
		"one value with two names":           {[]Secret{{"B", "same-value"}, {"A", "same-value"}}, "same-value", "[REDACTED:A]"},
		"one value with two names, in turn":  {[]Secret{{"A", "same-value"}, {"B", "same-value"}}, "same-value", "[REDACTED:A]"},
		"a secret without name":              {[]Secret{{"", "secret-1"}}, "a secret-1", "a [REDACTED:secret]"},
		"a value with white space around":    {[]Secret{{"A", "  secret-1\n"}}, "secret-1 ", "[REDACTED:A] "},
		"a value in quotes":                  {[]Secret{{"A", `"secret-1"`}}, "secret-1 'secret-1'", "[REDACTED:A] '[REDACTED:A]'"},
		"six bytes":                          {[]Secret{{"A", "abcdef"}, {"B", "ghijk"}}, "abcdef ghijk", "[REDACTED:A] ghijk"},
		"two bytes of one rune at a cut":     {[]Secret{{"A", "größe-ß"}}, "die größe-ß ist größe", "die [REDACTED:A] ist größe"},
		"a name that is in the text":         {[]Secret{{"TOKEN", "secret-1"}}, "TOKEN=secret-1", "TOKEN=[REDACTED:TOKEN]"},
		"a value that is in the replacement": {[]Secret{{"A", "REDACTED"}}, "REDACTED", "[REDACTED:A]"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := cleaned(t, New(c.secrets...), c.text); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestTextsWithoutSecretsAreNotCopied(t *testing.T) {
	text := []byte("plain text")
	if got := New(Secret{"A", "secret-1"}).Bytes(text); &got[0] != &text[0] {
		t.Error("it is a copy")
	}
}

func TestShortAndCommonValuesAreNamedAndLeftAlone(t *testing.T) {
	r := New(
		Secret{
			"PIN",
			"12345",
		},
		Secret{"FLAG_TOKEN", "true"},
		Secret{"EMPTY", ""},
		Secret{"BLANK", " \n"},
		Secret{"STAGE_KEY", "production"},
		Secret{
			"MAX_TOKENS",
			"128000",
		},
		Secret{"VERSION_KEY", "10.20.30"},
		Secret{"BRACES", "{}[]{}"},
		Secret{"LINE", "------------"},
		Secret{"GOOD", "abcdef"},
		Secret{
			"LONG_PIN",
			"4929103857201",
		},
		Secret{"DB", `{"password":"short","user":"me","port":5432}`},
		Secret{"PIN", "54321"},
	)
	want := "BRACES DB.password FLAG_TOKEN LINE MAX_TOKENS PIN STAGE_KEY VERSION_KEY"
	if got := strings.Join(r.Unredacted(), " "); got != want {
		t.Errorf("short ones are %s, want %s", got, want)
	}
	text := "true 12345 { production 128000 v10.20.30 {}[]{} ------------ short 5432 "
	if got := cleaned(t, r, text+"abcdef 4929103857201"); got != text+"[REDACTED:GOOD] [REDACTED:LONG_PIN]" {
		t.Errorf("%q", got)
	}
}

func TestASecretCountsFromWhenItIsAdded(t *testing.T) {
	r := New()
	var out bytes.Buffer
	w := r.Writer(&out)
	fmt.Fprint(w, "late-secret\nlate-")
	r.Add(Secret{"LATE", "late-secret"})
	fmt.Fprint(w, "secret\nlate-secret\n")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	// What was passed on before is gone; the rest is not.
	if want := "late-secret\nlate-secret\n[REDACTED:LATE]\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

func TestOnlyWhatMayBecomeASecretIsHeldBack(t *testing.T) {
	var out strings.Builder
	w := New(Secret{"A", "secret-1"}, Secret{"B", "-1-and-more"}).Writer(&out)
	for _, step := range []struct{ write, want string }{
		{"password? ", "password? "},
		{"it is sec", "it is "},
		{"ond to none\n", "second to none\n"},
		{"secret-1", "[REDACTED:A]"}, // what is held belongs to it already
		{"-and-less\n", "-and-less\n"},
		{"ghp_", ""},
		{"not\n", "ghp_not\n"},
		{"\x1b[3", ""},
		{"2mgreen.", "\x1b[32mgreen."},
		{"\x1b[0m", "\x1b[0m"},
		{"> s\x1b[1m", "> "},
		{"ent.", "s\x1b[1ment."},
	} {
		out.Reset()
		if _, err := io.WriteString(w, step.write); err != nil {
			t.Fatal(err)
		}
		if out.String() != step.want {
			t.Errorf("%q brought %q, want %q", step.write, out.String(), step.want)
		}
	}
}

func TestFlushPassesOnWhatIsHeldAndStillCoversTheRest(t *testing.T) {
	var out strings.Builder
	w := New(Secret{"A", "secret-1"}).Writer(&out)
	for _, p := range []string{"a sec", "ret-1 b sec", "ond"} {
		fmt.Fprint(w, p)
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if want := "a sec[REDACTED:A] b second"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

func TestASecretThatWasFlushedBeforeItWasKnown(t *testing.T) {
	r := New(Secret{"LONG", "my-key-and-more"})
	var out strings.Builder
	w := r.Writer(&out)
	fmt.Fprint(w, "a my-key")
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	r.Add(Secret{"SHORT", "my-key"})
	fmt.Fprint(w, ".")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if out.String() != "a my-key." {
		t.Errorf("%q", out.String())
	}
}

func TestAfterCloseNothingIsTaken(t *testing.T) {
	var out strings.Builder
	w := New(Secret{"A", "secret-1"}).Writer(&out)
	fmt.Fprint(w, "a sec")
	for range 2 {
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := fmt.Fprint(w, "late"); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Write: %v", err)
	}
	if out.String() != "a sec" {
		t.Errorf("%q", out.String())
	}
}

func TestTheErrorOfTheWriterBehindIsKept(t *testing.T) {
	broken := errors.New("broken pipe")
	w := New(Secret{"A", "secret-1"}).Writer(failing{broken})
	for range 2 {
		if n, err := fmt.Fprint(w, "text"); n != 0 || !errors.Is(err, broken) {
			t.Errorf("Write: %d, %v", n, err)
		}
	}
	if err := w.Close(); !errors.Is(err, broken) {
		t.Errorf("Close: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestAReaderReturnsWhatThereIsBeforeTheError(t *testing.T) {
	broken := errors.New("connection reset")
	from := io.MultiReader(strings.NewReader("a secret-1 b sec"), iotest.ErrReader(broken))
	b, err := io.ReadAll(New(Secret{"A", "secret-1"}).Reader(from))
	if !errors.Is(err, broken) || string(b) != "a [REDACTED:A] b sec" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestOneRedactorServesManyAtOnce(t *testing.T) {
	r := New(Secret{"FIRST", "secret-first"})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			var out strings.Builder
			w := r.Writer(&out, MaskCommands())
			for n := range 200 {
				value := fmt.Sprintf("secret-%d-%d", i, n)
				switch n % 20 {
				case 0:
					r.Add(Secret{fmt.Sprintf("N_%d_%d", i, n), value})
				case 10:
					fmt.Fprintf(w, "::add-mask::%s\n", value)
				default:
					fmt.Fprint(w, "text secret-first\n")
					continue
				}
				fmt.Fprintf(w, "%s\n", value)
				if got := r.String(value); !strings.HasPrefix(got, "[REDACTED:") {
					t.Errorf("%s became %s", value, got)
				}
				r.Unredacted()
			}
			if err := w.Close(); err != nil {
				t.Error(err)
			}
			if strings.Contains(out.String(), "secret-") {
				t.Errorf("%q", out.String())
			}
		})
	}
	wg.Wait()
}

func TestAWriterMayBeFlushedByAnother(t *testing.T) {
	var out strings.Builder
	w := New(Secret{"A", "secret-1"}).Writer(&out)
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 1000 {
			_ = w.Flush()
		}
	})
	for range 1000 {
		fmt.Fprint(w, "secret-1\n")
	}
	wg.Wait()
	if err := w.Close(); err != nil || strings.Contains(out.String(), "secret-1") {
		t.Errorf("%v, %q", err, out.String())
	}
}
