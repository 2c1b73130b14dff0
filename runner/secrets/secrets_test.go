package secrets

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhatIsAReference(t *testing.T) {
	for value, want := range map[string]Kind{
		"arn:aws:secretsmanager:eu-west-1:123456789012:secret:ci/npm-AbCdEf:token::": SecretsManager,
		"arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:x":                 SecretsManager,
		"arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:x":          SecretsManager,
		"arn:aws:ssm:eu-west-1:123456789012:parameter/ci/npm":                        ParameterStore,
		"arn:aws-iso-b:ssm:us-isob-east-1:123456789012:parameter/ci/npm":             ParameterStore,
		"secretsmanager:ci/npm:token":                                                SecretsManager,
		"ssm:/ci/npm":                                                                ParameterStore,
		"ssm:/ci/*":                                                                  ParameterStore,
		"file:/run/secrets/npm":                                                      File,
		"arn:aws:s3:::bucket":                                                        "",
		"arn:aws:iam::123456789012:role/secretsmanager":                              "",
		"arn:aws:ssm:eu-west-1:123456789012:document/x":                              "",
		"ssm:relative": "",
		"plain":        "",
		"":             "",
	} {
		if got, ok := Parse(value, true); got.Kind != want || ok != (want != "") {
			t.Errorf("%q is a reference to %q, want %q", value, got.Kind, want)
		}
	}
	if _, ok := Parse("file:./dev.db", false); ok {
		t.Error("a database in a file is taken for a secret")
	}
}

// values are the resolved ones, by variable.
func values(r Resolved) map[string]string {
	found := map[string]string{}
	for _, s := range r.Secrets {
		found[s.Variable] = s.Value()
	}
	return found
}

func TestFilesAreReadAndEveryFailureIsNamed(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"plain": "value", "newline": "value\n", "windows": "value\r\n", "two": "a\nb\n", "nul": "a\x00b", "large": strings.Repeat("x", maxFile+1), "latin": "caf\xe9"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := Resolver{Dir: dir}
	resolved, err := r.Resolve(context.Background(), map[string]Reference{
		"A": {File, "plain"}, "B": {File, filepath.Join(dir, "newline")}, "C": {File, "windows"}, "D": {File, "two"},
	})
	if got := values(resolved); err != nil || got["A"] != "value" || got["B"] != "value" || got["C"] != "value" || got["D"] != "a\nb" {
		t.Errorf("%q, %v", got, err)
	}
	resolved, err = r.Resolve(context.Background(), map[string]Reference{"A": {File, "plain"}, "Z": {File, "gone"}, "N": {File, "nul"}, "L": {File, "large"}, "F": {File, "."}, "U": {File, "latin"}, "S": {SecretsManager, "secretsmanager:x"}})
	var failed *Error
	if !errors.As(err, &failed) || len(failed.Failures) != 6 || failed.Failures[0].Variable != "F" || failed.Failures[5].Variable != "Z" {
		t.Fatalf("%v", err)
	}
	if strings.Contains(err.Error(), "\x00") || strings.Contains(err.Error(), "xxxx") || strings.Contains(err.Error(), "caf") {
		t.Errorf("a value is in %q", err)
	}
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the cause is lost: %v", err)
	}
	if failed.Retryable() {
		t.Error("a file that is missing is called the service's fault")
	}
	if got := values(resolved); len(got) != 1 || got["A"] != "value" {
		t.Errorf("what could be read is not returned beside the error: %q", got)
	}
}
