// Package notifytest has a Slack and a GitHub for tests: they take what those take, refuse what those refuse, and can be down,
// slow, or closed to us.
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

// Service is what both servers have.
type Service struct {
	mu      sync.Mutex
	asked   int
	failing int // requests that are yet to be answered by 503
	closed  int // the status that everything is answered with; 0 for none
	hangs   bool
	held    chan struct{} // the next request waits until it is closed

	released chan struct{} // what that request waits for
	taken    []Post
	refused  []string
}

// Post is a message, a status or a check that was taken.
type Post struct {
	Kind string // "message", "status", "check"
	Text string // the body as it came
	JSON map[string]any
}

// Asked is how many requests came.
func (s *Service) Asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// Posts are what was taken, in its order.
func (s *Service) Posts() []Post {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.taken)
}

// Refused says what was wrong with what was not taken.
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

// Close answers everything with a status; 0 opens again.
func (s *Service) Close(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = status
}

// Hang leaves everything without an answer, or no longer.
func (s *Service) Hang(hang bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hangs = hang
}

// Hold lets the next request wait for Release.
func (s *Service) Hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = make(chan struct{})
}

// Release lets the request go on that was held.
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

// patience guards against a hang of the tests.
const patience = 2 * time.Minute

// serve starts a server that first sees whether it is in the mood.
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
			body, _ := io.ReadAll(r.Body) // only then is it noticed that the other side has gone
			r.Body = io.NopCloser(bytes.NewReader(body))
			select {
			case <-r.Context().Done():
				return
			case <-held: // nobody closes what is nil
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

// isLink reports whether text is what the services take for a link. Theirs begin with https; those of a server on this machine do not.
func isLink(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http" && u.Hostname() == "127.0.0.1")
}
