package secrets

import (
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
		"arn:aws:ssm:eu-west-1:123456789012:parameter/ci/npm":                        ParameterStore,
		"secretsmanager:ci/npm:token":                                                SecretsManager,
		"ssm:/ci/npm":                                                                ParameterStore,
		"file:/run/secrets/npm":                                                      File,
		"arn:aws:s3:::bucket":                                                        "",
		"arn:aws:iam::123456789012:role/secretsmanager":                              "",
		"ssm:relative":                                                               "",
		"plain":                                                                      "",
		"":                                                                           "",
	} {
		if got, ok := Parse(value, true); got.Kind != want || ok != (want != "") {
			t.Errorf("%q is a reference to %q, want %q", value, got.Kind, want)
		}
	}
	if _, ok := Parse("file:./dev.db", false); ok {
		t.Error("a database in a file is taken for a secret")
	}
}

func TestFilesAreReadAndEveryFailureIsNamed(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"plain": "value", "newline": "value\n", "windows": "value\r\n", "two": "a\nb\n", "nul": "a\x00b", "large": strings.Repeat("x", maxFile+1)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	values, err := Resolve(map[string]Reference{
		"A": {File, "plain"}, "B": {File, filepath.Join(dir, "newline")}, "C": {File, "windows"}, "D": {File, "two"},
	}, dir)
	if err != nil || values["A"] != "value" || values["B"] != "value" || values["C"] != "value" || values["D"] != "a\nb" {
		t.Errorf("%q, %v", values, err)
	}
	_, err = Resolve(map[string]Reference{"A": {File, "plain"}, "Z": {File, "gone"}, "N": {File, "nul"}, "L": {File, "large"}, "F": {File, "."}, "S": {SecretsManager, "secretsmanager:x"}}, dir)
	var failed *Error
	if !errors.As(err, &failed) || len(failed.Failures) != 5 || failed.Failures[0].Variable != "F" || failed.Failures[4].Variable != "Z" {
		t.Fatalf("%v", err)
	}
	if strings.Contains(err.Error(), "\x00") || strings.Contains(err.Error(), "xxxx") {
		t.Errorf("a value is in %q", err)
	}
}
