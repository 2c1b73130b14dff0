package runner

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/runner/session"
)

func TestMarkdownHoldsWhateverTestsAreCalled(t *testing.T) {
	r := &run{Session: session.Session{Redactor: redact.New(redact.Secret{Name: "TOKEN", Value: "a*b*c*d*e"})}}
	for text, want := range map[string]string{
		"plain":           "`plain`",
		"a `b` c":         "``a `b` c``",
		"`b`":             "`` `b` ``",
		"two\nlines\tand": "`two lines and`",
		"it is a*b*c*d*e": "`it is [REDACTED:TOKEN]`",
		"\x1b[31mred":     "`[31mred`",
		"\u202eabc":       "`abc`",
		"\xff":            "`\uFFFD`",
		"":                "",
	} {
		if got := r.code(text); got != want {
			t.Errorf("%q becomes %s, want %s", text, got, want)
		}
	}
	if got := r.html(`<img src=x onerror="a*b*c*d*e"> & more`); got != "&lt;img src=x onerror=&#34;[REDACTED:TOKEN]&#34;&gt; &amp; more" {
		t.Errorf("becomes %s", got)
	}
}

func TestASummaryIsAddedToRegularFilesOnly(t *testing.T) {
	for _, name := range []string{os.DevNull, t.TempDir(), filepath.Join(t.TempDir(), "no", "folder")} {
		if err := appendSummary(name, func(int) string { return "x" }); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	name := filepath.Join(t.TempDir(), "summary.md")
	for range 2 {
		if err := appendSummary(name, func(room int) string { return strings.Repeat("x", room/2) }); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(name); err != nil || info.Size() != maxStepSummary*3/4 {
		t.Errorf("it is %v (%v)", info, err)
	}
}

func FuzzCode(f *testing.F) {
	f.Add("a ``b`` c")
	r := &run{Session: session.Session{Redactor: redact.New()}}
	f.Fuzz(func(t *testing.T, text string) {
		code := r.code(text)
		if strings.ContainsAny(code, "\n\r") {
			t.Fatalf("%q has a line break", code)
		}
		if code == "" {
			return
		}
		inner := strings.TrimLeft(code, "`")
		fence := len(code) - len(inner)
		if longestRun(strings.TrimSuffix(inner, strings.Repeat("`", fence))) >= fence {
			t.Errorf("%q leaves its span: %s", text, code)
		}
	})
}
