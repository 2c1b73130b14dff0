package s3

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// newTransport is the SDK's transport, with its certificates and proxies, tuned for many small requests to one host:
// it keeps as many connections as there are requests, since each costs a TLS handshake.
func newTransport(c aws.HTTPClient, stall time.Duration) *http.Transport {
	buildable, ok := c.(*awshttp.BuildableClient)
	if !ok {
		buildable = awshttp.NewBuildableClient()
	}
	t := buildable.GetTransport()
	t.MaxIdleConns = 2 * maxRequests
	t.MaxIdleConnsPerHost = 2 * maxRequests
	t.MaxConnsPerHost = maxRequests + partMemory/partSize
	t.DisableCompression = true
	t.WriteBufferSize = 17 << 10 // a file of the commonest sizes goes out with its header, in one record of TLS
	t.ResponseHeaderTimeout = stall
	t.ForceAttemptHTTP2 = false // S3 does not support it
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{}
	}
	// The connections that a publish opens at once resume the session of those that the run has had, which saves a
	// fifth of a handshake's CPU time: no certificate is verified again. All of them are to one host.
	t.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	t.TLSClientConfig.DynamicRecordSizingDisabled = true // whole records, from the first byte on
	t.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	dial := t.DialContext
	if dial == nil {
		dial = buildable.GetDialer().DialContext
	}
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &stallConn{c, stall}, nil
	}
	return t
}

// stallConn fails when no byte has moved in either direction for a while; the request is then retried on another
// connection. A limit on the whole request would have to be as long as the largest upload.
type stallConn struct {
	net.Conn
	limit time.Duration
}

func (c *stallConn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.limit)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// Write also extends the deadline of the read that waits for the response.
func (c *stallConn) Write(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.limit)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
