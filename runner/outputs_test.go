package runner

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
)

func TestParseOutputs(t *testing.T) {
	many := ""
	for i := range maxOutputs + 1 {
		many += fmt.Sprintf("K%d=\n", i)
	}
	for _, c := range []struct {
		sentence, text string
		want           map[string]string
		line           int // of the error; 0 for none
	}{
		{"a line is a name and its value", "A=1\nB_2=two words\n", map[string]string{"A": "1", "B_2": "two words"}, 0},
		{"a value keeps its spaces and equals signs", "A= x=y \n", map[string]string{"A": " x=y "}, 0},
		{"a value may be empty, and the last line needs no end", "A=", map[string]string{"A": ""}, 0},
		{"the last one of a name counts", "A=1\nA=2\n", map[string]string{"A": "2"}, 0},
		{"lines may end as on Windows", "A=1\r\n\r\nB<<E\r\nx\r\nE\r\n", map[string]string{"A": "1", "B": "x"}, 0},
		{"a value of several lines ends at its word", "A<<E\none\n E\nB=2\nE\nC=3\n", map[string]string{"A": "one\n E\nB=2", "C": "3"}, 0},
		{"it may have no line at all", "A<<E\nE\n", map[string]string{"A": ""}, 0},
		{"two arrows in a value are a part of it", "A=x<<E\n", map[string]string{"A": "x<<E"}, 0},
		{"nothing is no output", "\n\n", map[string]string{}, 0},
		{"a value without its end is refused where it begins", "A=1\nB<<E\nx\n", nil, 2},
		{"a word is needed", "B<<\nx\n\n", nil, 1},
		{"a line without an equals sign is refused", "A=1\n\nnonsense\n", nil, 3},
		{"a line without a name is refused", "=1\n", nil, 1},
		{"a name with a space is refused", "export A=1\n", nil, 1},
		{"a name does not begin with a digit", "1A=1\n", nil, 1},
		{"what the runner sets is reserved", "A=1\nRUN_ID=1\n", nil, 2},
		{"so are the runner's own settings", "RUNNER_FORCE=1\n", nil, 1},
		{"and AWS's", "AWS_PROFILE=x\n", nil, 1},
		{"and what changes which code is run", "LD_AUDIT=x\n", nil, 1},
		{"as for node", "NODE_OPTIONS=--require=x\n", nil, 1},
		{"as for npm, which takes it in any case", "npm_config_script_shell=x\n", nil, 1},
		{"and whom a program trusts", "https_proxy=x\n", nil, 1},
		{"as for git", "GIT_SSH_COMMAND=x\n", nil, 1},
		{"also in the long form", "BASH_ENV<<E\nx\nE\n", nil, 1},
		{"the number of a line after a long value counts its lines", "A<<E\nx\ny\nE\nPATH=x\n", nil, 5},
		{"a secret is refused by its name", "NPM_TOKEN=x\n", nil, 1},
		{"bytes that are no text are refused", "A=\xff\n", nil, 1},
		{"so is a NUL", "A=a\x00b\n", nil, 1},
		{"there may not be too many", many, nil, maxOutputs + 1},
		{"the file may not be too large", "A=" + strings.Repeat("x", maxOutputBytes), nil, 1},
	} {
		got, err := ParseOutputs(c.text)
		var refused *OutputError
		switch {
		case c.line == 0 && (err != nil || !maps.Equal(got, c.want)):
			t.Errorf("%s: %q, %v", c.sentence, got, err)
		case c.line > 0 && (!errors.As(err, &refused) || refused.Line != c.line || refused.Hint() == ""):
			t.Errorf("%s: %q, %v", c.sentence, got, err)
		}
	}
}

func FuzzParseOutputs(f *testing.F) {
	f.Add("A=1\nB<<E\nx\nE\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseOutputs(text)
		if err != nil {
			return
		}
		again := ""
		for name, value := range got {
			if refusedOutput(name) != "" || strings.ContainsRune(value, 0) {
				t.Fatalf("%q was taken", name)
			}
			end := "E"
			for strings.Contains(value, end) {
				end += "E"
			}
			again += name + "<<" + end + "\n" + value + "\n" + end + "\n"
		}
		if len(again) > maxOutputBytes || strings.Contains(again, "\r\n") { // such an end of a line is not kept
			return
		}
		if back, err := ParseOutputs(again); err != nil || !maps.Equal(back, got) {
			t.Fatalf("%q became %q (%v)", got, back, err)
		}
	})
}
