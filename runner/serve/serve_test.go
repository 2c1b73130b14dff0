package serve

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/folder"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/overview"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/runs"
)

const testSHA = "0123456789abcdef0123456789abcdef01234567"

// started returns a server on a store with one run, until the test ends.
func started(t *testing.T) *Server {
	t.Helper()
	s, err := folder.New(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	e := record.Entry{RunID: "01a", Step: "test", Branch: "feature/ü#1", SHA: testSHA, State: record.Passed, Started: time.Now(), Ended: time.Now()}
	for _, name := range []string{keys.RunIndex(e.Branch), keys.RunIndexOthers} {
		if _, err := runs.Add(t.Context(), s, name, e, nil); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	z := gzip.NewWriter(&log)
	_, _ = z.Write([]byte("{\"msg\":\"hello\"}\n"))
	_ = z.Close()
	for key, text := range map[string]string{
		runs.Key(e) + "/report.html": "<title>report</title>", runs.Key(e) + "/log.jsonl.gz": log.String(),
		runs.Key(e) + "/finished.json": "{}", "coverage/main/" + testSHA + "/index.html": "<title>lcov</title>", "builds/x/a.js": "1",
	} {
		o := artifacts.Object{Key: key, Body: strings.NewReader(text), Size: int64(len(text))}
		if _, err := s.Put(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	server, err := Listen(s, overview.Repository{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return server
}

func ask(t *testing.T, method, url, host string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		request.Host = host
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

func TestWhatIsServed(t *testing.T) {
	s := started(t)
	run := "runs/feature/ü#1/" + testSHA + "/test/01a/"
	for _, tt := range []struct{ key, kind, content, policy string }{
		{"", "text/html; charset=utf-8", "feature/ü#1", "frame-ancestors 'none'"},
		{"runs/index/feature/ü#1~/index.html", "text/html; charset=utf-8", "01a", "frame-ancestors 'none'"},
		{run + "report.html", "text/html; charset=utf-8", "<title>report</title>", sandbox},
		{run + "log.jsonl.gz", "text/plain; charset=utf-8", `{"msg":"hello"}`, sandbox},
		{run + "finished.json", "application/json", "{}", sandbox},
		{"coverage/main/" + testSHA + "/", "text/html; charset=utf-8", "<title>lcov</title>", sandbox},
		{"builds/x/a.js", "text/javascript; charset=utf-8", "1", sandbox},
	} {
		response, body := ask(t, "GET", s.URL(tt.key), "")
		h := response.Header
		if response.StatusCode != http.StatusOK || h.Get("Content-Type") != tt.kind || !strings.Contains(body, tt.content) ||
			h.Get("Content-Security-Policy") != tt.policy || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%q: %s, %v, %.200q", tt.key, response.Status, h, body)
		}
	}
}

func TestWhatIsRefused(t *testing.T) {
	s := started(t)
	base := strings.TrimSuffix(s.URL(""), "/")
	for _, tt := range []struct {
		name, method, path, host string
		status                   int
	}{
		{"an object that is not there", "GET", "/runs/x", "", 404},
		{"a way up", "GET", "/../../etc/passwd", "", 404},
		{"an encoded way up", "GET", "/runs/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "", 404},
		{"an encoded slash", "GET", "/..%2f..%2fetc%2fpasswd", "", 404},
		{"an absolute path", "GET", "//etc/passwd", "", 404},
		{"files in the making", "GET", "/.runner-partial/x", "", 404},
		{"a folder", "GET", "/runs", "", 404},
		{"a write", "PUT", "/runs/x", "", 405},
		{"a post", "POST", "/", "", 405},
		{"another name for this machine", "GET", "/", "evil.example", 421},
		{"another name with our port", "GET", "/", "evil.example:" + base[strings.LastIndexByte(base, ':')+1:], 421},
		{"another port", "GET", "/", "127.0.0.1:1", 421},
	} {
		response, body := ask(t, tt.method, base+tt.path, tt.host)
		if response.StatusCode != tt.status {
			t.Errorf("%s: %s, %.200q", tt.name, response.Status, body)
		}
		if strings.Contains(body, "root:") {
			t.Errorf("%s: %q", tt.name, body)
		}
	}
	if response, body := ask(t, "HEAD", s.URL("builds/x/a.js"), ""); response.StatusCode != 200 || body != "" {
		t.Errorf("HEAD: %s %q", response.Status, body)
	}
	if response, _ := ask(t, "GET", strings.Replace(base, "127.0.0.1", "localhost", 1)+"/builds/x/a.js", ""); response.StatusCode != 200 {
		t.Errorf("localhost: %s", response.Status)
	}
}

func TestAPageOfTheStoreIsText(t *testing.T) {
	s := started(t)
	response, body := ask(t, "GET", s.URL("runs/<img src=x>"), "")
	if response.StatusCode != 404 || strings.Contains(body, "<img") {
		t.Errorf("%s %q", response.Status, body)
	}
}
