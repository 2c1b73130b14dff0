package s3test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func TestDeleteObjectsNeedsAChecksum(t *testing.T) {
	b := Bucket{Name: "bucket", Endpoint: (&Null{}).Start(t)}
	answer, err := http.Post(
		b.Endpoint+"/bucket?delete",
		"",
		strings.NewReader("<Delete><Object><Key>a</Key></Object></Delete>"),
	)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != 400 {
		t.Errorf("it answers %s", answer.Status)
	}
}

func TestNullRefusesToReturnDiscardedContent(t *testing.T) {
	b := Bucket{Name: "bucket", Endpoint: (&Null{}).Start(t)}
	c := b.Client()
	put(t, c, b, "builds/main/index.js", "content")
	_, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &b.Name, Key: aws.String("builds/main/index.js")})
	if code(err) != "NotImplemented" {
		t.Errorf("got %v", err)
	}
}

func TestNullChecksTheLengthOfBodies(t *testing.T) {
	endpoint := (&Null{}).Start(t)
	for _, check := range []struct {
		when            string
		length, decoded int64 // -1: not announced
		status          int
	}{
		{"both lengths are right", 15, 5, 200},
		{"the chunks are in chunks of HTTP, as the AWS CLI sends them", -1, 5, 200},
		{"the content is shorter than announced", 15, 6, 400},
		{"the same in chunks of HTTP", -1, 6, 400},
		{"there is no length of the content", 15, -1, 411},
	} {
		request, err := http.NewRequest(
			"PUT",
			endpoint+"/bucket/key",
			io.NopCloser(strings.NewReader("5\r\nhello\r\n0\r\n\r\n")),
		)
		if err != nil {
			t.Fatal(err)
		}
		request.ContentLength = check.length
		request.Header.Set("X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
		if check.decoded >= 0 {
			request.Header.Set("X-Amz-Decoded-Content-Length", fmt.Sprint(check.decoded))
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		said, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != check.status {
			t.Errorf("%s: %s: %s", check.when, answer.Status, said)
		}
	}
}

func TestDeletionDuringAConditionalWriteConflicts(t *testing.T) {
	n := &Null{}
	b := Bucket{Name: "bucket", Endpoint: n.Start(t)}
	c := b.Client()
	put(t, c, b, "locks/a", "old")
	body, write := io.Pipe()
	request, err := http.NewRequest("PUT", b.Endpoint+"/bucket/locks/a", body)
	if err != nil {
		t.Fatal(err)
	}
	request.ContentLength = 4
	request.Header.Set("If-Match", "*")
	go func() {
		_, _ = io.WriteString(write, "12")
		for n.received.Load() < int64(len("old")+2) { // until the server has begun with it
			time.Sleep(time.Millisecond)
		}
		_, err := c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &b.Name, Key: aws.String("locks/a")})
		_, _ = io.WriteString(write, "34")
		write.CloseWithError(err)
	}()
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != 409 {
		t.Errorf("it answers %s", answer.Status)
	}
}

func TestNullCountersAreReset(t *testing.T) {
	n := &Null{}
	b := Bucket{Name: "bucket", Endpoint: n.Start(t)}
	c := b.Client()
	put(t, c, b, "builds/a", "content")
	put(t, c, b, "builds/b", "")
	_, _ = c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &b.Name, Key: aws.String("none")})
	counters := func() (out Counters) {
		answer, err := http.Get(b.Endpoint + "/-/counters")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if err := json.NewDecoder(answer.Body).Decode(&out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	got := counters()
	if got.Requests != 3 || got.Operations["PutObject"] != 2 || got.Operations["GetObject"] != 1 || got.Failures != 1 ||
		got.Received != 7 {
		t.Errorf("counted %+v", got)
	}
	answer, err := http.Post(b.Endpoint+"/-/reset", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if got := counters(); got.Requests != 0 || len(got.Operations) != 0 {
		t.Errorf("after a reset: %+v", got)
	}
	if keys := b.Keys(t); len(keys) != 2 {
		t.Errorf("a reset leaves %q", keys)
	}
}

func TestNullServesTLS(t *testing.T) {
	authority, err := NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() { _ = (&Null{}).Serve(l, &authority.Server) }()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority.Bundle)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Get("https://" + l.Addr().String() + "/bucket?location")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != 200 || answer.ProtoMajor != 1 {
		t.Errorf("%s %s", answer.Proto, answer.Status)
	}
}

func TestNullDelaysResponses(t *testing.T) {
	const latency = 20 * time.Millisecond
	b := Bucket{Name: "bucket", Endpoint: (&Null{Latency: latency}).Start(t)}
	began := time.Now()
	put(t, b.Client(), b, "a", "x")
	if took := time.Since(began); took < latency {
		t.Errorf("it came after %s", took)
	}
}
