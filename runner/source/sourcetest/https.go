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

// Token is the one that Server requires.
const Token = "ghp_0123456789abcdefghijABCDEFGHIJ456789"

// authorization is the header of a client that has it.
var authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte("x-access-token:"+Token))

// Server serves the repositories beside a folder by https, and their objects of Git LFS. It answers with the given
// failures first, and then requires the token.
type Server struct {
	*httptest.Server
	backend http.Handler
	dir     string

	mu         sync.Mutex
	failures   []int
	RedirectTo string   // target of a redirect for all requests with the token
	seen       []string // Authorization headers
}

// Serve serves the repositories beside the one in a folder until the test ends.
func Serve(t testing.TB, dir string) *Server {
	t.Helper()
	s := &Server{}
	s.ServeInstead(dir)
	s.Server = httptest.NewTLSServer(s)
	t.Cleanup(s.Close)
	return s
}

// ServeInstead makes the server serve the repositories beside another one.
func (s *Server) ServeInstead(dir string) {
	path, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		panic(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dir, s.backend = dir, &cgi.Handler{
		Path:   filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"),
		Stderr: io.Discard,
		Env: []string{
			"GIT_PROJECT_ROOT=" + filepath.Dir(dir), "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=x", isolated[0],
			isolated[1],
		},
	}
}

// FailFirst makes the next requests fail with these codes.
func (s *Server) FailFirst(codes ...int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = codes
}

// Headers returns the Authorization headers of all requests.
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
	moved, backend := s.RedirectTo, s.backend
	s.mu.Unlock()
	switch {
	case failure != 0:
		http.Error(w, "try later", failure)
	case r.Header.Get("Authorization") != authorization:
		w.Header().Set("WWW-Authenticate", "Basic")
		http.Error(w, "no", http.StatusUnauthorized)
	case moved != "":
		http.Redirect(w, r, moved+r.URL.String(), http.StatusMovedPermanently)
	case s.serveLFS(w, r):
	default:
		backend.ServeHTTP(w, r)
	}
}

// CAFile writes the server's certificate into a file, for GIT_SSL_CAINFO, and returns its name.
func (s *Server) CAFile(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(
		path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o644,
	); err != nil {
		t.Fatal(err)
	}
	return path
}

// RepositoryURL is the URL of the repository in a folder.
func (s *Server) RepositoryURL(dir string) string { return s.URL + "/" + filepath.Base(dir) + "/.git" }
