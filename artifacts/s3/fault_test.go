package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/s3test"
)

// behind is a store in a server of no account, reached through a proxy that misbehaves by the rules.
func behind(t testing.TB, rules ...s3test.Rule) (*Store, *s3test.Proxy) {
	t.Helper()
	null := &s3test.Null{KeepSmall: true}
	proxy := s3test.NewProxy(t, null.Start(t), rules...)
	return storeAt(t, proxy.URL, "bucket", 2*time.Second), proxy
}

func storeAt(t testing.TB, endpoint, bucket string, stall time.Duration) *Store {
	t.Helper()
	s, err := New(t.Context(), aws.Config{
		Region: s3test.Region, BaseEndpoint: &endpoint,
		Credentials: aws.NewCredentialsCache(
			credentials.NewStaticCredentialsProvider(s3test.AccessKeyID, s3test.SecretAccessKey, ""),
		),
	}, bucket, "", Options{StallTimeout: stall})
	artifactstest.Must(t, err)
	return s
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// What passes by itself is waited for, and what was stored is whole.
func TestTransientFaultsAreRetried(t *testing.T) {
	large := random(2*partSize + 5)
	for _, tt := range []struct {
		name  string
		rules []s3test.Rule
	}{
		{"500 twice", []s3test.Rule{{Times: 2, Fault: s3test.Respond(s3test.InternalError)}}},
		{"slow down, for a third of all requests", []s3test.Rule{{Probability: 0.3, Seed: 7, Fault: s3test.Respond(s3test.SlowDown)}}},
		{"slow down before the body is read", []s3test.Rule{{Method: "PUT", Times: 3, Fault: s3test.RespondEarly(s3test.SlowDown)}}},
		{"a timeout on their side", []s3test.Rule{{Method: "PUT", Times: 2, Fault: s3test.Respond(s3test.RequestTimeout)}}},
		{"a reset in the middle of what is sent", []s3test.Rule{{Method: "PUT", Times: 2, Fault: s3test.ResetRequest(100)}}},
		{"a reset instead of the answer", []s3test.Rule{{Times: 2, Fault: s3test.ResetResponse(-1)}}},
		{"a reset in the middle of what arrives", []s3test.Rule{{Operation: "GetObject", Times: 2, Fault: s3test.ResetResponse(100)}}},
		{"an answer that is cut short", []s3test.Rule{{Operation: "GetObject", Times: 2, Fault: s3test.Truncate(1000)}}},
		{"no answer", []s3test.Rule{{Method: "PUT", Times: 1, Fault: s3test.Stall()}}},
		{"an answer that stops", []s3test.Rule{{Operation: "GetObject", Times: 1, Fault: s3test.StallResponse(1000)}}},
		{"a part that stops", []s3test.Rule{{Operation: "UploadPart", Times: 1, Fault: s3test.StallRequest(1000)}}},
		{"a clock that is wrong", []s3test.Rule{{Times: 1, Fault: s3test.Respond(s3test.TimeTooSkewed)}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := behind(t, tt.rules...)
			s.streaming = true
			for i := range 5 {
				body := bytes.Repeat([]byte{byte('a' + i)}, 3000)
				artifactstest.Put(t, s, artifacts.Object{Key: "small", Body: bytes.NewReader(body), Size: 3000})
				if !bytes.Equal(readAll(t, s, "small"), body) {
					t.Error("what is read is not what was stored")
				}
			}
			artifactstest.Put(
				t,
				s,
				artifacts.Object{Key: "streamed", Body: bytes.NewReader(large), Size: int64(len(large))},
			)
			s.streaming = false
			artifactstest.Put(
				t,
				s,
				artifacts.Object{Key: "large", Body: bytes.NewReader(large), Size: int64(len(large))},
			)
		})
	}
}

// The server keeps no large objects, so this one is moto.
func TestBrokenDownloadContinues(t *testing.T) {
	large := random(4*partSize + 5)
	for name, fault := range map[string]s3test.Fault{
		"reset": s3test.ResetResponse(partSize / 2), "cut short": s3test.Truncate(partSize - 1), "stalled": s3test.StallResponse(10), "500": s3test.Respond(s3test.InternalError),
	} {
		t.Run(name, func(t *testing.T) {
			bucket := s3test.Buckets(t)[0]
			proxy := s3test.NewProxy(t, bucket.Endpoint)
			s := storeAt(t, proxy.URL, bucket.Name, 2*time.Second)
			artifactstest.Put(
				t,
				s,
				artifacts.Object{Key: "large", Body: bytes.NewReader(large), Size: int64(len(large))},
			)
			proxy.Add(s3test.Rule{Operation: "GetObject", Skip: 1, Times: 3, Fault: fault})
			if !bytes.Equal(readAll(t, s, "large"), large) {
				t.Error("what is read is not what was stored")
			}
		})
	}
}

// S3 answers 404 for an object that does not exist to callers that may list the whole bucket, and 403 to all others.
func TestARefusedReadOfAMissingObjectIsOfAMissingObject(t *testing.T) {
	denied := s3test.Respond(s3test.AccessDenied)
	for name, c := range map[string]struct {
		key     string
		rules   []s3test.Rule
		missing bool
	}{
		"missing":               {"pr/5/a", []s3test.Rule{{Operation: "GetObject", Fault: denied}}, true},
		"there":                 {"pr/5/ab", []s3test.Rule{{Operation: "GetObject", Fault: denied}}, false},
		"missing, not to list":  {"pr/5/a", []s3test.Rule{{Fault: denied}}, false},
		"beginning of two keys": {"pr/5", []s3test.Rule{{Operation: "GetObject", Fault: denied}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			bucket := s3test.Buckets(t)[0]
			proxy := s3test.NewProxy(t, bucket.Endpoint)
			s := storeAt(t, proxy.URL, bucket.Name, 2*time.Second)
			for _, key := range []string{"pr/5/ab", "pr/5/abc"} {
				artifactstest.Put(t, s, artifacts.Object{Key: key, Body: strings.NewReader("x"), Size: 1})
			}
			for _, r := range c.rules {
				proxy.Add(r)
			}
			_, _, loaded := s.Load(t.Context(), c.key)
			_, got := s.Get(t.Context(), c.key)
			for _, err := range []error{loaded, got} {
				var refused *artifacts.StoreError
				if errors.Is(err, fs.ErrNotExist) != c.missing || !c.missing && (!errors.As(err, &refused) || !refused.Denied) {
					t.Error(err)
				}
			}
		})
	}
}

func TestPermanentFaultsFailWithAHint(t *testing.T) {
	for _, tt := range []struct {
		name       string
		fault      s3test.Fault
		want, hint string
		requests   int
	}{
		{"denied", s3test.Respond(s3test.AccessDenied), "AccessDenied", "s3:PutObject on arn:aws:s3:::bucket/*", 1},
		{"expired", s3test.Respond(s3test.ExpiredToken), "ExpiredToken", "expired", 2},
		{"no bucket", s3test.Respond(s3test.Error{Status: 404, Code: "NoSuchBucket", Message: "The specified bucket does not exist"}), "NoSuchBucket", "create the bucket bucket", 1},
		{"a corrupted upload", s3test.FlipRequest(5), "", "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, proxy := behind(t, s3test.Rule{Method: "PUT", Fault: tt.fault})
			_, err := s.Put(t.Context(), artifactstest.Object("key", "some text"))
			if tt.want == "" {
				t.Log(err) // the server of no account does not look
				return
			}
			var store *artifacts.StoreError
			var hinted interface{ Hint() string }
			if !errors.As(err, &store) || store.Retryable() || !strings.Contains(err.Error(), tt.want) ||
				!strings.Contains(err.Error(), "put key in s3://bucket") {
				t.Errorf("%v", err)
			}
			if !errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), tt.hint) {
				t.Errorf("hint of %v", err)
			}
			if n := len(proxy.Seen()); n != tt.requests {
				t.Errorf("%d requests, want %d", n, tt.requests)
			}
		})
	}
}

// turning is a role whose credentials are renewed.
type turning struct{ asked int }

func (r *turning) Retrieve(context.Context) (aws.Credentials, error) {
	r.asked++
	return aws.Credentials{
		AccessKeyID:     s3test.AccessKeyID,
		SecretAccessKey: s3test.SecretAccessKey,
		CanExpire:       true,
		Expires:         time.Now().Add(time.Hour),
	}, nil
}

func TestExpiredCredentialsAreRenewed(t *testing.T) {
	null := &s3test.Null{KeepSmall: true}
	proxy := s3test.NewProxy(
		t,
		null.Start(t),
		s3test.Rule{Skip: 3, Times: 1, Fault: s3test.Respond(s3test.ExpiredToken)},
	)
	role := &turning{}
	s, err := New(
		t.Context(),
		aws.Config{Region: s3test.Region, BaseEndpoint: &proxy.URL, Credentials: aws.NewCredentialsCache(role)},
		"bucket",
		"",
		Options{},
	)
	artifactstest.Must(t, err)
	for range 8 {
		artifactstest.Put(t, s, artifactstest.Object("key", "text"))
	}
	if role.asked != 2 {
		t.Errorf("the role was asked %d times", role.asked)
	}
}

// Nothing that is stopped leaves parts to be paid for.
func TestFailedUploadIsAborted(t *testing.T) {
	for name, do := range map[string]func(t *testing.T, ctx context.Context, cancel func(), o artifacts.Object) (artifacts.Object, s3test.Rule){
		"cancelled": func(t *testing.T, ctx context.Context, cancel func(), o artifacts.Object) (artifacts.Object, s3test.Rule) {
			o.Body = &trigger{ReadSeeker: o.Body, at: partSize + 1, do: cancel}
			return o, s3test.Rule{Operation: "none", Fault: s3test.Stall()}
		},
		"the body fails": func(t *testing.T, ctx context.Context, cancel func(), o artifacts.Object) (artifacts.Object, s3test.Rule) {
			o.Size += 10
			return o, s3test.Rule{Operation: "none", Fault: s3test.Stall()}
		},
		"the body is longer": func(t *testing.T, ctx context.Context, cancel func(), o artifacts.Object) (artifacts.Object, s3test.Rule) {
			o.Size -= 10
			return o, s3test.Rule{Operation: "none", Fault: s3test.Stall()}
		},
		"denied at the second part": func(t *testing.T, ctx context.Context, cancel func(), o artifacts.Object) (artifacts.Object, s3test.Rule) {
			return o, s3test.Rule{Operation: "UploadPart", Skip: 1, Fault: s3test.Respond(s3test.AccessDenied)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			large := random(3 * partSize)
			o, rule := do(
				t,
				ctx,
				cancel,
				artifacts.Object{Key: "large", Body: bytes.NewReader(large), Size: int64(len(large))},
			)
			s, proxy := behind(t, rule)
			if _, err := s.Put(ctx, o); err == nil {
				t.Fatal("it is stored")
			}
			count := proxy.Count()
			if count["CreateMultipartUpload"] != 1 || count["AbortMultipartUpload"] == 0 ||
				count["CompleteMultipartUpload"] != 0 {
				t.Errorf("%v", count)
			}
		})
	}
}

// trigger does something when so much has been read.
type trigger struct {
	io.ReadSeeker
	at int
	do func()
}

func (r *trigger) Read(p []byte) (int, error) {
	n, err := r.ReadSeeker.Read(p)
	if r.at -= n; r.at <= 0 && r.do != nil {
		r.do()
		r.do = nil
	}
	return n, err
}

func TestPublishSurvivesThrottling(t *testing.T) {
	s, proxy := behind(t, s3test.Rule{Method: "PUT", Probability: 0.5, Seed: 3, Fault: s3test.Respond(s3test.SlowDown)})
	dir := artifactstest.Many(200, "x").Dir(t)
	p := artifactstest.Publish(
		t,
		s,
		artifacts.Set{Kind: "builds", Ref: artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}, Dir: dir},
	)
	if p.Uploaded != 200 {
		t.Errorf("%+v", p.Counts)
	}
	t.Log(proxy.Count())
}

func TestCorruptDownloadIsRefused(t *testing.T) {
	s, proxy := behind(t)
	dir := artifactstest.Files{"a": strings.Repeat("a", 5000), "b": "b"}.Dir(t)
	artifactstest.Publish(
		t,
		s,
		artifacts.Set{Kind: "builds", Ref: artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}, Dir: dir},
	)
	proxy.Add(s3test.Rule{Operation: "GetObject", Key: "builds/**/a", Fault: s3test.Flip(4000)})
	out := t.TempDir()
	_, err := artifacts.Fetch(
		t.Context(),
		s,
		"builds",
		artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1},
		out,
		artifacts.FetchOptions{},
	)
	var corrupt *artifacts.CorruptError
	if !errors.As(err, &corrupt) || corrupt.Path != "a" {
		t.Errorf("%v", err)
	}
	artifactstest.Equal(t, "fetched", artifactstest.Read(t, out), artifactstest.Files{})
	problems, err := artifacts.Verify(t.Context(), s, "builds", artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1})
	if err != nil || len(problems) != 1 || problems[0].Path != "a" {
		t.Errorf("%v, %v", problems, err)
	}
}
