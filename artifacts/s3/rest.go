package s3

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/encoding/httpbinding"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/retry"
)

// restClient sends requests that are small, many and alike. The SDK's middleware takes three times the CPU for each,
// which dominates a publish on half a core. README.md has the figures.
type restClient struct {
	client      *http.Client
	address     atomic.Pointer[address]
	follow      func(ctx context.Context, region string) error // changes address
	credentials aws.CredentialsProvider
	cache       *aws.CredentialsCache // of credentials; may be nil
	signer      *v4.Signer
	userAgent   string
	limiter     *limiter
	memory      *bufferPool
	attempts    int          // of one request
	fixed       bool         // whether the user has set attempts
	skew        atomic.Int64 // of our clock in nanoseconds, after the service has refused it
}

// smallMemory is the memory in bytes of small objects in progress.
const smallMemory = 12 << 20

func newRESTClient(o s3.Options, client *http.Client, a *address) *restClient {
	c := &restClient{
		client: client, userAgent: "carlin-cicd-runner",
		signer:  v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }),
		limiter: newLimiter(), memory: newBufferPool(smallMemory),
		attempts: cmp.Or(o.RetryMaxAttempts, maxAttempts), fixed: o.RetryMaxAttempts > 0,
	}
	if o.AppID != "" && o.AppID != c.userAgent {
		c.userAgent += " app/" + o.AppID
	}
	c.address.Store(a)
	return c
}

// apiRequest is a request for an object, or for the bucket if key is empty. It can be sent any number of times.
type apiRequest struct {
	method, key string
	query       url.Values
	header      http.Header // owned by the request
	// body may still be read after an error, by a transport that sends it although the response came early. It is a
	// bytes.Reader for the transport, which sends header and body in one write then.
	body []byte
	sum  [sha256.Size]byte // of body
	// stream, instead of body, returns a new reader and its length for each attempt. payload is its hash in the
	// signature.
	stream  func() (io.Reader, int64, error)
	payload string
	tries   *int // counts how often it was sent; may be nil
}

// throttleTimeout is how long a request is repeated for a service that asks for fewer requests: it has not failed, and
// it will be able to.
const throttleTimeout = 3 * time.Minute

// do sends a request until it succeeds or fails with an error that will not pass. The errors of the service are
// *APIError. The caller closes the body of the response, except to a PUT.
func (c *restClient) do(ctx context.Context, r apiRequest) (response *http.Response, err error) {
	began, attempts := time.Now(), 0
	policy := retry.Policy{
		First: 100 * time.Millisecond, Longest: 20 * time.Second,
		Retryable: func(err error) bool {
			if artifacts.ContextError(ctx) != nil {
				return false
			}
			patient := !c.fixed && isThrottle(err) && time.Since(began) < throttleTimeout
			return patient || isTransient(err) && attempts < c.attempts
		},
	}
	var done corrections
	err = retry.Do(ctx, policy, func() error {
		attempts++
		response, err = c.attempt(ctx, r)
		for c.correct(ctx, err, &done) {
			response, err = c.attempt(ctx, r)
		}
		return err
	})
	if stopped := artifacts.ContextError(ctx); err != nil && stopped != nil {
		return nil, stopped
	}
	return response, err
}

// corrections are those that were made for a request, each once.
type corrections struct{ renewed, moved bool }

// correct removes a cause of an error that is ours: credentials that have expired although those of a task are renewed
// in time, a wrong clock, a wrong region. It reports whether there is something new to try.
func (c *restClient) correct(ctx context.Context, err error, done *corrections) bool {
	var service *APIError
	switch errors.As(err, &service); {
	case service == nil:
		return false
	case service.expired() && !done.renewed:
		done.renewed = true
		if c.cache != nil {
			c.cache.Invalidate()
		}
		return true
	case service.skewed() && c.skew.Load() == 0 && !service.date.IsZero():
		c.skew.Store(int64(time.Until(service.date)))
		return true
	case !done.moved && isOtherRegion(service.Status, service.Region, service.requested):
		done.moved = true
		return c.follow(ctx, service.Region) == nil
	}
	return false
}

// attempt sends a request once, when the limiter allows it.
func (c *restClient) attempt(ctx context.Context, r apiRequest) (*http.Response, error) {
	if err := c.limiter.acquire(ctx); err != nil {
		return nil, err
	}
	if r.tries != nil {
		*r.tries++
	}
	began := time.Now()
	response, err := c.send(ctx, r)
	switch {
	case isThrottle(err):
		c.limiter.release(throttled, began)
	case err != nil && isConnection(err):
		c.limiter.release(noResponse, began)
	default:
		c.limiter.release(responded, began)
	}
	return response, err
}

var (
	emptySum = sha256.Sum256(nil)
	emptyHex = hex.EncodeToString(emptySum[:])
)

func (c *restClient) send(ctx context.Context, r apiRequest) (*http.Response, error) {
	address := c.address.Load()
	request, err := c.newRequest(ctx, address, r)
	if err != nil {
		return nil, err
	}
	credentials, err := c.credentials.Retrieve(ctx)
	if err != nil {
		return nil, err
	}
	payload := cmp.Or(r.payload, emptyHex)
	if r.body != nil {
		payload = hex.EncodeToString(r.sum[:])
	}
	request.Header["X-Amz-Content-Sha256"] = []string{payload}
	if err := c.signer.SignHTTP(ctx, credentials, request, payload, address.service, address.region, c.now()); err != nil {
		return nil, err
	}
	done := func() {}
	if r.stream != nil {
		body := &trackedBody{Reader: request.Body, closed: make(chan struct{})}
		request.Body, done = body, func() { <-body.closed }
	}
	// Not by Do, which closes the body of a request that is redirected while it is still being sent.
	response, err := c.client.Transport.RoundTrip(request)
	switch {
	case err != nil:
		err = &connectionError{err}
	case response.StatusCode/100 != 2:
		err = readAPIError(response, address.region)
		response.Body.Close()
	case r.method == http.MethodPut:
		response.Body.Close() // it is empty
	}
	done()
	if err != nil {
		return nil, err
	}
	return response, nil
}

// now returns the time by the service's clock, as far as known.
func (c *restClient) now() time.Time { return time.Now().Add(time.Duration(c.skew.Load())).UTC() }

// trackedBody signals when the transport is done with it, which can be after an early response: until then its file
// must not be read.
type trackedBody struct {
	io.Reader
	once   sync.Once
	closed chan struct{}
}

func (b *trackedBody) Close() error {
	b.once.Do(func() { close(b.closed) })
	return nil
}

func (c *restClient) newRequest(ctx context.Context, a *address, r apiRequest) (*http.Request, error) {
	u := a.endpoint
	u.RawPath = a.endpoint.EscapedPath()
	if r.key != "" || u.Path == "" {
		u.Path += "/" + r.key
		u.RawPath += "/" + httpbinding.EscapePath(r.key, false)
	}
	u.RawQuery = r.query.Encode()
	header := r.header.Clone() // signing modifies it
	if header == nil {
		header = http.Header{}
	}
	header["User-Agent"] = []string{c.userAgent}
	request := &http.Request{
		Method: r.method, URL: &u, Host: u.Host, Header: header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	switch {
	case r.stream != nil:
		body, length, err := r.stream()
		if err != nil {
			return nil, err
		}
		request.Body, request.ContentLength = io.NopCloser(body), length
	case len(r.body) > 0:
		request.Body, request.ContentLength = io.NopCloser(bytes.NewReader(r.body)), int64(len(r.body))
	case r.body != nil:
		request.Body = http.NoBody
	}
	return request.WithContext(ctx), nil
}

// readAPIError parses an error response: XML, unless the response is to HEAD or comes from a proxy. region is what the
// request was signed for.
func readAPIError(response *http.Response, region string) *APIError {
	text, _ := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	e := &APIError{
		Status: response.StatusCode, RequestID: response.Header.Get("X-Amz-Request-Id"),
		Region: response.Header.Get("X-Amz-Bucket-Region"), requested: region,
	}
	var body struct{ Code, Message, Region string }
	if xml.Unmarshal(text, &body) == nil {
		e.Code, e.Message, e.Region = body.Code, strings.TrimSpace(body.Message), cmp.Or(e.Region, body.Region)
	}
	if e.Code == "" {
		e.Code, e.Message = fmt.Sprintf("HTTP %d", e.Status), http.StatusText(e.Status)
	}
	e.date, _ = http.ParseTime(response.Header.Get("Date"))
	return e
}

// byteRange is the Range header for the bytes from first to last.
func byteRange(first, last int64) string {
	return "bytes=" + strconv.FormatInt(first, 10) + "-" + strconv.FormatInt(last, 10)
}
