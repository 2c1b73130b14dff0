package secrets

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/steps/reference"
)

// TestNoPrintingShowsAValue prints everything that this package returns, in every way.
func TestNoPrintingShowsAValue(t *testing.T) {
	const hidden = "hunter2-hunter2"
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte(hidden), 0o600); err != nil {
		t.Fatal(err)
	}
	r, _ := fake(t, func(operation string, input object) (int, any) {
		switch operation {
		case "GetSecretValue":
			return http.StatusOK, object{
				"Name":          "s",
				"SecretString":  `{"a":"` + hidden + `","b":"\u0000` + hidden + `"}`,
				"VersionId":     "1",
				"VersionStages": []string{"AWSCURRENT"},
			}
		default:
			return http.StatusOK, object{
				"Parameters": []object{
					{"Name": "/p", "Value": hidden, "Version": 1},
					{"Name": "/x/y", "Value": hidden, "Version": 1},
					{"Name": "/x/Y", "Value": hidden, "Version": 1},
				},
			}
		}
	})
	r.Dir = dir
	resolved, err := resolve(t, r, map[string]string{
		"A": "secretsmanager:s:a", "WHOLE": "secretsmanager:s", "P": "ssm:/p", "F": "file:f", "X": "ssm:/x/*",
		"KEY": "secretsmanager:s:nope", "NUL": "secretsmanager:s:b",
	})
	if len(resolved.Secrets) < 5 || err == nil {
		t.Fatalf("%v, %v", resolved, err)
	}
	secret := resolved.Secrets[0]
	if !strings.Contains(secret.Value(), hidden) {
		t.Fatal("there is nothing to hide")
	}
	var failed *Error
	errors.As(err, &failed)
	type holder struct {
		resolved Resolved
		secret   Secret
		pointer  *Secret
		list     []Secret
		err      error
	}
	held := holder{resolved, secret, &secret, resolved.Secrets, err}
	ref, _ := reference.Parse("secretsmanager:s:a", true)
	var out bytes.Buffer
	for _, v := range []any{
		resolved, &resolved, secret, &secret, resolved.Secrets,
		[]*Secret{&secret},
		map[string]Secret{"x": secret},
		held, &held, err, failed, *failed, failed.Failures, failed.Failures[0], ref, r, *r,
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%t", "%-10.3v"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		fmt.Fprintln(&out, v)
		for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(handler).With("with", v).Info(fmt.Sprint(v), "value", v, slog.Group("group", "nested", v))
		}
		for _, encode := range []func(any) ([]byte, error){json.Marshal, xml.Marshal} {
			text, _ := encode(v)
			out.Write(text)
		}
	}
	_ = WriteReport(&out, resolved, err)
	for _, form := range []string{
		hidden, "hunter2", fmt.Sprintf("%x", hidden), fmt.Sprintf("%X", hidden), fmt.Sprint([]byte(hidden)),
	} {
		if i := strings.Index(out.String(), form); i >= 0 {
			t.Fatalf("a value is shown: …%s", out.String()[max(0, i-200):i+20])
		}
	}
	if !strings.Contains(out.String(), "A (Secrets Manager eu-west-1 s key a)") {
		t.Error("secrets are not named either")
	}
}

func TestLengthClass(t *testing.T) {
	for value, want := range map[string]string{
		"": "empty", "12345": "under 6 bytes", "123456": "6-15", strings.Repeat(
			"x", 15,
		): "6-15", strings.Repeat("x", 16): "16-63",
		strings.Repeat("x", 63): "16-63", strings.Repeat("x", 64): "64 and more", "ééé": "6-15",
	} {
		if got := (Secret{reveal: func() content { return content{value, value} }}).LengthClass(); got != want {
			t.Errorf("%d bytes are %s", len(value), got)
		}
	}
	if s := (Secret{}); s.Value() != "" || s.Leaves() != nil || s.LengthClass() != "empty" {
		t.Error("a secret that is not set has something")
	}
}

func TestReport(t *testing.T) {
	r, _ := fake(t, func(operation string, input object) (int, any) {
		switch operation {
		case "BatchGetSecretValue":
			return refuse("AccessDeniedException", "no")
		case "GetSecretValue":
			if input["SecretId"] == "gone" {
				return refuse("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
			}
			return http.StatusOK, object{
				"Name":          input["SecretId"],
				"SecretString":  `{"token":"npm_0123456789abcdefghij"}`,
				"VersionId":     "9d4c",
				"VersionStages": []string{"AWSCURRENT", "blue"},
			}
		}
		return http.StatusOK, object{"Parameters": []object{{"Name": "/ci/pin", "Value": "1234", "Version": 12}}}
	})
	resolved, err := resolve(
		t,
		r,
		map[string]string{
			"NPM_TOKEN":    "secretsmanager:ci/npm:token",
			"GONE_TOKEN":   "secretsmanager:gone",
			"PIN_SECRET":   "ssm:/ci/pin",
			"EMPTY_SECRET": "file:/dev/../dev/null",
			"NULL_SECRET":  "file:" + empty(t),
		},
	)
	var out strings.Builder
	if got := WriteReport(&out, resolved, err); !errors.Is(got, err) {
		t.Errorf("the error is lost: %v", got)
	}
	text := out.String()
	for _, want := range []string{
		"NAME         SOURCE ",
		"  VERSION                  LENGTH\n",
		"NPM_TOKEN    Secrets Manager eu-west-1 ci/npm key token ",
		"  9d4c (AWSCURRENT, blue)  16-63\n",
		"PIN_SECRET   Parameter Store eu-west-1 /ci/pin ",
		"  12                       under 6 bytes\n",
		"NULL_SECRET  file ",
		"  -                        empty\n",
		"GONE_TOKEN: there is no secret gone in eu-west-1, the region of AWS_REGION or of the AWS profile\n  hint: " +
			"check the name and the region",
		"EMPTY_SECRET: /dev/../dev/null is not a regular file\n  hint: ",
		"note: secretsmanager:BatchGetSecretValue is denied in eu-west-1, so secrets are read one by one there: " +
			"allow it on \"*\"",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if err := WriteReport(failingWriter{}, resolved, nil); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("an unwritable report is not an error: %v", err)
	}
	out.Reset()
	if err := WriteReport(&out, Resolved{}, nil); err != nil || out.String() != "no variable is a reference\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
	out.Reset()
	if err := WriteReport(&out, Resolved{}, context.Canceled); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func empty(t *testing.T) string {
	name := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestAProblemOfManyVariablesIsReportedOnce(t *testing.T) {
	err := &Error{
		[]Failure{
			{Variable: "A", Problem: "no credentials", Advice: "log in"},
			{Variable: "B", Problem: "gone", ServiceFailed: true},
			{Variable: "C", Problem: "no credentials", Advice: "log in"},
			{Variable: "C", Problem: "no credentials", Advice: "log in"},
		},
	}
	if got := err.Error(); got != "cannot be resolved: A, C: no credentials; B: gone" {
		t.Error(got)
	}
	if err.Hint() != "log in" || err.Retryable() {
		t.Errorf("%s, %v", err.Hint(), err.Retryable())
	}
	if (&Error{}).Retryable() {
		t.Error("nothing is worth another try")
	}
}
