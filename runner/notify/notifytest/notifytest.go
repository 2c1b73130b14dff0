// Package notifytest has stand-ins for Slack and GitHub, which accept and refuse what the services do, and can be
// made to fail, hang or deny access.
package notifytest

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Service is common to both servers.
type Service struct {
	mu      sync.Mutex
	asked   int
	failing int // further requests to answer with 503
	closed  int // the status of all responses; 0 for none
	hangs   bool
	held    chan struct{} // the next request waits until it is closed

	released chan struct{} // what that request waits for
	taken    []Post
	refused  []string
}

// Post is what was accepted: a message, a status, a check, a comment.
type Post struct {
	Kind string // "message", "reply", "update", "status", "check", "more", "comment", "change"
	Text string // the body as it was sent
	JSON map[string]any
}

// Asked returns the number of requests.
func (s *Service) Asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// Posts returns what was accepted, in order.
func (s *Service) Posts() []Post {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.taken)
}

// Refused returns why requests were refused.
func (s *Service) Refused() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.refused)
}

// FailFirst answers the next n requests with 503.
func (s *Service) FailFirst(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing = n
}

// Close answers all requests with a status; 0 ends that.
func (s *Service) Close(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = status
}

// Hang leaves requests without a response, or ends that.
func (s *Service) Hang(hang bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hangs = hang
}

// Hold makes the next request wait for Release.
func (s *Service) Hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = make(chan struct{})
}

// Release answers the request that was held.
func (s *Service) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.released != nil {
		close(s.released)
		s.released = nil
	}
}

func (s *Service) take(kind, text string, json map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken = append(s.taken, Post{kind, text, json})
}

func (s *Service) refuse(problem string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = append(s.refused, problem)
}

// patience bounds a wait, so that a failing test ends.
const patience = 2 * time.Minute

// serve starts a server that fails, hangs or denies access as set, and calls h otherwise.
func (s *Service) serve(h http.Handler) (url string, stop func()) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked++
		hangs, closed, failing, held := s.hangs, s.closed, s.failing > 0, s.held
		if held != nil {
			s.held, s.released = nil, held
		}
		if failing {
			s.failing--
		}
		s.mu.Unlock()
		if hangs || held != nil {
			body, _ := io.ReadAll(r.Body) // the end of the connection is noticed only after that
			r.Body = io.NopCloser(bytes.NewReader(body))
			select {
			case <-r.Context().Done():
				return
			case <-held: // a nil channel blocks
			case <-time.After(patience):
			}
		}
		switch {
		case closed != 0:
			http.Error(w, `{"message":"no"}`, closed)
		case failing:
			http.Error(w, `{"message":"busy"}`, http.StatusServiceUnavailable)
		default:
			h.ServeHTTP(w, r)
		}
	}))
	return server.URL, func() { server.CloseClientConnections(); server.Close() }
}

// isLink reports whether the services accept text as a link. A server on this machine has links without https.
func isLink(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http" && u.Hostname() == "127.0.0.1")
}
