package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts/retry"

	"github.com/klauspost/compress/gzip"
)

// HeaderVariables may hold credentials for the collector; the first that is set counts.
var HeaderVariables = []string{"OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"}

// Exporter sends traces to a collector.
type Exporter struct {
	URL     string
	JSON    bool // instead of protobuf
	Gzip    bool
	Timeout time.Duration
}

// SettingError is an invalid value of a variable.
type SettingError struct{ Message, Advice string }

func (e *SettingError) Error() string { return e.Message }

// Hint says what a valid value looks like.
func (e *SettingError) Hint() string { return e.Advice }

// A missing collector must not delay every run: there are four attempts, with pauses of about 1.75 s in total.
const (
	attempts   = 4
	firstPause = 250 * time.Millisecond
)

// defaultTimeout is the default of OpenTelemetry.
const defaultTimeout = 10 * time.Second

// NewExporter reads the variables of OpenTelemetry. It returns nil if they ask for no trace; the error is a
// *SettingError.
func NewExporter(variables map[string]string) (*Exporter, error) {
	setting := func(name string) (string, string) { // one for traces wins over one for all signals
		for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_" + name, "OTEL_EXPORTER_OTLP_" + name} {
			if v := strings.TrimSpace(variables[name]); v != "" {
				return v, name
			}
		}
		return "", ""
	}
	endpoint, from := setting("ENDPOINT")
	if endpoint == "" || strings.EqualFold(strings.TrimSpace(variables["OTEL_SDK_DISABLED"]), "true") ||
		strings.TrimSpace(variables["OTEL_TRACES_EXPORTER"]) == "none" {
		return nil, nil
	}
	e := &Exporter{Timeout: defaultTimeout}
	at, err := url.Parse(endpoint)
	if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
		return nil, &SettingError{
			from + " is not an http:// or https:// URL",
			"write one such as http://localhost:4318",
		}
	}
	if from == "OTEL_EXPORTER_OTLP_ENDPOINT" { // the other one is the whole URL
		at = at.JoinPath("v1/traces")
	}
	e.URL = at.String()
	switch protocol, from := setting("PROTOCOL"); protocol {
	case "", "http/protobuf":
	case "http/json":
		e.JSON = true
	default:
		return nil, &SettingError{
			fmt.Sprintf("%s cannot be %q", from, protocol),
			"write http/protobuf or http/json, with the collector's port for HTTP, mostly 4318",
		}
	}
	switch compression, from := setting("COMPRESSION"); compression {
	case "", "none":
	case "gzip":
		e.Gzip = true
	default:
		return nil, &SettingError{fmt.Sprintf("%s cannot be %q", from, compression), "write gzip or none"}
	}
	if text, from := setting("TIMEOUT"); text != "" {
		ms, err := strconv.Atoi(text)
		if err != nil || ms <= 0 {
			return nil, &SettingError{fmt.Sprintf("%s cannot be %q", from, text), "write a number of milliseconds"}
		}
		e.Timeout = time.Duration(ms) * time.Millisecond
	}
	return e, nil
}

// ParseBaggage reads key=value,key=value in the format of W3C Baggage: percent-encoded, with optional spaces.
// Invalid pairs are left out, and make ok false.
func ParseBaggage(text string) (pairs [][2]string, ok bool) {
	ok = true
	for part := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		key, value, found := strings.Cut(part, "=")
		key, keyErr := url.PathUnescape(strings.TrimSpace(key))
		value, valueErr := url.PathUnescape(strings.TrimSpace(value))
		if !found || key == "" || keyErr != nil || valueErr != nil {
			ok = false
			continue
		}
		pairs = append(pairs, [2]string{key, value})
	}
	return pairs, ok
}

// Export sends a finished trace, and repeats the request while the collector asks for that and there is time. The
// error does not hold values of the headers.
func (e *Exporter) Export(
	ctx context.Context,
	t *Trace,
	resource []Attribute,
	version string,
	headers [][2]string,
) error {
	ctx, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	body, contentType := t.protobuf(resource, version), "application/x-protobuf"
	if e.JSON {
		var err error
		if body, err = t.json(resource, version); err != nil {
			return err
		}
		contentType = "application/json"
	}
	if e.Gzip {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		if _, err := w.Write(body); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		body = packed.Bytes()
	}
	// A redirect would send the headers to another host.
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	policy := retry.Policy{
		Attempts: attempts, First: firstPause, Longest: time.Second,
		Retryable: func(err error) bool {
			var refused *responseError
			return ctx.Err() == nil && !(errors.As(err, &refused) && !refused.retryable)
		},
		Pause: func(err error, next time.Duration) time.Duration {
			var refused *responseError
			if errors.As(err, &refused) {
				return max(next, refused.retryAfter)
			}
			return next
		},
	}
	return retry.Do(ctx, policy, func() error {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL, bytes.NewReader(body))
		if err != nil {
			return err
		}
		for _, h := range headers {
			request.Header.Set(h[0], h[1])
		}
		request.Header.Set("Content-Type", contentType)
		request.Header.Set("User-Agent", "carlin-cicd-runner/"+version)
		if e.Gzip {
			request.Header.Set("Content-Encoding", "gzip")
		}
		return send(client, request)
	})
}

// place returns a URL without credentials.
func place(u *url.URL) string { return u.Scheme + "://" + u.Host + u.Path }

// responseError is a response of the collector that is not a success.
type responseError struct {
	message    string
	retryable  bool
	retryAfter time.Duration // as the collector asks for; 0 if it does not
}

func (e *responseError) Error() string { return e.message }

// send makes one attempt. The error is a *responseError if the collector responded.
func send(client *http.Client, request *http.Request) error {
	response, err := client.Do(request)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			wrapped.URL = place(request.URL)
		}
		return err
	}
	defer response.Body.Close()
	const enough = 4 << 10
	text, _ := io.ReadAll(io.LimitReader(response.Body, enough))
	refused := &responseError{}
	switch response.StatusCode {
	case http.StatusOK, http.StatusAccepted, http.StatusNoContent:
		return nil
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
		refused.retryable, refused.retryAfter = true, time.Duration(max(seconds, 0))*time.Second
	}
	said := ""
	if strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") ||
		strings.HasPrefix(response.Header.Get("Content-Type"), "text/plain") {
		said = ": " + strings.TrimSpace(strings.ToValidUTF8(string(text[:min(len(text), 200)]), "\uFFFD"))
	}
	refused.message = fmt.Sprintf("%s answered %s%s", place(request.URL), response.Status, said)
	return refused
}
