package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/carlin-cicd/runner/artifacts"
)

// download reads an object. A connection that breaks is replaced by one that continues at the same byte; from the
// second part on, a few parts are requested in parallel.
type download struct {
	store   *Store
	ctx     context.Context
	key     string
	version string

	etag     string
	size     int64
	offset   int64 // of the next Read
	failures int   // in a row

	body    io.ReadCloser // of the current part, or nil
	end     int64         // end of that part
	ahead   chan *part    // the following parts, in order
	current *part
	cancel  context.CancelFunc
}

// part is a piece of an object in memory.
type part struct {
	arrived chan struct{}
	buffer  *buffer
	rest    []byte
	err     error
}

// maxReadAhead is how many parts of one object are requested at a time.
const maxReadAhead = 3

// open requests the first part, whose response tells the size of the object.
func (d *download) open() error {
	answer, err := d.get(d.ctx, d.offset, d.offset+partSize-1)
	if isCode(err, "InvalidRange") && d.offset == 0 { // an empty object has no ranges
		answer, err = d.get(d.ctx, 0, -1)
	} else if isCode(err, "InvalidRange") {
		d.size, d.end = d.offset, d.offset
		return nil
	}
	if err != nil {
		return err
	}
	d.body, d.etag = answer.Body, answer.Header.Get("Etag")
	if answer.StatusCode != http.StatusPartialContent {
		d.size, d.end = answer.ContentLength, answer.ContentLength
		_, err := io.CopyN(io.Discard, d.body, d.offset)
		return err
	}
	_, total, _ := strings.Cut(answer.Header.Get("Content-Range"), "/")
	if d.size, err = strconv.ParseInt(total, 10, 64); err != nil {
		d.body.Close()
		return fmt.Errorf("unexpected Content-Range %q", answer.Header.Get("Content-Range"))
	}
	d.end = min(d.offset+partSize, d.size)
	if d.end < d.size {
		d.readAhead()
	}
	return nil
}

func (d *download) get(ctx context.Context, first, last int64) (*http.Response, error) {
	c := apiRequest{method: http.MethodGet, key: d.store.key(d.key), query: url.Values{}, header: d.store.ownerHeader()}
	if d.version != "" {
		c.query.Set("versionId", d.version)
	}
	if last >= first {
		c.header.Set("Range", byteRange(first, last))
	}
	if d.etag != "" {
		c.header.Set("If-Match", d.etag)
	}
	return d.store.rest.do(ctx, c)
}

// readAhead requests the parts after the first. Memory is acquired in their order, so that the first one can always
// complete.
func (d *download) readAhead() {
	ctx, cancel := context.WithCancel(d.ctx)
	d.cancel = cancel
	d.ahead = make(chan *part, maxReadAhead-1)
	go func(ahead chan<- *part, from int64) {
		defer close(ahead)
		for ; from < d.size; from += partSize {
			p := &part{arrived: make(chan struct{})}
			p.buffer, p.err = d.store.parts.acquire(ctx, int(min(partSize, d.size-from)))
			if p.err != nil {
				close(p.arrived)
			} else {
				go d.fetchPart(ctx, p, from)
			}
			select {
			case ahead <- p:
			case <-ctx.Done():
				d.releasePart(p)
				return
			}
			if p.buffer == nil {
				return
			}
		}
	}(d.ahead, d.end)
}

// maxAttempts is how often a request is sent, or a part is requested without receiving a byte, at least.
const maxAttempts = 6

// fetchPart reads one part, and continues where a connection broke.
func (d *download) fetchPart(ctx context.Context, p *part, from int64) {
	defer close(p.arrived)
	p.rest = p.buffer.bytes
	for got, failure := 0, 0; got < len(p.rest); {
		answer, err := d.get(ctx, from+int64(got), from+int64(len(p.rest))-1)
		if err != nil {
			p.err = err
			return
		}
		n, err := io.ReadFull(answer.Body, p.rest[got:])
		answer.Body.Close()
		if got += n; n > 0 {
			failure = 0
		}
		if failure++; err != nil && (failure == maxAttempts || artifacts.ContextError(ctx) != nil) {
			p.err = &connectionError{err}
			return
		}
	}
}

// Read implements io.Reader.
func (d *download) Read(p []byte) (int, error) {
	if d.offset >= d.size {
		return 0, io.EOF
	}
	if d.offset >= d.end {
		return d.readPart(p)
	}
	for {
		if d.body == nil {
			answer, err := d.get(d.ctx, d.offset, d.end-1)
			if err != nil {
				return 0, d.storeError(err)
			}
			d.body = answer.Body
		}
		n, err := d.body.Read(p[:min(int64(len(p)), d.end-d.offset)])
		d.offset += int64(n)
		if n > 0 {
			d.failures = 0
		}
		if err != nil || d.offset == d.end {
			d.body.Close()
			d.body = nil
		}
		if n > 0 {
			return n, nil
		}
		if d.failures++; err != nil && (d.failures == maxAttempts || artifacts.ContextError(d.ctx) != nil) {
			return 0, d.storeError(&connectionError{err})
		}
	}
}

func (d *download) readPart(p []byte) (int, error) {
	if d.current == nil {
		next, ok := <-d.ahead
		if !ok {
			return 0, d.storeError(errors.Join(artifacts.ContextError(d.ctx), io.ErrUnexpectedEOF))
		}
		d.current = next
		<-next.arrived
	}
	if d.current.err != nil {
		return 0, d.storeError(d.current.err)
	}
	n := copy(p, d.current.rest)
	d.current.rest = d.current.rest[n:]
	d.offset += int64(n)
	if len(d.current.rest) == 0 {
		d.releasePart(d.current)
		d.current = nil
	}
	return n, nil
}

func (d *download) releasePart(p *part) {
	<-p.arrived
	if p.buffer != nil {
		d.store.parts.release(p.buffer)
	}
}

// Close cancels what is in progress.
func (d *download) Close() error {
	if d.body != nil {
		d.body.Close()
	}
	if d.cancel == nil {
		return nil
	}
	d.cancel()
	if d.current != nil {
		d.releasePart(d.current)
	}
	for p := range d.ahead {
		d.releasePart(p)
	}
	return nil
}

func (d *download) storeError(err error) error {
	switch {
	case artifacts.ContextError(d.ctx) != nil:
		return artifacts.ContextError(d.ctx)
	case isMissing(err), isDenied(err) && d.version == "" && d.body == nil && d.store.isAbsent(d.ctx, d.key):
		return &artifacts.StoreError{Op: "get", Key: d.key, Place: d.store.Locate(""), Err: fs.ErrNotExist}
	case isCode(err, "PreconditionFailed"): // the object was replaced between two parts
		return &artifacts.CorruptError{Path: d.key, Want: "the object whose beginning was read", Got: "another"}
	}
	return d.store.storeError(d.ctx, "get", d.key, err)
}
