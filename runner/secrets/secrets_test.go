package secrets

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/steps/reference"
)

// values returns the resolved values by variable.
func values(r Resolved) map[string]string {
	found := map[string]string{}
	for _, s := range r.Secrets {
		found[s.Variable] = s.Value()
	}
	return found
}

func TestFilesAreReadAndFailuresAreNamed(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"plain": "value", "newline": "value\n", "windows": "value\r\n", "two": "a\nb\n", "nul": "a\x00b",
		"large": strings.Repeat("x", maxFile+1), "latin": "caf\xe9",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := Resolver{Dir: dir}
	resolved, err := r.Resolve(context.Background(), map[string]reference.Reference{
		"A": {
			Kind: reference.File,
			Text: "plain",
		}, "B": {
			Kind: reference.File, Text: filepath.Join(dir, "newline"),
		}, "C": {Kind: reference.File, Text: "windows"}, "D": {Kind: reference.File, Text: "two"},
	})
	if got := values(resolved); err != nil || got["A"] != "value" || got["B"] != "value" || got["C"] != "value" ||
		got["D"] != "a\nb" {
		t.Errorf("%q, %v", got, err)
	}
	resolved, err = r.Resolve(
		context.Background(),
		map[string]reference.Reference{
			"A": {Kind: reference.File, Text: "plain"},
			"Z": {Kind: reference.File, Text: "gone"},
			"N": {Kind: reference.File, Text: "nul"},
			"L": {Kind: reference.File, Text: "large"},
			"F": {Kind: reference.File, Text: "."},
			"U": {Kind: reference.File, Text: "latin"},
			"S": {Kind: reference.SecretsManager, Text: "secretsmanager:x"},
		},
	)
	var failed *Error
	if !errors.As(err, &failed) || len(failed.Failures) != 6 || failed.Failures[0].Variable != "F" ||
		failed.Failures[5].Variable != "Z" {
		t.Fatalf("%v", err)
	}
	if strings.Contains(err.Error(), "\x00") || strings.Contains(err.Error(), "xxxx") ||
		strings.Contains(err.Error(), "caf") {
		t.Errorf("a value is in %q", err)
	}
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the cause is lost: %v", err)
	}
	if failed.Retryable() {
		t.Error("a file that is missing is called the service's fault")
	}
	if got := values(resolved); len(got) != 1 || got["A"] != "value" {
		t.Errorf("the other values are not returned beside the error: %q", got)
	}
}
