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

// Proxy stands between a store and an S3 server, passes on what it is sent as it is (the Host too, which a signature
// covers) and misbehaves by rule.
type Proxy struct {
	URL string // for AWS_ENDPOINT_URL

	to        *url.URL
	transport *http.Transport
	closed    chan struct{}

	mu    sync.Mutex
	rules []*state
	seen  []*Request
}

// Request is one that came to the Proxy.
type Request struct {
	Operation   string // see Operation
	Method      string
	Bucket, Key string
	Query       string // undecoded
	Header      http.Header
	Fault       string // what was done to it, "" if nothing
	Status      int    // of the answer, 0 while or where there is none
}

func (r Request) String() string {
	s := fmt.Sprintf("%s %s/%s", r.Operation, r.Bucket, r.Key)
	if r.Fault != "" {
		s += " (" + r.Fault + ")"
	}
	return fmt.Sprintf("%s: %d", s, r.Status)
}

// Rule does something to requests. The first rule that a request meets, and that is not used up, is the one that counts.
type Rule struct {
	Operation string // e.g. "UploadPart", see Operation; "" for all
	Method    string // e.g. "PUT"; "" for all
	Key       string // pattern in which ** stands for any number of folders, e.g. "builds/**"; "" for all, buckets too
	Skip      int    // requests that it lets pass first
	Times     int    // requests that it meets after that; 0 for all
	// Probability of meeting a request, in place of certainty, if it is not 0. It is drawn from Seed, the operation,
	// the key, the part's number and how often the same was asked before, so it does not depend on who comes first.
	Probability float64
	Seed        uint64
	Fault       Fault
}

// state is a rule and what it met so far.
type state struct {
	Rule
	skipped, met int
	asked        map[string]int
}

// NewProxy starts a proxy before the server at an endpoint, which ends with the test.
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
		close(p.closed) // before the server waits for those that stall
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

// Behave forgets all rules.
func (p *Proxy) Behave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = nil
}

// Seen returns the requests since the beginning or Forget, in the order they came.
func (p *Proxy) Seen() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]Request, len(p.seen))
	for i, r := range p.seen {
		out[i] = *r
	}
	return out
}

// Forget empties what Seen returns.
func (p *Proxy) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = nil
}

// Count counts what Seen returns by operation.
func (p *Proxy) Count() map[string]int {
	n := map[string]int{}
	for _, r := range p.Seen() {
		n[r.Operation]++
	}
	return n
}

// ServeHTTP passes a request on, or does to it what a rule says.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	operation, bucket, key := Operation(r)
	seen := &Request{
		Operation: operation, Method: r.Method, Bucket: bucket, Key: key,
		Query: r.URL.RawQuery, Header: r.Header.Clone(),
	}
	e := &exchange{p: p, w: w, r: r, seen: seen}
	if fault := p.admit(seen, r); fault != nil {
		fault.do(e)
		return
	}
	e.forward(r.Body, nil)
}

// admit records a request and finds the fault that awaits it, or nil.
func (p *Proxy) admit(seen *Request, r *http.Request) Fault {
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

// exchange is one request and its answer.
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

// hopByHop is what belongs to one connection.
var hopByHop = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// forward sends the request on with a body, which may differ from its own, and the answer back; alter may do the
// latter in its place.
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
		// Either side went away: the client, or the server behind us.
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

// head sends status and header of an answer.
func (e *exchange) head(answer *http.Response) {
	maps.Copy(e.w.Header(), answer.Header)
	for _, name := range hopByHop {
		e.w.Header().Del(name)
	}
	e.w.WriteHeader(answer.StatusCode)
}

// drop ends the client's connection: with a reset, or as if there was no more to say.
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

// stall waits for the client to give up, or for the end of the test.
func (e *exchange) stall() {
	select {
	case <-e.r.Context().Done():
	case <-e.p.closed:
	}
	panic(http.ErrAbortHandler)
}

// Keys are the keys of requests, sorted and without those that repeat.
func Keys(requests []Request) []string {
	keys := make([]string, len(requests))
	for i, r := range requests {
		keys[i] = r.Key
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// Only returns the requests for an operation.
func Only(operation string, requests []Request) []Request {
	return slices.DeleteFunc(slices.Clone(requests), func(r Request) bool { return !strings.EqualFold(r.Operation, operation) })
}
