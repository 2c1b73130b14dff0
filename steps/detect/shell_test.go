package detect

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestLinesAreSplitIntoCommands(t *testing.T) {
	for line, want := range map[string]string{
		`a b && c`:                   `[a b]&&[c]`,
		`a; b || c | d & e`:          `[a];[b]||[c]|[d]&[e]`,
		`a 'b && c' "d; e" f\ g`:     `[a b && c d; e f g]`,
		`a {b,c} d#e # f && g`:       `[a {b,c} d#e]#`,
		`X='' a "it's" --g='**/*.s'`: `[X= a it's --g=**/*.s]`,
		`a;`:                         `[a];`,
		`a $HOME ${x:-y}`:            `[a $HOME ${x:-y}]`,
		``:                           `false`,
		`a &&`:                       `false`,
		`&& a`:                       `false`,
		`(a)`:                        `false`,
		`a > b`:                      `false`,
		`a $(b)`:                     `false`,
		"a `b`":                      `false`,
		`{ a; }`:                     `false`,
		"a\nb":                       `false`,
		`a "b`:                       `false`,
		`a \`:                        `false`,
		`# a`:                        `false`,
	} {
		got := "false"
		if all, ok := commands(line); ok {
			got = ""
			for _, c := range all {
				got += "[" + strings.Join(c.words, " ") + "]" + c.joiner
			}
		}
		if got != want {
			t.Errorf("%q: %s, not %s", line, got, want)
		}
	}
}

// What a line is split into means the same to a shell.
func FuzzWordsAreThoseOfTheShell(f *testing.F) {
	f.Add(`a 'b c' "d" \e`)
	f.Add(`x="y z" w`)
	f.Fuzz(func(t *testing.T, line string) {
		all, ok := commands(line)
		if !ok || len(all) != 1 || all[0].joiner != "" || strings.ContainsAny(line, "$*?[~{}") || len(line) > 200 {
			t.Skip()
		}
		script := `for word in "$@"; do printf '<%s>' "$word"; done`
		shell := exec.Command("/bin/sh", "-c", `show() { `+script+`; }; show `+line)
		shell.Env, shell.Dir = []string{"PATH="}, t.TempDir() // a mistake must not run a program
		out, err := shell.Output()
		if err != nil {
			t.Skip()
		}
		if want := "<" + strings.Join(all[0].words, "><") + ">"; string(out) != want {
			t.Errorf("%q: %q, not %q", line, want, out)
		}
	})
}

func TestAWordIsOneWordOfTheShell(t *testing.T) {
	for _, text := range []string{"a", "", "it's", `a"b`, "$(c)", "a b", "`", `\`, "#", "é"} {
		out, err := exec.Command("sh", "-c", "printf '<%s>' "+shellWord(text)).Output()
		if err != nil || string(out) != "<"+text+">" {
			t.Errorf("%q: %s %v", text, out, err)
		}
		if all, ok := commands("x " + shellWord(text)); !ok || !slices.Equal(all[0].words, []string{"x", text}) {
			t.Errorf("%q: %v", text, all)
		}
	}
}
