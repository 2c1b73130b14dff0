// Package serve shows a store in a browser of this machine: pages of the index, reports, logs and artifacts, with links
// between them that work. It only reads.
//
// What is in the store was written by steps, so by anyone who can have a branch built. Therefore:
//
//   - The pages of the index are made here, when they are asked for.
//   - Any other page is sandboxed: it runs in an origin of its own, and can read neither another page nor the network.
//   - A request must name this server in its Host header, so that a page of another site whose name leads to this
//     machine (DNS rebinding) reads nothing.
package serve

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/overview"
	"github.com/carlin-cicd/runner/runner/runs"
)

// Store is what is shown.
type Store interface {
	runs.Store
	Get(ctx context.Context, key string) (io.ReadCloser, error)
}

// Server shows a store on an address of this machine.
type Server struct {
	store      Store
	repository overview.Repository
	listener   net.Listener
	hosts      []string // that requests may name
}

// shownRuns is how many runs a page of the index has at most.
const shownRuns = 2000

// Listen opens a port of the loopback interface; 0 is a free one.
func Listen(store Store, repository overview.Repository, port int) (*Server, error) {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, err
	}
	_, on, _ := net.SplitHostPort(l.Addr().String())
	s := &Server{store: store, repository: repository, listener: l}
	for _, name := range []string{"127.0.0.1", "localhost"} {
		s.hosts = append(s.hosts, net.JoinHostPort(name, on))
		if on == "80" {
			s.hosts = append(s.hosts, name)
		}
	}
	return s, nil
}

// URL returns the address of a key; "" is the first page.
func (s *Server) URL(key string) string {
	return (&url.URL{Scheme: "http", Host: s.hosts[0], Path: "/" + key}).String()
}

// Run answers requests until ctx ends. The error is nil then.
func (s *Server) Run(ctx context.Context) error {
	server := &http.Server{
		Handler: s, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	err := server.Serve(s.listener)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// sandbox is the policy for what comes from the store: its own scripts and styles run, without an origin.
const sandbox = "sandbox allow-scripts allow-popups allow-popups-to-escape-sandbox allow-downloads; " +
	"default-src 'self' 'unsafe-inline' data: blob:; connect-src 'none'; form-action 'none'; base-uri 'none'; " +
	"frame-ancestors 'self'"

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", sandbox)
	h.Set("Server-Timing", "runner-serve") // by which reports know that their next run can be asked for
	if !slices.Contains(s.hosts, strings.ToLower(r.Host)) {
		s.refuse(w, http.StatusMisdirectedRequest, "this server answers for "+strings.Join(s.hosts, " and ")+" only")
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		s.refuse(w, http.StatusMethodNotAllowed, "this server only reads")
		return
	}
	key := strings.TrimPrefix(r.URL.Path, "/")
	if key == "" {
		http.Redirect(w, r, "/"+overview.Key(""), http.StatusFound)
		return
	}
	if strings.HasSuffix(key, "/") {
		key += "index.html"
	}
	if err := keys.Check(key); err != nil {
		s.refuse(w, http.StatusNotFound, err.Error())
		return
	}
	if branch, ok := overview.ParseKey(key); ok {
		s.page(w, r, branch)
		return
	}
	if run, ok := strings.CutSuffix(key, "/"+nextRun); ok && strings.HasPrefix(run, "runs/") {
		s.next(w, r, run)
		return
	}
	s.object(w, r, key)
}

// page makes a page of the index.
func (s *Server) page(w http.ResponseWriter, r *http.Request, branch string) {
	text, err := overview.Page(r.Context(), s.store, s.repository, branch, shownRuns)
	if err != nil {
		s.fail(w, err)
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", "frame-ancestors 'none'") // beside the page's own
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(text)
	}
}

// object sends an object of the store.
func (s *Server) object(w http.ResponseWriter, r *http.Request, key string) {
	body, err := s.store.Get(r.Context(), key)
	if err != nil {
		s.fail(w, err)
		return
	}
	defer body.Close()
	h := w.Header()
	h.Set("Content-Type", artifacts.MediaType(key))
	if strings.HasSuffix(key, ".jsonl.gz") && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") { // a log
		h.Set("Content-Type", "text/plain; charset=utf-8")
		h.Set("Content-Encoding", "gzip")
	}
	if r.Method == http.MethodGet {
		_, _ = io.Copy(w, body) // the browser has gone, or sees that the response is short
	}
}

// fail answers with an error of the store.
func (s *Server) fail(w http.ResponseWriter, err error) {
	var refused *artifacts.StoreError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.refuse(w, http.StatusNotFound, "it is not in the store: the run is still running, was lost, or is too old")
	case errors.As(err, &refused) && refused.Denied:
		s.refuse(w, http.StatusForbidden, err.Error())
	default:
		s.refuse(w, http.StatusBadGateway, err.Error())
	}
}

// refuse answers with a message for people.
func (s *Server) refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"color-scheme\" content=\"light dark\">"+
		"<title>%d</title><h1>%[1]d %s</h1><p>%s</p><p><a href=\"/\">all runs</a></p></html>\n", status,
		html.EscapeString(http.StatusText(status)), html.EscapeString(message))
}
