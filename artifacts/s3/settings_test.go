package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/s3test"
)

// The REST client's endpoints, regions and service names are the SDK's own, for every combination of its settings.
func TestEndpointsAreThoseOfTheSDK(t *testing.T) {
	buckets := []string{
		"bucket", "my.dotted.bucket", "my-point-abcdefghijklmnopqrstuvwxyz1use1a-s3alias",
		"my-point-o01234567890123456abcdefghijklmnopqrstuvwxyz1use1a--op-s3",
	}
	regions := []string{
		"us-east-1", "eu-west-1", "cn-north-1", "us-gov-west-1", "eusc-de-east-1", "us-iso-east-1", "aws-global", "mars-1",
	}
	settings := []map[string]string{
		{},
		{"AWS_USE_FIPS_ENDPOINT": "true"},
		{"AWS_USE_DUALSTACK_ENDPOINT": "true"},
		{"AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "true"},
		{"AWS_ENDPOINT_URL": "http://127.0.0.1:9000"},
		{"AWS_ENDPOINT_URL_S3": "https://s3.example.com/base", "AWS_ENDPOINT_URL": "http://127.0.0.1:9000"},
		{"AWS_ENDPOINT_URL_S3": "https://s3.example.com", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
		{"AWS_S3_DISABLE_MULTIREGION_ACCESS_POINTS": "true"},
		{"AWS_ACCOUNT_ID": "123456789012", "AWS_ACCOUNT_ID_ENDPOINT_MODE": "required"},
	}
	noUserSettings(t)
	compared := 0
	for _, setting := range settings {
		t.Run(fmt.Sprint(setting), func(t *testing.T) {
			for name, value := range setting {
				t.Setenv(name, value)
			}
			for _, region := range regions {
				for _, bucket := range buckets {
					compared++
					compareEndpoint(t, region, bucket)
				}
			}
		})
	}
	t.Logf("%d combinations", compared)
}

// noUserSettings keeps the user's AWS configuration out of a test.
func noUserSettings(t *testing.T) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

func compareEndpoint(t *testing.T, region, bucket string) {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithRegion(region),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("AKID", "secret", "")))
	artifactstest.Must(t, err)
	s, ours := New(t.Context(), cfg, bucket, "", Options{})
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = o.BaseEndpoint != nil })
	signed, theirs := s3.NewPresignClient(client).PresignGetObject(t.Context(),
		&s3.GetObjectInput{Bucket: &bucket, Key: aws.String("a key/ü")})
	if ours != nil || theirs != nil {
		if (ours == nil) != (theirs == nil) {
			t.Errorf("%s %s: error %v, the SDK's is %v", region, bucket, ours, theirs)
		}
		return
	}
	link, _, err := s.Presign(t.Context(), "a key/ü", MaxPresign)
	artifactstest.Must(t, err)
	got, err := url.Parse(link)
	artifactstest.Must(t, err)
	want, err := url.Parse(signed.URL)
	artifactstest.Must(t, err)
	if got.Scheme != want.Scheme || got.Host != want.Host || got.EscapedPath() != want.EscapedPath() {
		t.Errorf("%s %s: %s://%s%s, the SDK's is %s://%s%s", region, bucket,
			got.Scheme, got.Host, got.EscapedPath(), want.Scheme, want.Host, want.EscapedPath())
	}
	if g, w := scope(got), scope(want); g != w {
		t.Errorf("%s %s: signed for %s, the SDK's for %s", region, bucket, g, w)
	}
}

// scope is the region and the service that a URL is signed for.
func scope(u *url.URL) string {
	parts := strings.Split(u.Query().Get("X-Amz-Credential"), "/")
	return strings.Join(parts[len(parts)-3:], "/")
}

func TestDirectoryBucketsAreRefused(t *testing.T) {
	var refused *artifacts.LocationError
	_, err := New(t.Context(), aws.Config{Region: "us-east-1"}, "name--use1-az4--x-s3", "", Options{})
	if !errors.As(err, &refused) || refused.Hint() == "" {
		t.Error(err)
	}
}

// Attempts are those of the SDK's setting, and as many as ours without it.
func TestAttempts(t *testing.T) {
	for setting, want := range map[string]int{"": maxAttempts, "1": 1, "3": 3} {
		for _, fault := range []s3test.Error{s3test.InternalError, s3test.SlowDown} {
			if setting == "" && fault.Code == "SlowDown" {
				continue // for three minutes
			}
			t.Run(setting+" "+fault.Code, func(t *testing.T) {
				noUserSettings(t)
				t.Setenv("AWS_MAX_ATTEMPTS", setting)
				null := &s3test.Null{}
				proxy := s3test.NewProxy(t, null.Start(t), s3test.Rule{Fault: s3test.Respond(fault)})
				s := fromEnvironment(t, proxy.URL)
				if _, err := s.Put(t.Context(), artifactstest.Object("k", "v")); err == nil {
					t.Error("no error")
				}
				if n := len(proxy.Seen()); n != want {
					t.Errorf("%d attempts, want %d", n, want)
				}
			})
		}
	}
}

func fromEnvironment(t *testing.T, endpoint string) *Store {
	t.Helper()
	t.Setenv("AWS_ENDPOINT_URL", endpoint)
	t.Setenv("AWS_REGION", s3test.Region)
	t.Setenv("AWS_ACCESS_KEY_ID", s3test.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", s3test.SecretAccessKey)
	s, err := openBucket("s3://bucket", Options{})
	artifactstest.Must(t, err)
	return s
}

// A certificate authority of AWS_CA_BUNDLE is trusted, and the error without it names the variable.
func TestCABundle(t *testing.T) {
	noUserSettings(t)
	server := httptest.NewTLSServer(&s3test.Null{})
	t.Cleanup(server.Close)
	s := fromEnvironment(t, server.URL)
	_, err := s.Put(t.Context(), artifactstest.Object("k", "v"))
	if err == nil || !strings.Contains(hintOf(err), "AWS_CA_BUNDLE") {
		t.Errorf("%v, hint %q", err, hintOf(err))
	}
	authority, err := s3test.NewAuthority()
	artifactstest.Must(t, err)
	server.TLS.Certificates[0] = authority.Server
	bundle := filepath.Join(t.TempDir(), "bundle.pem")
	artifactstest.Must(t, os.WriteFile(bundle, authority.Bundle, 0o600))
	t.Setenv("AWS_CA_BUNDLE", bundle)
	artifactstest.Put(t, fromEnvironment(t, server.URL), artifactstest.Object("k", "v"))
}

// proxied makes the test binary store an object through the proxy of its environment, which net/http reads once.
const proxied = "ARTIFACTS_TEST_PROXIED"

func TestProxyOfTheEnvironment(t *testing.T) {
	if os.Getenv(proxied) != "" {
		s, err := openBucket("s3://bucket", Options{})
		artifactstest.Must(t, err)
		artifactstest.Put(t, s, artifactstest.Object("k", "v"))
		large := bytes.NewReader(random(maxStreamed + 9))
		artifactstest.Put(t, s, artifacts.Object{Key: "large", Body: large, Size: large.Size()})
		return
	}
	null := &s3test.Null{KeepSmall: true}
	var mu sync.Mutex
	hosts := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		hosts[r.Host] = true
		mu.Unlock()
		null.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProxyOfTheEnvironment$")
	cmd.Env = append(
		os.Environ(),
		proxied+"=1",
		"HTTP_PROXY="+server.URL,
		"AWS_ENDPOINT_URL=http://s3.test.invalid",
		"AWS_REGION="+s3test.Region,
		"AWS_ACCESS_KEY_ID=a",
		"AWS_SECRET_ACCESS_KEY=b",
		"AWS_MAX_ATTEMPTS=1",
		"NO_PROXY=",
	)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(hosts) != 1 || !hosts["s3.test.invalid"] {
		t.Errorf("the proxy was asked for %v", hosts)
	}
}

// The account that must own the bucket is on every request, whatever sends it.
func TestEveryRequestNamesTheOwner(t *testing.T) {
	const owner = "123456789012"
	null := &s3test.Null{KeepSmall: true, Versioned: true}
	abort := s3test.Rule{Operation: "CompleteMultipartUpload", Skip: 1, Fault: s3test.Respond(s3test.AccessDenied)}
	proxy := s3test.NewProxy(t, null.Start(t), abort)
	s := storeAt(t, proxy.URL, "bucket", 0)
	s.options.BucketOwner = owner
	ctx := t.Context()
	put := func(size int) error {
		_, err := s.Put(ctx, artifacts.Object{Key: "k", Body: bytes.NewReader(random(size)), Size: int64(size)})
		return err
	}
	artifactstest.Must(t, put(9))
	artifactstest.Must(t, put(maxStreamed+9))
	if put(maxStreamed+9) == nil {
		t.Error("the upload should have failed")
	}
	s.streaming = true
	artifactstest.Must(t, put(maxSmall+9))
	artifactstest.Must(t, put(9))
	artifactstest.Get(t, s, "k")
	for range s.List(ctx, "") {
	}
	_, release, err := s.Lock(ctx, "name")
	artifactstest.Must(t, err)
	release()
	s.Examine(ctx)
	_ = s.Sweep(ctx, "")
	_ = s.SetTags(ctx, "k", "", map[string]string{"a": "b"})
	_, _ = s.Tags(ctx, "k")
	artifactstest.Must(t, s.Delete(ctx, "a", "b"))
	artifactstest.Must(t, s.Delete(ctx, "c\x01"))
	seen := map[string]bool{}
	for _, r := range proxy.Seen() {
		seen[r.Operation] = true
		if r.Header.Get("X-Amz-Expected-Bucket-Owner") != owner {
			t.Errorf("%s does not name the owner", r.Operation)
		}
	}
	for _, operation := range []string{
		"PutObject", "GetObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "AbortMultipartUpload",
		"ListObjectsV2", "GetBucketEncryption", "GetBucketVersioning", "GetBucketPolicy", "ListMultipartUploads",
		"GetObjectTagging", "DeleteObjects", "DeleteObject",
	} {
		if !seen[operation] {
			t.Errorf("%s was not sent", operation)
		}
	}
}

// Every key can be listed and deleted, also those that XML cannot hold, and nothing else is deleted for them.
func TestKeysThatXMLCannotHold(t *testing.T) {
	for _, b := range s3test.Buckets(t)[:3] {
		t.Run(b.Server, func(t *testing.T) {
			s := inBucket(t, b, "p")
			odd := []string{"c\x01", "tab\there", "<&>\"' +%2B", "ü\u0085\u2028", "k1", "k2"}
			if strings.HasPrefix(b.Server, "versitygw") { // moto has no route to others
				odd = append(odd, "line\nhere", "return\rhere")
			}
			for _, key := range append(odd, "stays", "c\ufffd") {
				artifactstest.Put(t, s, artifactstest.Object(key, "v"))
			}
			if got := listed(t, s); len(got) != len(odd)+2 {
				t.Errorf("%q", got)
			}
			for _, key := range odd {
				if got := artifactstest.Get(t, s, key); got != "v" {
					t.Errorf("%q holds %q", key, got)
				}
			}
			artifactstest.Must(t, s.Delete(t.Context(), odd...))
			if got := listed(t, s); len(got) != 2 || got[0] != "c\ufffd" || got[1] != "stays" {
				t.Errorf("left: %q", got)
			}
		})
	}
}

func listed(t *testing.T, s *Store) (keys []string) {
	t.Helper()
	for e, err := range s.List(t.Context(), "") {
		artifactstest.Must(t, err)
		keys = append(keys, e.Key)
	}
	return keys
}

// A deletion that the response does not confirm is sent again by itself.
func TestUnconfirmedDeletionsAreRepeated(t *testing.T) {
	var single atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodPost:
			fmt.Fprint(w, `<DeleteResult><Deleted><Key>p/a</Key></Deleted></DeleteResult>`)
		case http.MethodDelete:
			if single.Add(1); r.URL.Path != "/bucket/p/b" {
				t.Errorf("%s is deleted", r.URL.Path)
			}
			w.WriteHeader(http.StatusNoContent)
		}
	}))
	t.Cleanup(server.Close)
	s := storeAt(t, server.URL, "bucket", 0)
	s.prefix = "p"
	artifactstest.Must(t, s.Delete(context.Background(), "a", "b"))
	if n := single.Load(); n != 1 {
		t.Errorf("%d single deletions", n)
	}
}
