package main

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// proxy holds back every answer, and remembers when each request began and ended.
type proxy struct {
	url    string
	to     string
	server *http.Server
	client *http.Transport

	mu      sync.Mutex
	latency time.Duration
	seen    []span
}

// span is a request.
type span struct {
	name       string
	began, end time.Time
}

func newProxy(to string) (*proxy, error) {
	p := &proxy{to: to, client: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 256}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p.url = "http://" + listener.Addr().String()
	p.server = &http.Server{Handler: p}
	go p.server.Serve(listener)
	return p, nil
}

func (p *proxy) close() {
	p.server.Close()
	p.client.CloseIdleConnections()
}

// set begins a measurement.
func (p *proxy) set(latency time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latency, p.seen = latency, nil
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	p.mu.Lock()
	latency := p.latency
	p.mu.Unlock()
	out := r.Clone(r.Context())
	out.URL.Scheme, out.URL.Host, out.RequestURI = "http", p.to, ""
	response, err := p.client.RoundTrip(out)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer response.Body.Close()
	time.Sleep(time.Until(began.Add(latency)))
	for name, values := range response.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(response.StatusCode)
	_, _ = io.Copy(w, response.Body) // a client that went away has its own error
	name := fmt.Sprintf("%s %s%s %d", r.Method, r.URL.Path, strings.TrimSuffix("?"+r.URL.RawQuery, "?"), response.StatusCode)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, span{name, began, time.Now()})
}

// counts returns the requests, and how many of them are in the longest chain of requests of which each began after the
// one before it had ended: what latency is multiplied with.
func (p *proxy) counts() (requests, sequential int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	spans := slices.Clone(p.seen)
	slices.SortFunc(spans, func(a, b span) int { return a.end.Compare(b.end) })
	var last time.Time
	for _, s := range spans {
		if s.began.After(last) {
			sequential++
			last = s.end
		}
	}
	return len(spans), sequential
}

// text is every request, by when it began.
func (p *proxy) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	spans := slices.Clone(p.seen)
	slices.SortFunc(spans, func(a, b span) int { return cmp.Or(a.began.Compare(b.began), strings.Compare(a.name, b.name)) })
	var b strings.Builder
	for _, s := range spans {
		fmt.Fprintf(&b, "%6d to %6d ms  %s\n", s.began.Sub(spans[0].began).Milliseconds(), s.end.Sub(spans[0].began).Milliseconds(), s.name)
	}
	return b.String()
}
