package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carlin-cicd/runner/artifacts/retry"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/carlin-cicd/runner/artifacts"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	smithyauth "github.com/aws/smithy-go/auth"
	"github.com/aws/smithy-go/encoding/httpbinding"

	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// restClient sends requests that are small, many and alike. The SDK's middleware takes three times the CPU for each,
// which dominates a publish on half a core. README.md has the figures.
type restClient struct {
	client      *http.Client
	endpoint    url.URL // of the bucket
	service     string  // in signatures
	region      string
	credentials aws.CredentialsProvider
	signer      *v4.Signer
	limiter     *limiter
	memory      *bufferPool
	attempts    int
	skew        atomic.Int64 // of our clock in nanoseconds, after the service has refused it
}

// smallMemory is the memory in bytes of small objects in progress.
const smallMemory = 12 << 20

func newRESTClient(ctx context.Context, o s3.Options, bucket string, client *http.Client) (*restClient, error) {
	endpoint, err := o.EndpointResolverV2.ResolveEndpoint(ctx, s3.EndpointParameters{
		Bucket: &bucket, Region: &o.Region, Endpoint: o.BaseEndpoint, ForcePathStyle: &o.UsePathStyle, Accelerate: &o.UseAccelerate,
		UseFIPS:      aws.Bool(o.EndpointOptions.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled),
		UseDualStack: aws.Bool(o.EndpointOptions.UseDualStackEndpoint == aws.DualStackEndpointStateEnabled),
	}.WithDefaults())
	if err != nil {
		if o.Region == "" {
			return nil, &artifacts.LocationError{Location: "s3://" + bucket, Reason: "no region is set: set AWS_REGION", Err: err}
		}
		return nil, &artifacts.LocationError{Location: "s3://" + bucket, Reason: err.Error(), Err: err}
	}
	l := &restClient{
		client: client, endpoint: endpoint.URI, service: "s3", region: o.Region, credentials: o.Credentials,
		signer:  v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }),
		limiter: newLimiter(), memory: newBufferPool(smallMemory), attempts: max(o.RetryMaxAttempts, maxAttempts),
	}
	if options, ok := smithyauth.GetAuthOptions(&endpoint.Properties); ok && len(options) > 0 {
		if name, ok := smithyhttp.GetSigV4SigningName(&options[0].SignerProperties); ok && name != "" {
			l.service = name
		}
		if region, ok := smithyhttp.GetSigV4SigningRegion(&options[0].SignerProperties); ok && region != "" {
			l.region = region
		}
	}
	return l, nil
}

// apiRequest is a request for an object. It can be sent any number of times.
type apiRequest struct {
	method, key string
	query       url.Values
	header      http.Header // owned by the request
	body        []byte
	sum         [sha256.Size]byte // of body
	// stream, instead of body, returns a new reader and its length for each attempt.
	stream func() (io.Reader, int64, error)
}

// throttleTimeout is how long a request is repeated for a service that asks for fewer requests: it has not failed, and
// it will be able to.
const throttleTimeout = 3 * time.Minute

// do sends a call until it succeeds or fails with an error that will not pass. The errors of the service are *APIError.
// The caller closes the body of the response.
func (l *restClient) do(ctx context.Context, c apiRequest) (answer *http.Response, err error) {
	began, attempts, renewed := time.Now(), 0, false
	policy := retry.Policy{
		First: 100 * time.Millisecond, Longest: 20 * time.Second,
		Retryable: func(err error) bool {
			return artifacts.ContextError(ctx) == nil &&
				(isThrottle(err) && time.Since(began) < throttleTimeout || isTransient(err) && attempts < l.attempts)
		},
	}
	err = retry.Do(ctx, policy, func() error {
		attempts++
		answer, err = l.attempt(ctx, c)
		for l.correct(err, &renewed) {
			answer, err = l.attempt(ctx, c)
		}
		return err
	})
	if stopped := artifacts.ContextError(ctx); err != nil && stopped != nil {
		return nil, stopped
	}
	return answer, err
}

// correct removes a cause of an error that is ours, once: credentials that have expired, although those of a task are
// renewed in time, and a clock that is wrong. It reports whether there is something new to try.
func (l *restClient) correct(err error, renewed *bool) bool {
	var service *APIError
	switch errors.As(err, &service); {
	case service == nil:
		return false
	case service.expired() && !*renewed:
		*renewed = true
		if cache, ok := l.credentials.(*aws.CredentialsCache); ok {
			cache.Invalidate()
		}
		return true
	case service.skewed() && l.skew.Load() == 0 && !service.date.IsZero():
		l.skew.Store(int64(time.Until(service.date)))
		return true
	}
	return false
}

// attempt sends a request once, when the limiter allows it.
func (l *restClient) attempt(ctx context.Context, c apiRequest) (*http.Response, error) {
	if err := l.limiter.acquire(ctx); err != nil {
		return nil, err
	}
	began := time.Now()
	answer, err := l.send(ctx, c)
	switch {
	case isThrottle(err):
		l.limiter.release(throttled, began)
	case err != nil && isConnection(err):
		l.limiter.release(noResponse, began)
	default:
		l.limiter.release(responded, began)
	}
	return answer, err
}

var (
	emptySum = sha256.Sum256(nil)
	emptyHex = hex.EncodeToString(emptySum[:])
)

func (l *restClient) send(ctx context.Context, c apiRequest) (*http.Response, error) {
	request, err := l.newRequest(ctx, c)
	if err != nil {
		return nil, err
	}
	credentials, err := l.credentials.Retrieve(ctx)
	if err != nil {
		return nil, &APIError{Code: "NoCredentials", Message: err.Error(), err: err}
	}
	sum := emptyHex
	switch {
	case c.stream != nil:
		sum = unsignedTrailer
	case c.method == http.MethodPut:
		sum = hex.EncodeToString(c.sum[:])
		// It is verified on arrival, and stored with the object.
		request.Header["X-Amz-Checksum-Sha256"] = []string{base64.StdEncoding.EncodeToString(c.sum[:])}
	}
	request.Header["X-Amz-Content-Sha256"] = []string{sum}
	if err := l.signer.SignHTTP(ctx, credentials, request, sum, l.service, l.region, l.now()); err != nil {
		return nil, err
	}
	body := &trackedBody{Reader: request.Body, closed: make(chan struct{})}
	if request.ContentLength > 0 {
		request.Body = body
	} else {
		close(body.closed)
	}
	answer, err := l.client.Do(request)
	switch {
	case err != nil:
		err = &connectionError{err}
	case answer.StatusCode/100 != 2:
		err = readAPIError(answer)
		answer.Body.Close()
	case c.method == http.MethodPut:
		answer.Body.Close() // it is empty
	}
	<-body.closed
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// now returns the time by the service's clock, as far as known.
func (l *restClient) now() time.Time { return time.Now().Add(time.Duration(l.skew.Load())).UTC() }

// trackedBody signals when the transport is done with it, which can be after an early response: until then its file
// and memory must not be reused.
type trackedBody struct {
	io.Reader
	once   sync.Once
	closed chan struct{}
}

func (s *trackedBody) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

func (l *restClient) newRequest(ctx context.Context, c apiRequest) (*http.Request, error) {
	u := l.endpoint
	u.Path += "/" + c.key
	u.RawPath = l.endpoint.EscapedPath() + "/" + httpbinding.EscapePath(c.key, false)
	u.RawQuery = c.query.Encode()
	header := c.header.Clone() // signing modifies it
	if header == nil {
		header = http.Header{}
	}
	header["User-Agent"] = []string{"carlin-cicd-runner"}
	request := &http.Request{Method: c.method, URL: &u, Host: u.Host, Header: header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	if c.stream != nil {
		body, length, err := c.stream()
		if err != nil {
			return nil, err
		}
		request.Body, request.ContentLength = io.NopCloser(body), length
	} else if c.method == http.MethodPut {
		request.ContentLength = int64(len(c.body))
		request.Body = http.NoBody
		if len(c.body) > 0 {
			request.Body = io.NopCloser(bytes.NewReader(c.body))
		}
	}
	return request.WithContext(ctx), nil
}

// readAPIError parses an error response: XML, unless the response is to HEAD or comes from a proxy.
func readAPIError(answer *http.Response) *APIError {
	text, _ := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	e := &APIError{Status: answer.StatusCode, RequestID: answer.Header.Get("X-Amz-Request-Id"), Region: answer.Header.Get("X-Amz-Bucket-Region")}
	var said struct{ Code, Message, Region string }
	if xml.Unmarshal(text, &said) == nil {
		e.Code, e.Message = said.Code, said.Message
		if e.Region == "" {
			e.Region = said.Region
		}
	}
	if e.Code == "" {
		e.Code, e.Message = fmt.Sprintf("HTTP %d", e.Status), http.StatusText(e.Status)
	}
	e.date, _ = http.ParseTime(answer.Header.Get("Date"))
	return e
}

// digester is a body that computes its own SHA-256 while it is read. The digest is known once it has been read whole.
type digester interface {
	SHA256() (sum [sha256.Size]byte, ok bool)
}

// digest returns the SHA-256 of a body that was read into b.
func digest(body io.Reader, b []byte) [sha256.Size]byte {
	if d, ok := body.(digester); ok {
		if sum, ok := d.SHA256(); ok {
			return sum
		}
	}
	return sha256.Sum256(b)
}

// byteRange is the Range header for the bytes from first to last.
func byteRange(first, last int64) string {
	return "bytes=" + strconv.FormatInt(first, 10) + "-" + strconv.FormatInt(last, 10)
}
