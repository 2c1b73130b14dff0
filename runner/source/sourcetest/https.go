package sourcetest

import (
	"encoding/base64"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Token is the one that Server wants.
const Token = "ghp_0123456789abcdefghijABCDEFGHIJ456789"

// Server puts a repository behind https. It first answers with the failures it is given, then wants the token.
type Server struct {
	*httptest.Server
	backend http.Handler

	mu         sync.Mutex
	failures   []int
	RedirectTo string   // where all requests with the token are sent on to
	seen       []string // Authorization headers
}

// Serve serves the repository in a folder until the test ends.
func Serve(t testing.TB, dir string) *Server {
	t.Helper()
	path, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{backend: &cgi.Handler{
		Path:   filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"),
		Stderr: io.Discard,
		Env:    []string{"GIT_PROJECT_ROOT=" + filepath.Dir(dir), "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=x", alone[0], alone[1]},
	}}
	s.Server = httptest.NewTLSServer(s)
	t.Cleanup(s.Close)
	return s
}

// FailFirst lets the next requests fail with these codes.
func (s *Server) FailFirst(codes ...int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = codes
}

// Headers are what was sent for authorization.
func (s *Server) Headers() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.seen = append(s.seen, r.Header.Get("Authorization"))
	failure := 0
	if len(s.failures) > 0 {
		failure, s.failures = s.failures[0], s.failures[1:]
	}
	moved := s.RedirectTo
	s.mu.Unlock()
	switch {
	case failure != 0:
		http.Error(w, "try later", failure)
	case r.Header.Get("Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte("x-access-token:"+Token)):
		w.Header().Set("WWW-Authenticate", "Basic")
		http.Error(w, "no", http.StatusUnauthorized)
	case moved != "":
		http.Redirect(w, r, moved+r.URL.String(), http.StatusMovedPermanently)
	default:
		s.backend.ServeHTTP(w, r)
	}
}

// CAFile writes the server's certificate into a file, for GIT_SSL_CAINFO, and returns its name.
func (s *Server) CAFile(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// RepositoryURL is the URL of the repository in a folder.
func (s *Server) RepositoryURL(dir string) string { return s.URL + "/" + filepath.Base(dir) + "/.git" }
