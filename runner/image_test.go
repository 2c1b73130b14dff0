package runner

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/steps"
)

// hubLog answers as GitHub and Slack do, and keeps what it was sent.
type hubLog struct {
	*httptest.Server
	mu   sync.Mutex
	sent []string
}

func newHubLog(t *testing.T) *hubLog {
	h := &hubLog{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.sent = append(h.sent, string(body))
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte("{}"))
	}))
	t.Cleanup(h.Close)
	return h
}

// A build whose image is made of something else ends before its command. The state machine learns why from the store; the
// commit's status stays pending, and no metric counts a failure.
func TestABuildEndsBeforeItBeginsIfItsImageIsMadeOfSomethingElse(t *testing.T) {
	sha := strings.Repeat("ab", 20)
	run := func(t *testing.T, given func(steps.ImageInputs) string, more map[string]string) (outcome.Outcome, string, *hubLog, string) {
		dir := t.TempDir()
		for name, text := range map[string]string{
			"Dockerfile": "FROM a\n", "pnpm-lock.yaml": "1\n",
			"runner.yaml": "version: 1\ncluster:\n  image: { target: ci }\nsteps:\n  build: { command: 'mkdir -p dist; echo 1 >dist/a' }\n",
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		inputs, err := steps.ClusterImage{Target: "ci"}.Inputs(dir)
		if err != nil {
			t.Fatal(err)
		}
		hub := newHubLog(t)
		variables := map[string]string{
			"PIPELINE_STEP": "build", "PATH": os.Getenv("PATH"), "RUNNER_WORKSPACE": dir, "RUNNER_LOG_FORMAT": "json",
			"BRANCH": "main", "GIT_SHA": sha, "ARTIFACT_BUCKET": "file://" + filepath.Join(dir, "store"),
			"ECS_CONTAINER_METADATA_URI_V4": fargateMetadata(t, time.Now()), "RUNNER_IMAGE_INPUTS": given(inputs),
			"GITHUB_TOKEN": "ghp_0123456789", "GITHUB_REPOSITORY": "acme/shop", "GITHUB_API_URL": hub.URL, "RUNNER_GITHUB_STATUS": "on",
			"SLACK_WEBHOOK_URL": hub.URL + "/slack",
		}
		for name, value := range more {
			variables[name] = value
		}
		var stdout bytes.Buffer
		o := Run(t.Context(), Invocation{
			Variables: variables, Stdout: &stdout, Stderr: &stdout, Version: "test", Started: time.Now(),
		})
		wish, _ := os.ReadFile(filepath.Join(dir, "store/runs/main", sha, "build/image.json"))
		return o, string(wish), hub, stdout.String()
	}
	old := func(i steps.ImageInputs) string {
		i["pnpm-lock.yaml"] = "0"
		return i.String()
	}

	o, text, hub, log := run(t, old, nil)
	if o.Reason != record.Guard || o.ExitCode != 125 || !strings.Contains(log, "not made of what the commit has: pnpm-lock.yaml") {
		t.Fatalf("%+v\n%s", o, log)
	}
	var wish imageWish
	if err := json.Unmarshal([]byte(text), &wish); err != nil {
		t.Fatalf("%v: %q", err, text)
	}
	if wish.Format != 1 || wish.SHA != sha || !strings.HasSuffix(wish.Task, "task/ci/0123456789abcdef0123456789abcdef") || wish.Target != "ci" {
		t.Errorf("%+v", wish)
	}
	if inputs, err := steps.ParseImageInputs(wish.Inputs); err != nil || inputs["pnpm-lock.yaml"] == "" || inputs["pnpm-lock.yaml"] == "0" {
		t.Errorf("the wish is for %s", wish.Inputs)
	}
	if len(hub.sent) != 1 || !strings.Contains(hub.sent[0], `"pending"`) {
		t.Errorf("sent: %q", hub.sent)
	}
	if strings.Contains(log, `"_aws"`) {
		t.Error("a metric counts it")
	}

	for name, c := range map[string]struct {
		given func(steps.ImageInputs) string
		more  map[string]string
	}{
		"the same image":            {steps.ImageInputs.String, nil},
		"outside of a task":         {old, map[string]string{"ECS_CONTAINER_METADATA_URI_V4": ""}},
		"nothing is known":          {func(steps.ImageInputs) string { return "" }, nil},
		"what is known is not read": {func(steps.ImageInputs) string { return "{" }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			o, wish, _, log := run(t, c.given, c.more)
			if !o.Passed() || wish != "" {
				t.Errorf("%+v, wish %q\n%s", o, wish, log)
			}
		})
	}
}
