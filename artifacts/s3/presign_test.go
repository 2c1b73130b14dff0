package s3

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/artifactstest"
)

// follow requests a URL without credentials.
func follow(t *testing.T, link string) (status int, kind, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, link, nil)
	artifactstest.Must(t, err)
	answer, err := http.DefaultClient.Do(request)
	artifactstest.Must(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	artifactstest.Must(t, err)
	return answer.StatusCode, answer.Header.Get("Content-Type"), string(text)
}

func TestPresignedURLNeedsNoCredentials(t *testing.T) {
	everyBucket(t, func(t *testing.T, s *Store, _ *s3.Client) {
		for _, key := range []string{"runs/main/0123/test/1/report.html", "runs/a b+c%d/ünï/it's.html"} {
			_, err := s.Put(
				t.Context(),
				artifacts.Object{
					Key:  key,
					Body: bytes.NewReader([]byte("<p>red")),
					Size: 6,
					Type: "text/html; charset=utf-8",
				},
			)
			artifactstest.Must(t, err)
			link, until, err := s.Presign(t.Context(), key, time.Hour)
			artifactstest.Must(t, err)
			if left := time.Until(until); left > time.Hour || left < 50*time.Minute {
				t.Errorf("it lasts until %s, in %s", until, left)
			}
			if status, kind, body := follow(t, link); status != 200 || body != "<p>red" ||
				kind != "text/html; charset=utf-8" {
				t.Errorf("%s: %d %s %q", key, status, kind, body)
			}
		}
	})
}

// Only versitygw checks what is signed, moto lets everybody in.
func TestPresignedURLIsLimited(t *testing.T) {
	everyBucket(t, func(t *testing.T, s *Store, _ *s3.Client) {
		if !strings.Contains(t.Name(), "versity") {
			return
		}
		for _, key := range []string{"runs/a/report.html", "runs/b/report.html"} {
			_, err := s.Put(
				t.Context(),
				artifacts.Object{Key: key, Body: strings.NewReader(key), Size: int64(len(key))},
			)
			artifactstest.Must(t, err)
		}
		link, _, err := s.Presign(t.Context(), "runs/a/report.html", time.Hour)
		artifactstest.Must(t, err)
		for what, broken := range map[string]string{
			"another object":  strings.Replace(link, "/a/", "/b/", 1),
			"no signature":    strings.Split(link, "?")[0],
			"a signature's 0": link[:strings.Index(link, "X-Amz-Signature=")+len("X-Amz-Signature=")] + strings.Repeat("0", 64),
		} {
			if status, _, body := follow(t, broken); broken == link || status != 403 {
				t.Errorf("%s: %d %s", what, status, body)
			}
		}
		s.rest.skew.Store(int64(-2 * time.Hour)) // it was signed two hours ago
		old, _, err := s.Presign(t.Context(), "runs/a/report.html", time.Hour)
		artifactstest.Must(t, err)
		if status, _, body := follow(t, old); status != 403 {
			t.Errorf("an hour after its end: %d %s", status, body)
		}
	})
}

func TestPresignedURLExpiresWithItsCredentials(t *testing.T) {
	soon := time.Now().Add(40 * time.Minute)
	for _, c := range []struct {
		name        string
		credentials aws.Credentials
		validFor    time.Duration
		want        time.Duration
		token       string
	}{
		{"a key of a user", aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, time.Hour, time.Hour, ""},
		{"a week is the most there is", aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, 1000 * time.Hour, MaxPresign, ""},
		{"a role's, which end", aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b", SessionToken: "t/k+n", CanExpire: true, Expires: soon}, MaxPresign, 40 * time.Minute, "t/k+n"},
		{"a role's, which outlive it", aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b", SessionToken: "t", CanExpire: true, Expires: soon}, time.Minute, time.Minute, "t"},
	} {
		s, err := New(
			t.Context(),
			aws.Config{
				Region: "eu-west-1",
				Credentials: aws.CredentialsProviderFunc(
					func(context.Context) (aws.Credentials, error) { return c.credentials, nil },
				),
			},
			"bucket",
			"p",
			Options{BucketOwner: "123456789012"},
		)
		artifactstest.Must(t, err)
		link, until, err := s.Presign(t.Context(), "runs/a.html", c.validFor)
		artifactstest.Must(t, err)
		u, err := url.Parse(link)
		artifactstest.Must(t, err)
		lasts, err := time.ParseDuration(u.Query().Get("X-Amz-Expires") + "s")
		artifactstest.Must(t, err)
		if off := c.want - lasts; off < 0 || off > 2*time.Second || time.Until(until) > c.want {
			t.Errorf("%s: it lasts %s, until %s, want %s", c.name, lasts, until, c.want)
		}
		if u.Host != "bucket.s3.eu-west-1.amazonaws.com" || u.Path != "/p/runs/a.html" ||
			u.Query().Get("X-Amz-SignedHeaders") != "host" ||
			u.Query().Get("X-Amz-Security-Token") != c.token {
			t.Errorf("%s: %s", c.name, link) // of nothing but the host: a browser sends no header of ours
		}
	}
}

func TestPresignFailsWithoutCredentials(t *testing.T) {
	s, err := New(
		t.Context(),
		aws.Config{
			Region: "eu-west-1",
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{}, io.ErrUnexpectedEOF
			}),
		},
		"bucket",
		"",
		Options{},
	)
	artifactstest.Must(t, err)
	if link, _, err := s.Presign(t.Context(), "a", time.Hour); err == nil || link != "" {
		t.Errorf("%q, %v", link, err)
	}
	if _, _, err := s.Presign(t.Context(), "../a", time.Hour); err == nil {
		t.Error("a key that leads out has a link")
	}
}

// versitygw lets the time be changed for which a link is valid, so what is signed is computed here once more, by AWS's
// description: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
func TestPresignedURLSignature(t *testing.T) {
	const secret = "b/secret"
	s, err := New(
		t.Context(),
		aws.Config{
			Region: "eu-west-1",
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: "a", SecretAccessKey: secret, SessionToken: "t/k+n="}, nil
			}),
		},
		"bucket",
		"",
		Options{},
	)
	artifactstest.Must(t, err)
	link, _, err := s.Presign(t.Context(), "runs/a.html", time.Hour)
	artifactstest.Must(t, err)
	signature := func(link string) string {
		u, err := url.Parse(link)
		artifactstest.Must(t, err)
		query := u.Query()
		query.Del("X-Amz-Signature")
		request := strings.Join(
			[]string{
				"GET",
				u.EscapedPath(),
				strings.ReplaceAll(query.Encode(), "+", "%20"),
				"host:" + u.Host + "\n",
				"host",
				"UNSIGNED-PAYLOAD",
			},
			"\n",
		)
		sum := sha256.Sum256([]byte(request))
		at := query.Get("X-Amz-Date")
		scope := at[:8] + "/eu-west-1/s3/aws4_request"
		key := []byte("AWS4" + secret)
		for _, part := range []string{at[:8], "eu-west-1", "s3", "aws4_request", strings.Join([]string{"AWS4-HMAC-SHA256", at, scope, hex.EncodeToString(sum[:])}, "\n")} {
			mac := hmac.New(sha256.New, key)
			mac.Write([]byte(part))
			key = mac.Sum(nil)
		}
		return hex.EncodeToString(key)
	}
	_, signed, _ := strings.Cut(link, "X-Amz-Signature=")
	if got := signature(link); got != signed {
		t.Errorf("%s has the signature %s by AWS's description", link, got)
	}
	if longer := strings.Replace(link, "X-Amz-Expires=3600", "X-Amz-Expires=7200", 1); longer == link ||
		signature(longer) == signed {
		t.Error("how long the link is valid is not signed")
	}
}
