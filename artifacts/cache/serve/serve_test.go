package serve

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/cache"
	"github.com/carlin-cicd/runner/artifacts/folder"
)

// served is a server on a store that others may share.
type served struct {
	*Server
	t      *testing.T
	warned []string
}

func start(t *testing.T, store cache.Store, branch string) *served {
	t.Helper()
	s, err := Start(t.Context(), t.TempDir())
	artifactstest.Must(t, err)
	out := &served{Server: s, t: t}
	s.Warn = func(tool, name string, err error) { out.warned = append(out.warned, tool+" "+name+": "+err.Error()) }
	inspect := func(_ context.Context, _ string, file *os.File) (string, error) {
		text, err := io.ReadAll(file)
		if bytes.Contains(text, []byte("hunter2")) {
			return "text", err
		}
		return "", err
	}
	for _, tool := range []string{"turbo", "nx", "go"} {
		s.Serve(&cache.Objects{
			Store: store, Tool: tool, Branch: branch, Main: "main", Compress: tool == "go", Inspect: inspect,
		})
	}
	t.Cleanup(func() { artifactstest.Must(t, s.Close(context.Background())) })
	return out
}

func newStore(t *testing.T) *folder.Store {
	t.Helper()
	s, err := folder.New(filepath.Join(t.TempDir(), "store"))
	artifactstest.Must(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// ask sends a request with the token and returns the answer.
func (s *served) ask(method, path, body string, header ...string) (code int, text string, h http.Header) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.URL()+path, strings.NewReader(body))
	artifactstest.Must(s.t, err)
	r.Header.Set("Authorization", "Bearer "+s.Token())
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	artifactstest.Must(s.t, err)
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	artifactstest.Must(s.t, err)
	return answer.StatusCode, string(content), answer.Header
}

func (s *served) want(code int, text string, method, path, body string, header ...string) http.Header {
	s.t.Helper()
	gotCode, gotText, h := s.ask(method, path, body, header...)
	if gotCode != code || !strings.Contains(gotText, text) {
		s.t.Errorf("%s %s: %d %q, want %d %q", method, path, gotCode, gotText, code, text)
	}
	return h
}

func TestOnlyTheTokenOfTheRunOpensTheCache(t *testing.T) {
	s := start(t, newStore(t), "main")
	for _, token := range []string{"", "Bearer ", "Bearer x" + s.Token()[1:], s.Token(), "Basic " + s.Token()} {
		s.want(401, "token", "GET", "/v8/artifacts/status", "", "Authorization", token)
		s.want(401, "token", "PUT", "/v1/cache/abc", "x", "Authorization", token)
	}
	if !strings.HasPrefix(s.URL(), "http://127.0.0.1:") {
		t.Errorf("it listens on %s", s.URL())
	}
}

func TestObjectsComeBack(t *testing.T) {
	store := newStore(t)
	first := start(t, store, "main")
	first.want(200, "enabled", "GET", "/v8/artifacts/status", "")
	first.want(404, "", "GET", "/v8/artifacts/abc", "")
	first.want(202, "urls", "PUT", "/v8/artifacts/abc?slug=x", "turbo's", "x-artifact-duration", "12", "x-artifact-tag", "tag")
	first.want(200, "turbo's", "GET", "/v8/artifacts/abc", "")
	first.want(404, "", "GET", "/v1/cache/abc", "") // another tool's
	first.want(200, "", "PUT", "/v1/cache/abc", "nx's")
	first.want(200, `"path"`, "PUT", "/go/00aa/11bb", "go's")

	// A branch in another run, when all that the first one was given is stored.
	artifactstest.Must(t, first.Close(t.Context()))
	s := start(t, store, "feature/a")
	h := s.want(200, "turbo's", "GET", "/v8/artifacts/abc?slug=x", "")
	if h.Get("x-artifact-duration") != "12" || h.Get("x-artifact-tag") != "tag" || h.Get("Content-Length") != "7" {
		t.Errorf("the headers are %v", h)
	}
	h = s.want(200, "", "HEAD", "/v8/artifacts/abc", "")
	if h.Get("Content-Length") != "7" {
		t.Errorf("the headers are %v", h)
	}
	s.want(200, `{"abc":{"size":7,"tag":"tag","taskDurationMs":12},"def":null}`, "POST", "/v8/artifacts", `{"hashes":["abc","def"]}`)
	s.want(200, "", "POST", "/v8/artifacts/events", "[{}]")
	s.want(200, "nx's", "GET", "/v1/cache/abc", "")
	s.want(200, `"output":"11bb","size":4`, "GET", "/go/00aa", "")
	if c := s.Counts("turbo"); c.Hits != 1 || c.Misses != 1 || c.Loaded != 7 {
		t.Errorf("counted %+v", c)
	}
	// What the branch stores, main does not see.
	s.want(202, "", "PUT", "/v8/artifacts/def", "poison")
	s.want(200, "poison", "GET", "/v8/artifacts/def", "")
	start(t, store, "main").want(404, "", "GET", "/v8/artifacts/def", "")
	// An object is never replaced, and one of the main branch is not stored twice.
	s.want(202, "", "PUT", "/v8/artifacts/abc", "another")
	s.want(200, "turbo's", "GET", "/v8/artifacts/abc", "")
	if len(s.warned) > 0 {
		t.Errorf("warned: %v", s.warned)
	}
}

func TestABadNameIsRefused(t *testing.T) {
	s := start(t, newStore(t), "main")
	for _, name := range []string{"a%2Fb", "..%2Fx", "%00", "a%20b", strings.Repeat("a", 257)} {
		s.want(400, "not a hash", "GET", "/v8/artifacts/"+name, "")
		s.want(400, "not a hash", "PUT", "/v1/cache/"+name, "x")
		s.want(400, "not a hash", "PUT", "/go/00/"+name, "x")
	}
}

func TestASecretIsNotStored(t *testing.T) {
	store := newStore(t)
	s := start(t, store, "main")
	s.want(202, "", "PUT", "/v8/artifacts/abc", "token: hunter2")
	s.want(404, "", "GET", "/v8/artifacts/abc", "")
	if c := s.Counts("turbo"); c.Withheld != 1 || c.Stored != 0 || len(s.warned) != 1 {
		t.Errorf("counted %+v, warned %v", c, s.warned)
	}
	for name, text := range artifactstest.Read(t, store.Locate("")) {
		if strings.Contains(text, "hunter2") {
			t.Errorf("%s holds the secret", name)
		}
	}
}

func TestADamagedObjectIsAMiss(t *testing.T) {
	store := newStore(t)
	s := start(t, store, "main")
	s.want(200, "", "PUT", "/v1/cache/abc", strings.Repeat("content ", 1000))
	s.want(200, "", "PUT", "/v1/cache/def", "another")
	names := []string{}
	for name := range artifactstest.Read(t, store.Locate("")) {
		names = append(names, store.Locate(name))
	}
	whole := map[string][]byte{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		artifactstest.Must(t, err)
		whole[name] = text
	}
	for what, damage := range map[string]func(name string) []byte{
		"a bit flipped": func(n string) []byte {
			b := bytes.Clone(whole[n])
			b[len(b)-3] ^= 1
			return b
		},
		"the end is missing": func(n string) []byte { return whole[n][:len(whole[n])-1] },
		"more behind it":     func(n string) []byte { return append(bytes.Clone(whole[n]), 'x') },
		"only its header":    func(n string) []byte { return whole[n][:bytes.IndexByte(whole[n], '\n')] },
		"nothing":            func(string) []byte { return nil },
		"the other object": func(n string) []byte {
			if n == names[0] {
				return whole[names[1]]
			}
			return whole[names[0]]
		},
	} {
		for _, name := range names {
			artifactstest.Must(t, os.WriteFile(name, damage(name), 0o644))
		}
		again := start(t, store, "main")
		again.want(404, "", "GET", "/v1/cache/abc", "")
		if len(again.warned) != 1 || !strings.Contains(again.warned[0], "damaged") {
			t.Errorf("%s: warned %v", what, again.warned)
		}
		again.want(200, "", "PUT", "/v1/cache/abc", "new") // it heals
		again.want(200, "new", "GET", "/v1/cache/abc", "")
	}
}

func TestSignaturesAreVerified(t *testing.T) {
	store := newStore(t)
	s := start(t, store, "main")
	s.SignatureKey = "a key of the repository"
	sign := func(key, text string) string {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte(text))
		return base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	plain := sign(s.SignatureKey, "abc"+"team_1"+"content")
	length := func(n byte) string { return string([]byte{n, 0, 0, 0, 0, 0, 0, 0}) }
	framed := sign(s.SignatureKey, length(21)+"artifact-signature:v2"+length(3)+"def"+length(6)+"team_1"+length(7)+"content")
	s.want(403, "signature", "PUT", "/v8/artifacts/abc?teamId=team_1", "content")
	s.want(403, "signature", "PUT", "/v8/artifacts/abc?teamId=team_1", "content", turboTag, sign("x", "abcteam_1content"))
	s.want(403, "signature", "PUT", "/v8/artifacts/abc?teamId=team_1", "changed", turboTag, plain)
	s.want(202, "", "PUT", "/v8/artifacts/abc?teamId=team_1", "content", turboTag, plain)
	s.want(202, "", "PUT", "/v8/artifacts/def?teamId=team_1", "content", turboTag, framed)
	s.want(200, "content", "GET", "/v8/artifacts/abc?teamId=team_1", "")
	s.want(200, "content", "GET", "/v8/artifacts/def?teamId=team_1", "")
	s.want(404, "", "GET", "/v8/artifacts/def?teamId=team_2", "")
	other := start(t, store, "main")
	other.SignatureKey = "another key"
	other.want(404, "", "GET", "/v8/artifacts/abc?teamId=team_1", "")
}

func TestAForkStoresNothing(t *testing.T) {
	store := newStore(t)
	s := start(t, store, "")
	s.want(202, "", "PUT", "/v8/artifacts/abc", "content")
	s.want(404, "", "GET", "/v8/artifacts/abc", "")
	if files := artifactstest.Read(t, store.Locate("")); len(files) > 0 || len(s.warned) > 0 {
		t.Errorf("stored %d objects, warned %v", len(files), s.warned)
	}
}
