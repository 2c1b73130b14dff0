package s3test

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bmatcuk/doublestar/v4"
)

// Proxy forwards requests between a store and an S3 server unchanged, including the Host that a signature covers, and
// injects faults by rules.
type Proxy struct {
	URL string // for AWS_ENDPOINT_URL

	to        *url.URL
	transport *http.Transport
	closed    chan struct{}

	mu    sync.Mutex
	rules []*state
	seen  []*Request
}

// Request is a request that the Proxy received.
type Request struct {
	Operation   string // see Operation
	Method      string
	Bucket, Key string
	Query       string // undecoded
	Header      http.Header
	Fault       string // injected into it, "" if none
	Status      int    // of the response, 0 without one
}

func (r Request) String() string {
	s := fmt.Sprintf("%s %s/%s", r.Operation, r.Bucket, r.Key)
	if r.Fault != "" {
		s += " (" + r.Fault + ")"
	}
	return fmt.Sprintf("%s: %d", s, r.Status)
}

// Rule injects a fault into requests. The first rule that matches a request, and is not used up, applies.
type Rule struct {
	Operation string // e.g. "UploadPart", see Operation; "" for all
	Method    string // e.g. "PUT"; "" for all
	Key       string // pattern in which ** stands for any number of folders, e.g. "builds/**"; "" for all, buckets too
	Skip      int    // requests to skip first
	Times     int    // requests to match after that; 0 for all
	// Probability of matching a request, if not 0. It is derived from Seed, the operation, the key, the part's number
	// and how often the same request came before, so it does not depend on the order of requests.
	Probability float64
	Seed        uint64
	Fault       Fault
}

// state is a rule and its counters.
type state struct {
	Rule
	skipped, met int
	asked        map[string]int
}

// NewProxy starts a proxy for the server at an endpoint, until the test ends.
func NewProxy(tb testing.TB, endpoint string, rules ...Rule) *Proxy {
	tb.Helper()
	to, err := url.Parse(endpoint)
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{
		to: to, closed: make(chan struct{}),
		transport: &http.Transport{
			Proxy: nil, DisableCompression: true, MaxIdleConnsPerHost: 256, ForceAttemptHTTP2: false,
		},
	}
	p.Add(rules...)
	s := httptest.NewServer(p)
	p.URL = s.URL
	tb.Cleanup(func() {
		close(p.closed) // before the server waits for stalled requests
		s.CloseClientConnections()
		s.Close()
		p.transport.CloseIdleConnections()
	})
	return p
}

// Add appends rules.
func (p *Proxy) Add(rules ...Rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range rules {
		p.rules = append(p.rules, &state{Rule: r, asked: map[string]int{}})
	}
}

// RemoveRules removes all rules.
func (p *Proxy) RemoveRules() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = nil
}

// Seen returns the requests since the start or ClearSeen, in order.
func (p *Proxy) Seen() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]Request, len(p.seen))
	for i, r := range p.seen {
		out[i] = *r
	}
	return out
}

// ClearSeen empties what Seen returns.
func (p *Proxy) ClearSeen() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = nil
}

// Count counts the requests of Seen by operation.
func (p *Proxy) Count() map[string]int {
	n := map[string]int{}
	for _, r := range p.Seen() {
		n[r.Operation]++
	}
	return n
}

// ServeHTTP forwards a request, or injects a fault into it.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	operation, bucket, key := Operation(r)
	seen := &Request{
		Operation: operation, Method: r.Method, Bucket: bucket, Key: key,
		Query: r.URL.RawQuery, Header: r.Header.Clone(),
	}
	e := &exchange{p: p, w: w, r: r, seen: seen}
	if fault := p.record(seen, r); fault != nil {
		fault.do(e)
		return
	}
	e.forward(r.Body, nil)
}

// record records a request and returns the fault to inject, or nil.
func (p *Proxy) record(seen *Request, r *http.Request) Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, seen)
	identity := seen.Operation + " " + seen.Key + " " + r.URL.Query().Get("partNumber")
	for _, s := range p.rules {
		if s.meets(seen, identity) {
			seen.Fault = s.Fault.name()
			return s.Fault
		}
	}
	return nil
}

func (s *state) meets(r *Request, identity string) bool {
	switch {
	case s.Operation != "" && s.Operation != r.Operation,
		s.Method != "" && s.Method != r.Method,
		s.Key != "" && !doublestar.MatchUnvalidated(s.Key, r.Key),
		s.Times > 0 && s.met == s.Times:
		return false
	case s.skipped < s.Skip:
		s.skipped++
		return false
	}
	if s.Probability > 0 {
		s.asked[identity]++
		sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %s", s.Seed, s.asked[identity], identity))
		if float64(binary.BigEndian.Uint64(sum[:])>>11)/(1<<53) >= s.Probability {
			return false
		}
	}
	s.met++
	return true
}

// exchange is a request and its response.
type exchange struct {
	p    *Proxy
	w    http.ResponseWriter
	r    *http.Request
	seen *Request
}

func (e *exchange) status(code int) {
	e.p.mu.Lock()
	defer e.p.mu.Unlock()
	e.seen.Status = code
}

// hopByHop are the header fields of a single connection.
var hopByHop = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// forward sends the request with a body, which may differ from its own, and the response back; alter, if it is not
// nil, sends the response instead.
func (e *exchange) forward(body io.Reader, alter func(*http.Response)) {
	out := e.r.Clone(e.r.Context())
	out.RequestURI = ""
	out.URL.Scheme, out.URL.Host = e.p.to.Scheme, e.p.to.Host
	out.Body = io.NopCloser(body)
	if e.r.ContentLength == 0 {
		out.Body = http.NoBody
	}
	for _, name := range hopByHop {
		out.Header.Del(name)
	}
	if _, ok := out.Header["User-Agent"]; !ok {
		out.Header["User-Agent"] = nil // not Go's own
	}
	answer, err := e.p.transport.RoundTrip(out)
	if err != nil {
		// The client or the server closed its connection.
		e.drop(false)
		return
	}
	defer answer.Body.Close()
	e.status(answer.StatusCode)
	if alter != nil {
		alter(answer)
		return
	}
	e.head(answer)
	if _, err := io.Copy(e.w, answer.Body); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// head sends status and header of a response.
func (e *exchange) head(answer *http.Response) {
	maps.Copy(e.w.Header(), answer.Header)
	for _, name := range hopByHop {
		e.w.Header().Del(name)
	}
	e.w.WriteHeader(answer.StatusCode)
}

// drop closes the client's connection: by a reset, or as if the response had ended.
func (e *exchange) drop(reset bool) {
	c, _, err := http.NewResponseController(e.w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := c.(*net.TCPConn); ok && reset {
		_ = tcp.SetLinger(0)
	}
	c.Close()
}

// stall waits until the client gives up, or the test ends.
func (e *exchange) stall() {
	select {
	case <-e.r.Context().Done():
	case <-e.p.closed:
	}
	panic(http.ErrAbortHandler)
}

// Only returns the requests of an operation.
func Only(operation string, requests []Request) []Request {
	return slices.DeleteFunc(
		slices.Clone(requests),
		func(r Request) bool { return !strings.EqualFold(r.Operation, operation) },
	)
}
