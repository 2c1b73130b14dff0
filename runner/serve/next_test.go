package serve

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/artifacts/folder"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/overview"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/runs"
)

// The next run is that of the same step and environment; a run that is the newest leads to the list of runs.
func TestTheNextRun(t *testing.T) {
	store, err := folder.New(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	entry := func(id, step, environment string, state record.State) record.Entry {
		e := record.Entry{RunID: id, Step: step, Environment: environment, Branch: "feature/a", SHA: testSHA, State: state, Started: time.Now()}
		if state != record.Running {
			e.Ended = time.Now()
		}
		if _, err := runs.Add(t.Context(), store, keys.RunIndex(e.Branch), e, nil); err != nil {
			t.Fatal(err)
		}
		return e
	}
	first := entry("01a", "test", "", record.Failing)
	deploy := entry("01b", "deploy", "staging", record.Passed)
	entry("01c", "deploy", "production", record.Passed)
	second := entry("01d", "test", "", record.Passed)
	entry("01e", "deploy", "staging", record.Running)
	server, err := Listen(store, overview.Repository{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer server.listener.Close()
	const page = "/runs/index/feature/a~/index.html"
	for _, tt := range []struct {
		name, key, to string
		status        int
	}{
		{"the one of the same step", runs.Key(first), "/" + runs.Key(second) + "/report.html", http.StatusFound},
		{"the newest", runs.Key(second), page + "#r-01d", http.StatusFound},
		{"one that is running has no report yet", runs.Key(deploy), page + "#r-01e", http.StatusFound},
		{"a run that is in no index", "runs/feature/a/" + testSHA + "/test/01z", "", http.StatusNotFound},
		{"no run", "runs/x", "", http.StatusNotFound},
	} {
		request := httptest.NewRequest("GET", "/"+tt.key+"/next", nil)
		request.Host = server.hosts[0]
		response := httptest.NewRecorder()
		server.ServeHTTP(response, request)
		if got := response.Header().Get("Location"); response.Code != tt.status || got != tt.to {
			t.Errorf("%s: %d %q, want %d %q", tt.name, response.Code, got, tt.status, tt.to)
		}
	}
}
