package secrets

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/carlin-cicd/runner/runner/awsjson"
	"github.com/carlin-cicd/runner/steps/reference"
)

func TestAServiceThatDoesNotRespondTimesOut(t *testing.T) {
	done := make(chan struct{})
	r, count := fake(t, func(string, object) (int, any) {
		<-done
		return http.StatusOK, nil
	})
	t.Cleanup(func() { close(done) }) // before the server waits for its handlers
	r.attemptTimeout = 20 * time.Millisecond
	_, err := resolve(t, r, map[string]string{"A": "secretsmanager:a"})
	f := problems(t, err)["A"]
	if !strings.Contains(f.Problem, "did not respond within 20ms") ||
		!strings.Contains(f.Advice, "VPC endpoint of secretsmanager") ||
		!f.Retryable() {
		t.Errorf("%s (%s)", f.Problem, f.Advice)
	}
	if asked := count.take(); asked["GetSecretValue"] != awsjson.MaxTimeouts {
		t.Errorf("asked for %v", asked)
	}
}

func TestAnIncompleteResponseIsRetried(t *testing.T) {
	var asked atomic.Int32
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		switch asked.Add(1) {
		case 1: // half an answer, then nothing
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(`{"SecretString":"half`))
			w.(http.Flusher).Flush()
			<-done
		case 2: // half an answer, then the end
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(`{"SecretString":"half`))
		case 3: // no answer
			panic(http.ErrAbortHandler)
		default:
			_, _ = w.Write([]byte(`{"SecretString":"whole"}`))
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(done) })
	r := fixed(server.URL)
	r.attemptTimeout = 100 * time.Millisecond
	resolved, err := resolve(t, r, map[string]string{"A": "secretsmanager:a"})
	if got := values(resolved); err != nil || got["A"] != "whole" {
		t.Errorf("%q, %v", got, err)
	}
}

// fixed returns a resolver for an address.
func fixed(url string) *Resolver {
	return &Resolver{
		maxBackoff: time.Millisecond,
		LoadConfig: func(context.Context) (aws.Config, error) {
			return aws.Config{
				Region:       "eu-west-1",
				BaseEndpoint: aws.String(url),
				Credentials:  credentials.NewStaticCredentialsProvider("A", "B", ""),
			}, nil
		},
	}
}

func TestAnInvalidResponseIsNeitherAcceptedNorQuoted(t *testing.T) {
	for text, want := range map[string]string{
		`{"SecretString":"hunter2`:                    "the response is not valid JSON",
		"<html>hunter2, log in to the hotel's</html>": "the response is not valid JSON",
		`{"Hunter2":"hunter2"}`:                       "the response has no value",
	} {
		r, _ := fake(t, func(string, object) (int, any) { return http.StatusOK, text })
		_, err := resolve(t, r, map[string]string{"A": "secretsmanager:a"})
		if err == nil || !strings.Contains(err.Error(), want) ||
			strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), "hunter2") {
			t.Errorf("%#v", err)
		}
	}
}

func TestAHostThatDoesNotExistIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	_, err = resolve(t, fixed("http://"+l.Addr().String()), map[string]string{"A": "ssm:/a"})
	if f := problems(t, err)["A"]; !strings.Contains(f.Problem, l.Addr().String()+" cannot be reached: ") ||
		!strings.Contains(f.Problem, "connection refused") ||
		!f.Retryable() {
		t.Errorf("%v", err)
	}
	nowhere := &net.DNSError{Err: "no such host", Name: "ssm.eu-wset-1.amazonaws.com", IsNotFound: true}
	r := fixed("https://ssm.eu-wset-1.amazonaws.com")
	load := r.LoadConfig
	r.LoadConfig = func(ctx context.Context) (aws.Config, error) {
		c, err := load(ctx)
		c.HTTPClient = clientFunc(func(*http.Request) (*http.Response, error) { return nil, nowhere })
		return c, err
	}
	_, err = resolve(t, r, map[string]string{"A": "arn:aws:ssm:eu-wset-1:123456789012:parameter/a"})
	if f := problems(t, err)["A"]; f.Problem != "there is no host ssm.eu-wset-1.amazonaws.com" ||
		!strings.Contains(f.Advice, "eu-wset-1, the region that its ARN names") ||
		f.Retryable() {
		t.Errorf("%v", err)
	}
}

func TestAnUntrustedCertificateIsNotRetried(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(server.Close)
	_, err := resolve(t, fixed(server.URL), map[string]string{"A": "secretsmanager:a"})
	if f := problems(t, err)["A"]; !strings.Contains(f.Problem, "is not trusted") ||
		!strings.Contains(f.Advice, "AWS_CA_BUNDLE") ||
		f.Retryable() {
		t.Errorf("%v", err)
	}
}

type clientFunc func(*http.Request) (*http.Response, error)

func (f clientFunc) Do(r *http.Request) (*http.Response, error) { return f(r) }

func TestADeadlineIsNotAFailureOfTheService(t *testing.T) {
	ctx, cancel := context.WithTimeout(guard(t), 20*time.Millisecond)
	defer cancel()
	done := make(chan struct{})
	r, _ := fake(t, func(string, object) (int, any) {
		<-done
		return http.StatusOK, nil
	})
	t.Cleanup(func() { close(done) })
	_, err := r.Resolve(
		ctx,
		map[string]reference.Reference{"A": {Kind: reference.SecretsManager, Text: "secretsmanager:a"}},
	)
	if f := problems(t, err)["A"]; !errors.Is(err, context.DeadlineExceeded) || f.Retryable() ||
		!strings.Contains(f.Problem, "the secret a in eu-west-1 was not read in time") {
		t.Errorf("%v", err)
	}
}

func TestAStoppedRunSendsNoMoreRequests(t *testing.T) {
	ctx, cancel := context.WithCancelCause(guard(t))
	done := make(chan struct{})
	r, _ := fake(t, func(string, object) (int, any) {
		cancel(errors.New("stopped"))
		<-done
		return http.StatusOK, nil
	})
	t.Cleanup(func() { close(done) })
	_, err := r.Resolve(
		ctx,
		map[string]reference.Reference{
			"A": {Kind: reference.SecretsManager, Text: "secretsmanager:a"},
			"B": {Kind: reference.ParameterStore, Text: "ssm:/b"},
		},
	)
	if !errors.Is(err, context.Canceled) || len(problems(t, err)) != 2 {
		t.Errorf("%v", err)
	}
}

func TestMissingCredentialsAndRegion(t *testing.T) {
	for _, c := range []struct {
		name            string
		config          aws.Config
		err             error
		problem, advice string
	}{
		{
			"no credentials",
			aws.Config{Region: "eu-west-1", Credentials: failing("no EC2 IMDS role found")},
			nil,
			"A, B: there are no AWS credentials: no EC2 IMDS role found", "task role",
		},
		{
			"no provider",
			aws.Config{Region: "eu-west-1"},
			nil,
			"A, B: there are no AWS credentials: no credentials are configured", "task role",
		},
		{
			"what a process prints",
			aws.Config{
				Region:      "eu-west-1",
				Credentials: failing("process provider error: parse failed of process output: hunter2"),
			},
			nil, "A, B: there are no AWS credentials: process provider error: what it printed is not the JSON of credentials", "",
		},
		{
			"no region",
			aws.Config{},
			nil,
			"A: there is no region to look for a in; B: there is no region to look for /b in", "set AWS_REGION",
		},
		{
			"a region that is none",
			aws.Config{Region: "evil.example/"},
			nil,
			`"evil.example/" is not a valid AWS region`, "set AWS_REGION",
		},
		{
			"no configuration",
			aws.Config{},
			errors.New("failed to get shared config profile, x"),
			"A, B: the AWS configuration cannot be loaded: failed to get shared config profile, x", "AWS_PROFILE",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &Resolver{LoadConfig: func(context.Context) (aws.Config, error) { return c.config, c.err }}
			_, err := resolve(t, r, map[string]string{"A": "secretsmanager:a", "B": "ssm:/b"})
			var failed *Error
			if !errors.As(err, &failed) || !strings.Contains(err.Error(), c.problem) ||
				!strings.Contains(failed.Hint(), c.advice) ||
				failed.Retryable() {
				t.Errorf("%v\nhint: %s", err, failed.Hint())
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("a secret is in it")
			}
		})
	}
	loaded := 0
	r := &Resolver{LoadConfig: func(context.Context) (aws.Config, error) { loaded++; return aws.Config{}, nil }}
	if _, err := resolve(t, r, map[string]string{"A": "file:/dev/null", "B": "secretsmanager:a b"}); err == nil ||
		loaded != 0 {
		t.Errorf("the AWS configuration is loaded %d times without need: %v", loaded, err)
	}
	if _, err := resolve(t, &Resolver{}, map[string]string{"A": "secretsmanager:a"}); err == nil {
		t.Error("no configuration is no failure")
	}
}

func failing(message string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(
		func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, errors.New(message) },
	)
}
