package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/keys"
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
	_, err := artifacts.Fetch(t.Context(), s, "builds", artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}, out, artifacts.FetchOptions{})
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

// What has arrived is not asked for again.
func TestFetchResumes(t *testing.T) {
	s, proxy := behind(t)
	set := artifacts.Set{
		Kind: "builds",
		Ref:  artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1},
		Dir:  artifactstest.Many(40, "x").Dir(t),
	}
	artifactstest.Publish(t, s, set)
	out := t.TempDir()
	proxy.Add(
		s3test.Rule{Operation: "GetObject", Key: "builds/**", Skip: 25, Fault: s3test.Respond(s3test.InternalError)},
	)
	if _, err := artifacts.Fetch(t.Context(), s, "builds", set.Ref, out, artifacts.FetchOptions{}); err == nil {
		t.Fatal("it is fetched")
	}
	artifactstest.Equal(t, "what is seen", artifactstest.Read(t, out).Without(keys.Partial), artifactstest.Files{})
	proxy.RemoveRules()
	proxy.ClearSeen()
	_, err := artifacts.Fetch(t.Context(), s, "builds", set.Ref, out, artifacts.FetchOptions{})
	artifactstest.Must(t, err)
	artifactstest.Equal(t, "fetched", artifactstest.Read(t, out), artifactstest.Many(40, "x"))
	if n := len(s3test.Only("GetObject", proxy.Seen())); n > 1+40-10 {
		t.Errorf("%d requests for the rest of 40 files", n)
	}
}

func TestFetchResumesWithinAFile(t *testing.T) {
	bucket := s3test.Buckets(t)[0]
	proxy := s3test.NewProxy(t, bucket.Endpoint)
	s := storeAt(t, proxy.URL, bucket.Name, time.Minute)
	dir := t.TempDir()
	large := random(5 * partSize)
	artifactstest.Must(t, os.WriteFile(filepath.Join(dir, "large"), large, 0o755))
	set := artifacts.Set{Kind: "builds", Ref: artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}, Dir: dir}
	artifactstest.Publish(t, s, set)
	proxy.Add(
		s3test.Rule{Operation: "GetObject", Key: "builds/**", Skip: 3, Fault: s3test.Respond(s3test.InternalError)},
	)
	out := t.TempDir()
	if _, err := artifacts.Fetch(t.Context(), s, "builds", set.Ref, out, artifacts.FetchOptions{}); err == nil {
		t.Fatal("it is fetched")
	}
	proxy.RemoveRules()
	proxy.ClearSeen()
	_, err := artifacts.Fetch(t.Context(), s, "builds", set.Ref, out, artifacts.FetchOptions{})
	artifactstest.Must(t, err)
	if got, err := os.ReadFile(filepath.Join(out, "large")); err != nil || !bytes.Equal(got, large) {
		t.Errorf("it is not the file: %v", err)
	}
	if info, err := os.Stat(filepath.Join(out, "large")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if n := len(s3test.Only("GetObject", proxy.Seen())); n > 1+4 {
		t.Errorf("%d requests for the manifest and what was missing of 5 parts", n)
	}
}

func TestFullDiskEndsAFetch(t *testing.T) {
	small := artifactstest.MountTmpfs(t, "100k")
	s, _ := behind(t)
	set := artifacts.Set{
		Kind: "builds",
		Ref:  artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1},
		Dir:  artifactstest.Files{"big": strings.Repeat("x", 60<<10), "big2": strings.Repeat("y", 60<<10)}.Dir(t),
	}
	artifactstest.Publish(t, s, set)
	_, err := artifacts.Fetch(t.Context(), s, "builds", set.Ref, filepath.Join(small, "out"), artifacts.FetchOptions{})
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "is full") {
		t.Errorf("%v", err)
	}
	artifactstest.Equal(t, "left", artifactstest.Read(t, filepath.Join(small, "out")), artifactstest.Files{})
}

func TestTwentyThousandFiles(t *testing.T) {
	s, proxy := counted(t)
	dir := artifactstest.Many(20_000, "x").Dir(t)
	set := artifacts.Set{Kind: "builds", Ref: artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}, Dir: dir}
	p := artifactstest.Publish(t, s, set)
	if p.Uploaded != 20_000 || len(p.Manifest.Files) != 20_000 {
		t.Errorf("%+v", p.Counts)
	}
	proxy.Reset()
	p = artifactstest.Publish(t, s, set)
	if n := proxy.Counters().Requests; p.Unchanged != 20_000 || n > 3 {
		t.Errorf("%+v in %d requests", p.Counts, n)
	}
	for i := range 200 {
		artifactstest.Must(
			t,
			os.Remove(filepath.Join(dir, "lib", fmt.Sprintf("%02d", i%37), fmt.Sprintf("file-%04d.html", i))),
		)
	}
	proxy.Reset()
	p = artifactstest.Publish(t, s, set)
	if n := proxy.Counters().Requests; p.Removed != 200 || p.Uploaded != 0 || n > 20 {
		t.Errorf("%+v in %d requests", p.Counts, n)
	}
}

// counted is a store in a server of no account, in a versioned bucket as the cluster's is.
func counted(t testing.TB) (*Store, *s3test.Null) {
	null := &s3test.Null{Versioned: true}
	return storeAt(t, null.Start(t), "bucket", time.Minute), null
}

func TestAFileOfFiveGibibytes(t *testing.T) {
	s, null := counted(t)
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "image"))
	artifactstest.Must(t, err)
	artifactstest.Must(t, f.Truncate(5<<30))
	artifactstest.Must(t, f.Close())
	p := artifactstest.Publish(
		t,
		s,
		artifacts.Set{Kind: "builds", Ref: artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}, Dir: dir},
	)
	const want = "7f06c62352aebd8125b2a1841e2b9e1ffcbed602f381c3dcb3200200e383d1d5" // sha256sum of it
	if f := p.Manifest.Files[0]; f.SHA256 != want || f.Size != 5<<30 {
		t.Errorf("%+v", f)
	}
	if c := null.Counters(); c.Operations["UploadPart"] != 5<<30/partSize || c.Received < 5<<30 {
		t.Errorf("%+v", c)
	}
}

// What a bucket asks of its objects is on each of them, however it is sent.
func TestObjectsHaveTheRequestedSettings(t *testing.T) {
	s, proxy := behind(t)
	s.options = Options{
		Encryption:   "aws:kms",
		KMSKey:       "alias/ci",
		StorageClass: "STANDARD_IA",
		Tags:         "team=web",
		BucketOwner:  "123456789012",
	}
	for name, put := range map[string]struct {
		size      int
		streams   bool
		operation string
	}{
		"small": {10, false, "PutObject"}, "streamed": {maxSmall + 1, true, "PutObject"}, "in parts": {maxSmall + partSize, false, "CreateMultipartUpload"},
	} {
		t.Run(name, func(t *testing.T) {
			proxy.ClearSeen()
			s.streaming = put.streams
			artifactstest.Put(
				t,
				s,
				artifacts.Object{
					Key:          "k",
					Body:         bytes.NewReader(make([]byte, put.size)),
					Size:         int64(put.size),
					Type:         "text/css",
					CacheControl: "no-cache",
				},
			)
			h := s3test.Only(put.operation, proxy.Seen())[0].Header
			for header, want := range map[string]string{
				"X-Amz-Server-Side-Encryption": "aws:kms", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "alias/ci", "X-Amz-Storage-Class": "STANDARD_IA",
				"X-Amz-Tagging": "team=web", "X-Amz-Expected-Bucket-Owner": "123456789012", "Content-Type": "text/css", "Cache-Control": "no-cache",
			} {
				if got := h.Get(header); got != want {
					t.Errorf("%s is %q, want %q", header, got, want)
				}
			}
		})
	}
}
