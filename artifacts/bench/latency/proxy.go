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
	if r.Method == http.MethodPost && r.URL.Path == "/" {
		p.answerOtherService(w, r, began, latency)
		return
	}
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
	p.note(fmt.Sprintf("%s %s%s %d", r.Method, r.URL.Path, strings.TrimSuffix("?"+r.URL.RawQuery, "?"), response.StatusCode), began)
}

func (p *proxy) note(name string, began time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, span{name, began, time.Now()})
}

// answerOtherService is CloudFormation without any stack.
func (p *proxy) answerOtherService(w http.ResponseWriter, r *http.Request, began time.Time, latency time.Duration) {
	_ = r.ParseForm()
	time.Sleep(time.Until(began.Add(latency)))
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(http.StatusBadRequest)
	fmt.Fprint(w, `<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code>`+
		`<Message>Stack with id `+r.Form.Get("StackName")+` does not exist</Message></Error><RequestId>1</RequestId></ErrorResponse>`)
	p.note("POST / "+r.Form.Get("Action"), began)
}

// counts returns the requests, and how many of them are in the longest chain of requests of which each began after the
// one before it had ended: what latency is multiplied with. In turns, the files of one folder that are sent, or read, or
// tagged, count as one request, as if there were connections enough.
func (p *proxy) counts() (requests, sequential, turns int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.seen), chain(p.seen), chain(joinFiles(p.seen))
}

// joinFiles makes one request of those for the files of one folder.
func joinFiles(all []span) (joined []span) {
	files := map[string]int{}
	for _, s := range all {
		method, path, _ := strings.Cut(s.name, " ")
		path, rest, _ := strings.Cut(path, " ")
		parts := strings.Split(path, "/") // "", bucket, kind, branch, commit or latest, …
		if len(parts) < 6 || parts[2] != "builds" && parts[2] != "coverage" {
			joined = append(joined, s)
			continue
		}
		key := method + " " + strings.Join(parts[:5], "/") + fmt.Sprint(strings.Contains(rest+path, "tagging"))
		i, found := files[key]
		if !found {
			files[key], joined = len(joined), append(joined, s)
			continue
		}
		j := &joined[i]
		if s.began.Before(j.began) {
			j.began = s.began
		}
		if s.end.After(j.end) {
			j.end = s.end
		}
	}
	return joined
}

func chain(all []span) (sequential int) {
	spans := slices.Clone(all)
	slices.SortFunc(spans, func(a, b span) int { return a.end.Compare(b.end) })
	var last time.Time
	for _, s := range spans {
		if s.began.After(last) {
			sequential++
			last = s.end
		}
	}
	return sequential
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
