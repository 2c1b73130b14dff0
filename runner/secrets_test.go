package runner

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/environment"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/steps"
)

// A reference to one key of a JSON secret makes all of its strings secret.
func TestResolvedSecretsAndTheirLeavesReachTheRedactor(t *testing.T) {
	dir := t.TempDir()
	const secret = `{"username":"alice-in-chains","nested":{"password":"hunter2-hunter2"}}`
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := map[string]any{
			"Name":         "ci/db",
			"ARN":          "arn:aws:secretsmanager:eu-west-1:123456789012:secret:ci/db-AbCdEf",
			"SecretString": secret,
		}
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".BatchGetSecretValue") {
			answer = map[string]any{"SecretValues": []any{answer}}
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_ = json.NewEncoder(w).Encode(answer)
	}))
	defer service.Close()
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": service.URL, "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example-example",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
	} {
		t.Setenv(name, value)
	}
	r := &run{
		Session: *session.New(t.Context(), map[string]string{"DB_USER_SECRET": "secretsmanager:ci/db:username"}, config.Config{Workspace: dir}),
		step:    steps.Step{Name: "test", Directory: "."},
	}
	r.Log, r.Deadline = slog.New(slog.DiscardHandler), time.Now().Add(time.Minute)
	r.env = environment.New(&r.Session, r.step)
	if err := r.resolveSecrets(r.env); err != nil {
		t.Fatal(err)
	}
	if r.env.Variables["DB_USER_SECRET"] != "alice-in-chains" {
		t.Errorf("the command gets %q", r.env.Variables["DB_USER_SECRET"])
	}
	for _, text := range []string{"alice-in-chains", "hunter2-hunter2"} {
		if got := r.Redactor.String("it is " + text); strings.Contains(got, text) ||
			!strings.Contains(got, "[REDACTED:DB_USER_SECRET]") {
			t.Errorf("%q is printed as %q", text, got)
		}
	}
}
