package s3test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

const stored = "0123456789"

// misbehaving returns a client of a bucket with the object "runs/a", behind a proxy with one rule.
func misbehaving(t *testing.T, r Rule) (*Proxy, Bucket, *s3.Client) {
	t.Helper()
	b := Bucket{Name: "bucket", Endpoint: (&Null{KeepSmall: true}).Start(t)}
	put(t, b.Client(), b, "runs/a", stored)
	p := NewProxy(t, b.Endpoint, r)
	return p, b, b.At(p).Client()
}

func get(t *testing.T, c *s3.Client) (string, error) {
	t.Helper()
	out, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("bucket"), Key: aws.String("runs/a")})
	if err != nil {
		return "", err
	}
	defer out.Body.Close()
	content, err := io.ReadAll(out.Body)
	return string(content), err
}

func TestRulesLimitTheirFaults(t *testing.T) {
	for _, want := range []Error{
		SlowDown, InternalError, ServiceUnavailable, RequestTimeout, ExpiredToken, TimeTooSkewed, AccessDenied, Conflict, BadDigest,
	} {
		for name, fault := range map[string]Fault{"": Respond(want), " early": RespondEarly(want)} {
			p, b, c := misbehaving(t, Rule{Operation: "PutObject", Key: "runs/**", Skip: 1, Times: 2, Fault: fault})
			for i, expected := range []string{"", want.Code, want.Code, ""} {
				_, err := c.PutObject(
					t.Context(),
					&s3.PutObjectInput{Bucket: &b.Name, Key: aws.String("runs/b"), Body: strings.NewReader("x")},
				)
				if code(err) != expected {
					t.Errorf("%s%s: request %d: %v", want.Code, name, i+1, err)
				}
			}
			seen := p.Seen()
			if len(seen) != 4 || seen[1].Status != want.Status || seen[1].Fault != want.Code+name ||
				seen[3].Status != 200 ||
				seen[3].Fault != "" {
				t.Errorf("it saw %v", seen)
			}
		}
	}
}

func TestRefusedRequestsDoNotReachTheServer(t *testing.T) {
	for _, fault := range []Fault{Respond(SlowDown), RespondEarly(SlowDown), ResetRequest(0), ResetRequest(3)} {
		_, b, c := misbehaving(t, Rule{Method: "PUT", Fault: fault})
		_, err := c.PutObject(
			t.Context(),
			&s3.PutObjectInput{Bucket: &b.Name, Key: aws.String("runs/b"), Body: strings.NewReader(stored)},
		)
		if err == nil {
			t.Errorf("%s: no error", fault.name())
		}
		if keys := b.Keys(t); len(keys) != 1 {
			t.Errorf("%s: there is %q", fault.name(), keys)
		}
	}
}

func TestResetResponseComesAfterTheServerActed(t *testing.T) {
	p, b, c := misbehaving(t, Rule{Method: "PUT", Fault: ResetResponse(-1)})
	_, err := c.PutObject(
		t.Context(),
		&s3.PutObjectInput{Bucket: &b.Name, Key: aws.String("runs/b"), Body: strings.NewReader(stored)},
	)
	if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
		t.Errorf("the client gets %v", err)
	}
	if keys := b.Keys(t); len(keys) != 2 {
		t.Errorf("there is %q", keys)
	}
	if seen := p.Seen(); len(seen) != 1 || seen[0].Status != 200 {
		t.Errorf("it saw %v", seen)
	}
}

func TestDownloadFaults(t *testing.T) {
	for _, check := range []struct {
		fault Fault
		want  string
		err   func(error) bool
	}{
		{ResetResponse(4), stored[:4], func(err error) bool {
			return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.ErrUnexpectedEOF)
		}},
		{ResetRequest(0), "", func(err error) bool { return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF) }},
		{Truncate(4), stored[:4], func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
		{Flip(4), "0123556789", func(err error) bool { return err == nil }},
		{Flip(40), stored, func(err error) bool { return err == nil }},
		{Delay(10 * time.Millisecond), stored, func(err error) bool { return err == nil }},
	} {
		t.Run(check.fault.name(), func(t *testing.T) {
			t.Parallel()
			p, _, c := misbehaving(t, Rule{Operation: "GetObject", Times: 1, Fault: check.fault})
			got, err := get(t, c)
			if got != check.want || !check.err(err) {
				t.Errorf("got %q, %v", got, err)
			}
			if got, err := get(t, c); got != stored || err != nil {
				t.Errorf("the next: %q, %v", got, err)
			}
			if seen := p.Seen(); len(seen) != 2 || seen[0].Fault != check.fault.name() {
				t.Errorf("it saw %v", seen)
			}
		})
	}
}

func TestStalledDownloadEndsWithItsClient(t *testing.T) {
	for _, check := range []struct {
		fault Fault
		want  string
	}{
		{Stall(), ""},
		{StallResponse(0), ""},
		{StallResponse(4), stored[:4]},
	} {
		t.Run(check.fault.name(), func(t *testing.T) {
			p, _, c := misbehaving(t, Rule{Operation: "GetObject", Fault: check.fault})
			ctx, giveUp := context.WithCancel(t.Context())
			arrived := make(chan struct{})
			go func() {
				for len(p.Seen()) == 0 {
					time.Sleep(time.Millisecond)
				}
				if check.want != "" {
					<-arrived
				}
				giveUp()
			}()
			out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("bucket"), Key: aws.String("runs/a")})
			if err == nil {
				got := make([]byte, len(check.want))
				_, err = io.ReadFull(out.Body, got)
				if string(got) != check.want || err != nil {
					t.Errorf("got %q, %v", got, err)
				}
				close(arrived)
				_, err = io.ReadAll(out.Body)
			}
			if !errors.Is(err, context.Canceled) {
				t.Errorf("it ends with %v", err)
			}
		})
	}
}

func TestFlippedUploadReachesTheServer(t *testing.T) {
	_, b, _ := misbehaving(t, Rule{})
	p := NewProxy(t, b.Endpoint, Rule{Method: "PUT", Fault: FlipRequest(4)})
	request, err := http.NewRequest("PUT", p.URL+"/bucket/runs/a", strings.NewReader(stored))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if got, err := get(t, b.Client()); got != "0123556789" || err != nil {
		t.Errorf("stored: %q, %v", got, err)
	}
}

func TestStalledUploadEndsWithItsClient(t *testing.T) {
	_, b, c := misbehaving(t, Rule{Method: "PUT", Fault: StallRequest(1 << 10)})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := c.PutObject(
		ctx,
		&s3.PutObjectInput{Bucket: &b.Name, Key: aws.String("runs/b"), Body: bytes.NewReader(make([]byte, 64<<20))},
	)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it ends with %v", err)
	}
}

func TestRandomFaultsDependOnTheSeedOnly(t *testing.T) {
	const n = 200
	storm := func(seed uint64, key func(i int) string) map[string]int {
		p, b, c := misbehaving(t, Rule{Operation: "HeadObject", Probability: 0.3, Seed: seed, Fault: Respond(SlowDown)})
		for i := range n {
			_, _ = c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &b.Name, Key: aws.String(key(i))})
		}
		hit := map[string]int{}
		for _, r := range p.Seen() {
			if r.Status == SlowDown.Status {
				hit[r.Key]++
			}
		}
		return hit
	}
	up := func(i int) string { return fmt.Sprint("runs/", i%100) }
	down := func(i int) string { return up(n - 1 - i) }
	one, same, other := storm(1, up), storm(1, down), storm(2, up)
	total := 0
	for _, times := range one {
		total += times
	}
	if total < n*2/10 || total > n*4/10 {
		t.Errorf("it met %d of %d", total, n)
	}
	if fmt.Sprint(one) != fmt.Sprint(same) {
		t.Error("the order changed it")
	}
	if fmt.Sprint(one) == fmt.Sprint(other) {
		t.Error("another seed changed nothing")
	}
}

func TestFirstUnusedRuleApplies(t *testing.T) {
	p, _, c := misbehaving(t, Rule{Key: "runs/*", Times: 1, Fault: Respond(SlowDown)})
	p.Add(Rule{Fault: Respond(AccessDenied)})
	for _, want := range []string{"SlowDown", "AccessDenied", "AccessDenied"} {
		if _, err := get(t, c); code(err) != want {
			t.Errorf("%v, not %s", err, want)
		}
	}
	p.RemoveRules()
	if got, err := get(t, c); got != stored || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if n := p.Count()["GetObject"]; n != 4 {
		t.Errorf("counted %d", n)
	}
	p.ClearSeen()
	if seen := p.Seen(); len(seen) != 0 {
		t.Errorf("it remembers %v", seen)
	}
}

func TestProxyForwardsUnchanged(t *testing.T) {
	var got *http.Request
	var body []byte
	back := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		got = r
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = back.Serve(l) }()
	t.Cleanup(func() { back.Close() })
	p := NewProxy(t, "http://"+l.Addr().String())
	request, err := http.NewRequest(
		"PUT",
		p.URL+"/bucket/a%2Fb%20c/%C3%A4+?x-id=PutObject&versionId=a%2Bb",
		strings.NewReader("body"),
	)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 …")
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	answer, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if got.Host != request.Host || got.RequestURI != request.URL.RequestURI() || string(body) != "body" ||
		got.ContentLength != 4 ||
		got.Header.Get("Accept-Encoding") != "" ||
		got.Header.Get("Authorization") != request.Header.Get("Authorization") ||
		got.Header.Get("X-Forwarded-For") != "" {
		t.Errorf("%s %s %v %q", got.Host, got.RequestURI, got.Header, body)
	}
}
