package runner

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/runner/outcome"
)

// pausingReader takes nothing from the first write that contains a text on, until it is resumed.
type pausingReader struct {
	at     string
	resume chan struct{}
	got    bytes.Buffer
}

func (p *pausingReader) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte(p.at)) {
		<-p.resume
	}
	return p.got.Write(b)
}

func TestTheRecordIsStoredBeforeAStalledReaderTakesTheLastLines(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "runner.yaml"), []byte("version: 1\nsteps: { s: { command: [\"true\"] } }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	reader := &pausingReader{at: `"msg":"step passed"`, resume: make(chan struct{})}
	done := make(chan outcome.Outcome, 1)
	go func() {
		done <- Run(t.Context(), Invocation{
			Variables: map[string]string{
				"PIPELINE_STEP": "s", "PATH": os.Getenv("PATH"), "RUNNER_WORKSPACE": dir, "RUNNER_LOG_FORMAT": "json", "BRANCH": "main",
				"GIT_SHA": strings.Repeat("ab", 20), "ARTIFACT_BUCKET": "file://" + filepath.Join(dir, "store"),
			},
			Stdout: reader, Stderr: reader, Version: "test", Started: time.Now(),
		})
	}()
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if stored, _ := filepath.Glob(filepath.Join(dir, "store/runs/main/*/s/*/finished.json")); len(stored) > 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("there is no record")
		}
	}
	select {
	case o := <-done:
		t.Errorf("the run has ended without its last lines: %+v", o)
	default:
	}
	close(reader.resume)
	if o := <-done; !o.Passed() {
		t.Errorf("%+v", o)
	}
	if !strings.Contains(reader.got.String(), `"Runs":1`) {
		t.Errorf("the reader misses the last lines:\n%s", &reader.got)
	}
}
