package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// proxy holds back every answer, and remembers when each request began and ended. It shares the cores with the client that
// is measured, so each connection has one goroutine and one connection to the server.
type proxy struct {
	url      string
	to       string
	listener net.Listener

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
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{to: to, listener: listener, url: "http://" + listener.Addr().String()}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // it was closed
			}
			go p.relay(client)
		}
	}()
	return p, nil
}

func (p *proxy) close() { p.listener.Close() }

// set begins a measurement.
func (p *proxy) set(latency time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latency, p.seen = latency, nil
}

// relay passes the requests of one connection on. An error ends it, as it does between a client and a server.
func (p *proxy) relay(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer server.Close()
	requests, responses := bufio.NewReader(client), bufio.NewReader(server)
	for {
		request, err := http.ReadRequest(requests)
		if err != nil {
			return
		}
		began := time.Now()
		p.mu.Lock()
		latency := p.latency
		p.mu.Unlock()
		if request.Header.Get("Expect") != "" {
			request.Header.Del("Expect")
			if _, err := io.WriteString(client, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
				return
			}
		}
		name := request.Method + " " + request.URL.Path + strings.TrimSuffix("?"+request.URL.RawQuery, "?")
		var response *http.Response
		if request.Method == http.MethodPost && request.URL.Path == "/" {
			_ = request.ParseForm()
			name = "POST / " + request.Form.Get("Action")
			response = answerOfOtherService(request)
		} else {
			if err := request.Write(server); err != nil {
				return
			}
			if response, err = http.ReadResponse(responses, request); err != nil {
				return
			}
			name += fmt.Sprintf(" %d", response.StatusCode)
		}
		time.Sleep(time.Until(began.Add(latency)))
		answer := bufio.NewWriter(client)
		err = response.Write(answer)
		response.Body.Close()
		p.note(name, began)
		if err = errors.Join(err, answer.Flush()); err != nil || request.Close || response.Close {
			return
		}
	}
}

// answerOfOtherService is that of CloudFormation without any stack.
func answerOfOtherService(request *http.Request) *http.Response {
	text := `<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code>` +
		`<Message>Stack with id ` + request.Form.Get("StackName") + ` does not exist</Message></Error><RequestId>1</RequestId></ErrorResponse>`
	return &http.Response{
		StatusCode: http.StatusBadRequest, ProtoMajor: 1, ProtoMinor: 1, Request: request, ContentLength: int64(len(text)),
		Header: http.Header{"Content-Type": {"text/xml"}}, Body: io.NopCloser(strings.NewReader(text)),
	}
}

func (p *proxy) note(name string, began time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, span{name, began, time.Now()})
}

// counts returns the requests, and how many of them are in the longest chain of requests of which each began after the
// one before it had ended: what latency is multiplied with. In turns, the files of one folder that are sent, or read, or
// tagged, count as one request, as if there were connections enough, and what was sent and answered beside them does not
// count.
func (p *proxy) counts() (requests, sequential, turns int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.seen), chain(p.seen), chain(joinFiles(p.seen))
}

// joinFiles makes one request of those for the files of one folder, and leaves out what was beside them.
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
	phases := map[int]bool{}
	for _, i := range files {
		phases[i] = true
	}
	var kept []span
	for i, s := range joined {
		beside := false
		for phase := range phases {
			f := joined[phase]
			beside = beside || !phases[i] && s.began.After(f.began) && s.end.Before(f.end)
		}
		if !beside {
			kept = append(kept, s)
		}
	}
	return kept
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
