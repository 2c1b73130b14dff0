package s3test

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Null is an S3 server that stores names, sizes and ETags of everything and the content of almost nothing, so that a
// benchmark measures the client. It accepts any credentials, has every bucket that is requested, and addresses buckets
// by path. Its fields are set before it serves.
//
// GET /-/counters returns Counters as JSON, POST /-/reset sets them to zero.
type Null struct {
	// Latency delays a response after the last byte of its request.
	Latency time.Duration
	// Versioned makes it return version ids. Only the newest version can be read.
	Versioned bool
	// KeepSmall keeps the content of everything up to 64 KiB; otherwise only that of keys under manifests/, runs/ and
	// locks/, at any depth.
	KeepSmall bool

	mu      sync.Mutex
	buckets map[string]*bucket
	uploads map[string]*upload
	serial  uint64 // of versions, uploads and ETags without content

	counted     sync.Mutex
	operations  map[string]int64
	requests    atomic.Int64
	failures    atomic.Int64
	received    atomic.Int64
	sent        atomic.Int64
	connections atomic.Int64
}

// Counters is what a Null has counted since its start or reset.
type Counters struct {
	Requests    int64            `json:"requests"`
	Operations  map[string]int64 `json:"operations"`  // requests by Operation
	Failures    int64            `json:"failures"`    // responses with a status of 400 or more
	Received    int64            `json:"received"`    // bytes of bodies
	Sent        int64            `json:"sent"`        // bytes of bodies
	Connections int64            `json:"connections"` // opened
}

// Counters returns the current counters.
func (n *Null) Counters() Counters {
	n.counted.Lock()
	defer n.counted.Unlock()
	c := Counters{
		Requests: n.requests.Load(), Failures: n.failures.Load(), Operations: map[string]int64{},
		Received: n.received.Load(), Sent: n.sent.Load(), Connections: n.connections.Load(),
	}
	for name, count := range n.operations {
		c.Operations[name] = count
	}
	return c
}

// Reset sets the counters to zero and keeps the objects.
func (n *Null) Reset() {
	n.counted.Lock()
	defer n.counted.Unlock()
	n.operations = nil
	for _, c := range []*atomic.Int64{&n.requests, &n.failures, &n.received, &n.sent, &n.connections} {
		c.Store(0)
	}
}

// Serve serves HTTP/1.1 on a listener until it is closed: with TLS if there is a certificate.
func (n *Null) Serve(l net.Listener, certificate *tls.Certificate) error {
	s := n.server()
	if certificate == nil {
		return s.Serve(l)
	}
	s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*certificate}, NextProtos: []string{"http/1.1"}}
	return s.ServeTLS(l, "", "")
}

func (n *Null) server() *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:   n,
		Protocols: &protocols,
		// Errors of clients that are killed or refuse the certificate would disturb the benchmark's output.
		ErrorLog: log.New(io.Discard, "", 0),
		ConnState: func(_ net.Conn, s http.ConnState) {
			if s == http.StateNew {
				n.connections.Add(1)
			}
		},
	}
}

// ServeHTTP serves one request.
func (n *Null) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/-/counters":
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(n.Counters())
		return
	case "/-/reset":
		if r.Method == http.MethodPost {
			n.Reset()
		}
		return
	}
	operation, bucket, key := Operation(r)
	n.count(operation)
	c := call{n: n, r: r, operation: operation, bucket: bucket, key: key}
	b, err := c.readBody()
	a := response{}
	if err == nil {
		a, err = c.respond(b)
	}
	if err != nil {
		n.failures.Add(1)
		a = failed(err, r.URL.Path)
	}
	if n.Latency > 0 {
		// The goroutine sleeps, not a thread.
		time.Sleep(n.Latency)
	}
	n.sent.Add(int64(len(a.body)))
	a.write(w, r)
}

func (n *Null) count(operation string) {
	n.requests.Add(1)
	n.counted.Lock()
	defer n.counted.Unlock()
	if n.operations == nil {
		n.operations = map[string]int64{}
	}
	n.operations[operation]++
}

// keepsContent reports whether the content of an object is kept.
func (n *Null) keepsContent(key string, size int64) bool {
	if n.KeepSmall && size <= 64<<10 {
		return true
	}
	segments := strings.Split(key, "/")
	return slices.ContainsFunc(segments[:len(segments)-1], func(s string) bool {
		return s == "manifests" || s == "runs" || s == "locks"
	})
}

// call is a request in progress.
type call struct {
	n                      *Null
	r                      *http.Request
	operation, bucket, key string
	found                  *object // under the key when the request began, for conditional writes
}

func (c *call) respond(b body) (response, error) {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	switch c.operation {
	case "PutObject":
		return c.put(b)
	case "CopyObject":
		return c.copy()
	case "GetObject", "HeadObject":
		return c.get()
	case "DeleteObject":
		return c.delete()
	case "DeleteObjects":
		return c.deleteMany(b)
	case "CreateMultipartUpload":
		return c.createUpload()
	case "UploadPart":
		return c.uploadPart(b)
	case "CompleteMultipartUpload":
		return c.completeUpload(b)
	case "AbortMultipartUpload":
		return c.abortUpload()
	case "ListParts":
		return c.listParts()
	case "ListMultipartUploads":
		return c.listUploads()
	case "ListObjectsV2", "ListObjects":
		return c.list()
	default:
		return c.describe()
	}
}

// describe serves requests about a bucket rather than its objects.
func (c *call) describe() (response, error) {
	switch c.operation {
	case "HeadBucket", "CreateBucket", "PutBucketVersioning":
		return response{header: http.Header{"X-Amz-Bucket-Region": {Region}}}, nil
	case "GetBucketLocation":
		return succeeded("<LocationConstraint" + namespace + ">" + Region + "</LocationConstraint>"), nil
	case "GetBucketVersioning":
		status := ""
		if c.n.Versioned {
			status = "<Status>Enabled</Status>"
		}
		return succeeded("<VersioningConfiguration" + namespace + ">" + status + "</VersioningConfiguration>"), nil
	case "GetBucketEncryption":
		return succeeded(
			"<ServerSideEncryptionConfiguration" + namespace + "><Rule><ApplyServerSideEncryptionByDefault>" +
				"<SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>",
		), nil
	case "GetBucketPolicy":
		return response{}, &Error{Status: 404, Code: "NoSuchBucketPolicy"}
	case "GetObjectLockConfiguration":
		return response{}, &Error{Status: 404, Code: "ObjectLockConfigurationNotFoundError"}
	case "ListBuckets":
		return c.listBuckets(), nil
	}
	return response{}, &Error{Status: 501, Code: "NotImplemented"}
}
