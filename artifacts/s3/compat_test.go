package s3

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/s3test"
)

// refusal is an error response to a request that some services do not support; a nil one lets it pass.
type refusal func(r *http.Request) *s3test.Error

// inFront puts a TLS server before a bucket's, which refuses requests, and returns a store that goes through it.
func inFront(t *testing.T, b s3test.Bucket, o Options, refuse refusal) *Store {
	t.Helper()
	target, err := url.Parse(b.Endpoint)
	artifactstest.Must(t, err)
	proxy := &httputil.ReverseProxy{
		Rewrite:  func(p *httputil.ProxyRequest) { p.Out.URL.Scheme, p.Out.URL.Host = target.Scheme, target.Host },
		ErrorLog: log.New(io.Discard, "", 0),
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if e := refuse(r); e != nil {
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(e.Status)
			fmt.Fprintf(
				w,
				`<?xml version="1.0"?><Error><Code>%s</Code><Message>%s</Message></Error>`,
				e.Code,
				e.Message,
			)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	b.Endpoint = server.URL
	b.Setenv(t)
	client := awshttp.NewBuildableClient().WithTransportOptions(func(tr *http.Transport) {
		tr.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		tr.TLSClientConfig.MinVersion = tls.VersionTLS12
	})
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithHTTPClient(client))
	artifactstest.Must(t, err)
	s, err := New(t.Context(), cfg, b.Name, "", o)
	artifactstest.Must(t, err)
	return s
}

// refusals are what services are known not to support.
var refusals = map[string]refusal{
	"trailers": func(r *http.Request) *s3test.Error {
		if strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING") {
			return &s3test.Error{
				Status: 501, Code: "NotImplemented",
				Message: "A header you provided implies functionality that is not implemented",
			}
		}
		return nil
	},
	"checksums": func(r *http.Request) *s3test.Error {
		for name := range r.Header {
			if strings.HasPrefix(name, "X-Amz-Checksum") || name == "X-Amz-Sdk-Checksum-Algorithm" {
				return &s3test.Error{
					Status: 400, Code: "InvalidArgument",
					Message: "Unsupported header 'x-amz-checksum-sha256' received for this API call.",
				}
			}
		}
		return nil
	},
	"CRC-32": func(r *http.Request) *s3test.Error {
		if r.Header.Get("X-Amz-Checksum-Crc32") != "" || r.Header.Get("X-Amz-Sdk-Checksum-Algorithm") != "" {
			return &s3test.Error{
				Status: 501, Code: "NotImplemented",
				Message: "Header x-amz-checksum-crc32 with value XX not implemented",
			}
		}
		return nil
	},
	// A bucket with Object Lock demands what others do not support.
	"objects without a checksum": func(r *http.Request) *s3test.Error {
		h := r.Header
		if r.Method == "PUT" && h.Get("Content-Md5") == "" && h.Get("X-Amz-Trailer") == "" &&
			h.Get("X-Amz-Checksum-Sha256") == "" && h.Get("X-Amz-Checksum-Crc32") == "" {
			return &s3test.Error{
				Status: 400, Code: "InvalidRequest",
				Message: "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock",
			}
		}
		return nil
	},
}

// With the SDK's setting, sets of all sizes are published to services that refuse checksums or trailers, fetched and
// removed.
func TestChecksumsWhenRequired(t *testing.T) {
	t.Setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
	t.Setenv("AWS_RESPONSE_CHECKSUM_VALIDATION", "when_required")
	small, medium, large := string(random(2000)), string(random(maxSmall+9)), string(random(maxStreamed+9))
	for name, refuse := range refusals {
		for _, b := range s3test.Buckets(t)[1:3] {
			t.Run(name+" refused, "+b.Server, func(t *testing.T) {
				s := inFront(t, b, Options{}, refuse)
				if s.checksums || !s.streaming {
					t.Fatal("the setting is ignored")
				}
				content := artifactstest.Files{
					"small":  small,
					"medium": medium,
					"large":  large,
					"gone":   "1",
					"too":    "2",
					"empty":  "",
				}
				set := artifacts.Set{Kind: "builds", Ref: main1, Dir: content.Dir(t)}
				artifactstest.Publish(t, s, set)
				delete(content, "gone")
				delete(content, "too")
				content.Write(t, set.Dir)
				if p := artifactstest.Publish(t, s, set); p.Removed != 2 {
					t.Errorf("%+v, want 2 removed", p.Counts)
				}
				out := t.TempDir()
				_, err := artifacts.Fetch(t.Context(), s, "builds", main1, out, artifacts.FetchOptions{})
				artifactstest.Must(t, err)
				artifactstest.Equal(t, "fetched", artifactstest.Read(t, out), content)
			})
		}
	}
}

// main1 is the commit of these tests.
var main1 = artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}

// Without the setting, the error names it.
func TestRefusedChecksumsNameTheSetting(t *testing.T) {
	for name, size := range map[string]int{"trailers": maxSmall + 9, "checksums": 9, "CRC-32": maxStreamed + 9} {
		t.Run(name, func(t *testing.T) {
			s := inFront(t, s3test.Buckets(t)[0], Options{}, refusals[name])
			body := bytes.NewReader(random(size))
			_, err := s.Put(t.Context(), artifacts.Object{Key: "k", Body: body, Size: int64(size)})
			if hint := hintOf(err); !strings.Contains(hint, "AWS_REQUEST_CHECKSUM_CALCULATION=when_required") {
				t.Errorf("%v, hint %q", err, hint)
			}
		})
	}
}

// A file that changes while it is sent is not stored, with a checksum before it as with one after it.
func TestChangedBodyIsNotStored(t *testing.T) {
	for _, setting := range []string{"when_required", "when_supported"} {
		t.Run(setting, func(t *testing.T) {
			t.Setenv("AWS_REQUEST_CHECKSUM_CALCULATION", setting)
			b := s3test.Buckets(t)[2]
			s := inFront(t, b, Options{}, func(*http.Request) *s3test.Error { return nil })
			body := &growing{
				Reader: bytes.NewReader(random(maxSmall + 9)),
				after:  map[string]int{"when_required": 1}[setting],
			}
			if _, err := s.Put(t.Context(), artifacts.Object{Key: "k", Body: body, Size: maxSmall + 9}); err == nil {
				t.Error("it was stored")
			}
			if keys := b.Keys(t); len(keys) > 0 {
				t.Errorf("there is %q", keys)
			}
		})
	}
}

// growing is a body that has one byte more than announced, once it was read so many times from the beginning.
type growing struct {
	*bytes.Reader
	after, reads int
	extra        sync.Once
}

func (g *growing) Read(p []byte) (n int, err error) {
	if n, err = g.Reader.Read(p); n == 0 && err != nil {
		if g.reads++; g.reads > g.after {
			g.extra.Do(func() { n, err = 1, nil })
		}
	}
	return n, err
}

// The region that S3 names is followed, for requests of each kind as the first.
func TestRegionOfTheBucketIsFollowed(t *testing.T) {
	const region = "eu-west-1"
	elsewhere := func(status int) refusal {
		return func(r *http.Request) *s3test.Error {
			if strings.Contains(r.Header.Get("Authorization"), "/"+region+"/s3/") {
				return nil
			}
			code := map[int]string{301: "PermanentRedirect", 400: "AuthorizationHeaderMalformed"}[status]
			return &s3test.Error{Status: status, Code: code, Message: "the bucket is elsewhere"}
		}
	}
	large := random(maxStreamed + 9)
	for name, operation := range map[string]func(t *testing.T, s *Store) error{
		"a small object": func(t *testing.T, s *Store) error {
			_, err := s.Put(t.Context(), artifactstest.Object("k", "v"))
			return err
		},
		"an object of medium size": func(t *testing.T, s *Store) error {
			_, err := s.Put(t.Context(), artifacts.Object{Key: "k", Body: bytes.NewReader(large[:maxSmall+9]), Size: maxSmall + 9})
			return err
		},
		"a large object": func(t *testing.T, s *Store) error {
			_, err := s.Put(t.Context(), artifacts.Object{Key: "k", Body: bytes.NewReader(large), Size: int64(len(large))})
			if err == nil && !bytes.Equal(readAll(t, s, "k"), large) {
				t.Error("what is stored is not what was sent")
			}
			return err
		},
		"a listing": func(t *testing.T, s *Store) error {
			for _, err := range s.List(t.Context(), "") {
				return err
			}
			return nil
		},
		"a deletion": func(t *testing.T, s *Store) error { return s.Delete(t.Context(), "a", "b") },
		"a sweep":    func(t *testing.T, s *Store) error { return s.Sweep(t.Context(), "builds/") },
		"a set": func(t *testing.T, s *Store) error {
			dir := artifactstest.Many(30, "x").Dir(t)
			_, err := artifacts.Publish(t.Context(), s, artifacts.Set{Kind: "builds", Ref: main1, Dir: dir})
			return err
		},
	} {
		for _, status := range []int{301, 400} {
			t.Run(fmt.Sprintf("%s, %d", name, status), func(t *testing.T) {
				refuse := elsewhere(status)
				s := inFront(t, s3test.Buckets(t)[0], Options{}, refuse)
				s.config.HTTPClient.(*http.Client).Transport = regionHeader{
					s.config.HTTPClient.(*http.Client).Transport,
					region,
				}
				artifactstest.Must(t, operation(t, s))
				if got := s.rest.address.Load().region; got != region {
					t.Errorf("the region is %s", got)
				}
			})
		}
	}
	t.Run("a region that cannot be one is not followed", func(t *testing.T) {
		s := inFront(t, s3test.Buckets(t)[0], Options{}, elsewhere(301))
		s.config.HTTPClient.(*http.Client).Transport = regionHeader{
			s.config.HTTPClient.(*http.Client).Transport,
			"evil.example/",
		}
		if _, err := s.Put(t.Context(), artifactstest.Object("k", "v")); err == nil {
			t.Error("no error")
		}
	})
	t.Run("the endpoint is that of the region", func(t *testing.T) {
		s, err := New(t.Context(), aws.Config{Region: "us-east-1"}, "bucket", "", Options{})
		artifactstest.Must(t, err)
		artifactstest.Must(t, s.follow(t.Context(), region))
		if a := s.rest.address.Load(); a.endpoint.Host != "bucket.s3.eu-west-1.amazonaws.com" || a.region != region {
			t.Errorf("%+v", a)
		}
	})
}

// regionHeader adds the bucket's region to error responses, as S3 does.
type regionHeader struct {
	http.RoundTripper
	region string
}

func (h regionHeader) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := h.RoundTripper.RoundTrip(r)
	if err == nil && response.StatusCode/100 != 2 {
		response.Header.Set("X-Amz-Bucket-Region", h.region)
	}
	return response, err
}
