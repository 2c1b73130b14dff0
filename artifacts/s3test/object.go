package s3test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// bucket holds objects by key, and the sorted keys until one is added or removed.
type bucket struct {
	objects map[string]*object
	keys    []string // nil if outdated
}

type object struct {
	size     int64
	etag     string // quoted
	version  string
	modified time.Time
	header   http.Header // to be returned with the object
	content  []byte      // nil if discarded, unless size is 0
}

func (n *Null) bucket(name string) *bucket {
	b := n.buckets[name]
	if b == nil {
		b = &bucket{objects: map[string]*object{}}
		if n.buckets == nil {
			n.buckets = map[string]*bucket{}
		}
		n.buckets[name] = b
	}
	return b
}

func (b *bucket) put(key string, o *object) {
	if b.objects[key] == nil {
		b.keys = nil
	}
	b.objects[key] = o
}

func (b *bucket) remove(key string) {
	if b.objects[key] != nil {
		b.keys = nil
		delete(b.objects, key)
	}
}

func (b *bucket) sorted() []string {
	if b.keys == nil {
		b.keys = slices.Sorted(maps.Keys(b.objects))
	}
	return b.keys
}

// nextID returns a unique number.
func (n *Null) nextID() string {
	n.serial++
	return fmt.Sprintf("%032x", n.serial)
}

// object returns what a write stores under its key.
func (c *call) object(b body) *object {
	o := &object{size: b.size, modified: time.Now().UTC(), content: b.content, header: storedHeader(c.r.Header)}
	o.etag = `"` + b.md5 + `"`
	if b.md5 == "" {
		// In the form of a multipart ETag, so that no client takes it for an MD5.
		o.etag = `"` + c.n.nextID() + `-1"`
	}
	if c.n.Versioned {
		o.version = c.n.nextID()
	}
	return o
}

// storedHeader returns the header fields that S3 stores with the object.
func storedHeader(from http.Header) http.Header {
	to := http.Header{}
	for name, values := range from {
		switch {
		case strings.HasPrefix(name, "X-Amz-Meta-"), strings.HasPrefix(name, "X-Amz-Checksum-"),
			name == "Content-Type", name == "Cache-Control", name == "Content-Disposition", name == "Content-Language":
			to[name] = values
		case name == "Content-Encoding":
			if e := strings.Trim(strings.ReplaceAll(values[0], "aws-chunked", ""), ", "); e != "" {
				to[name] = []string{e}
			}
		}
	}
	return to
}

// response is the response to a write of an object.
func (o *object) response() response {
	h := http.Header{"Etag": {o.etag}}
	if o.version != "" {
		h["X-Amz-Version-Id"] = []string{o.version}
	}
	return response{header: h}
}

// find records what is there at the beginning of a conditional request.
func (c *call) find() {
	if c.r.Header.Get("If-None-Match") == "" && c.r.Header.Get("If-Match") == "" {
		return
	}
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	c.found = c.n.bucket(c.bucket).objects[c.key]
}

// allowed decides a conditional write as S3 does: by what is there when it ends, and with a conflict, which means "try
// again", if that was deleted meanwhile.
func (c *call) allowed() error {
	none, match := c.r.Header.Get("If-None-Match"), c.r.Header.Get("If-Match")
	if none == "" && match == "" {
		return nil
	}
	now := c.n.bucket(c.bucket).objects[c.key]
	switch {
	case c.found != nil && now == nil:
		return &Error{
			409,
			"ConditionalRequestConflict",
			"The conditional request cannot succeed due to a conflicting operation against this resource.",
		}
	case none != "" && none != "*":
		return &Error{501, "NotImplemented", "A header you provided implies functionality that is not implemented"}
	case match != "" && now == nil:
		return noSuchKey()
	case none != "" && now != nil, match != "" && !sameETag(match, now.etag):
		return preconditionFailed()
	}
	return nil
}

func sameETag(a, b string) bool { return strings.Trim(a, `"`) == strings.Trim(b, `"`) }

func noSuchKey() error {
	e := missing
	return &e
}

func preconditionFailed() error {
	e := unmet
	return &e
}

func (c *call) put(b body) (response, error) {
	if err := c.allowed(); err != nil {
		return response{}, err
	}
	o := c.object(b)
	c.n.bucket(c.bucket).put(c.key, o)
	return o.response(), nil
}

func (c *call) copy() (response, error) {
	source, err := url.PathUnescape(strings.TrimPrefix(c.r.Header.Get("X-Amz-Copy-Source"), "/"))
	if err != nil {
		return response{}, &Error{400, "InvalidArgument", err.Error()}
	}
	name, key, _ := strings.Cut(source, "/")
	from := c.n.bucket(name).objects[key]
	if from == nil {
		return response{}, noSuchKey()
	}
	to := *from
	to.modified = time.Now().UTC()
	if c.r.Header.Get("X-Amz-Metadata-Directive") == "REPLACE" {
		to.header = storedHeader(c.r.Header)
	}
	if c.n.Versioned {
		to.version = c.n.nextID()
	}
	c.n.bucket(c.bucket).put(c.key, &to)
	a := succeeded(
		"<CopyObjectResult" + namespace + "><LastModified>" + formatTime(
			to.modified,
		) + "</LastModified><ETag>" + to.etag + "</ETag></CopyObjectResult>",
	)
	maps.Copy(a.header, to.response().header)
	return a, nil
}

// get serves GET and HEAD, with one range at most.
func (c *call) get() (response, error) {
	o := c.n.bucket(c.bucket).objects[c.key]
	version := c.r.URL.Query().Get("versionId")
	if o == nil || version != "" && version != o.version {
		return response{}, noSuchKey()
	}
	if none := c.r.Header.Get("If-None-Match"); none != "" && sameETag(none, o.etag) {
		return response{}, &Error{Status: 304}
	}
	if match := c.r.Header.Get("If-Match"); match != "" && !sameETag(match, o.etag) {
		return response{}, preconditionFailed()
	}
	a := o.response()
	maps.Copy(a.header, o.header)
	a.header["Last-Modified"] = []string{o.modified.Format(http.TimeFormat)}
	a.header["Accept-Ranges"] = []string{"bytes"}
	if c.operation == "HeadObject" {
		a.length = o.size
		return a, nil
	}
	if o.content == nil && o.size > 0 {
		return response{}, &Error{501, "NotImplemented", "this server discarded the content"}
	}
	a.body = o.content
	if first, last, ok := span(c.r.Header.Get("Range"), o.size); ok {
		if first >= o.size {
			return response{}, &Error{416, "InvalidRange", "The requested range is not satisfiable"}
		}
		a.status, a.body = http.StatusPartialContent, o.content[first:last+1]
		a.header["Content-Range"] = []string{fmt.Sprintf("bytes %d-%d/%d", first, last, o.size)}
	}
	return a, nil
}

// span parses "bytes=first-last" and "bytes=first-".
func span(header string, size int64) (first, last int64, ok bool) {
	from, to, ok := strings.Cut(strings.TrimPrefix(header, "bytes="), "-")
	first, err := strconv.ParseInt(from, 10, 64)
	if !ok || err != nil {
		return 0, 0, false
	}
	last, err = strconv.ParseInt(to, 10, 64)
	if err != nil || last >= size {
		last = size - 1
	}
	return first, last, first <= last || first >= size
}

// delete succeeds if there is no object, even with a condition, as on S3.
func (c *call) delete() (response, error) {
	b := c.n.bucket(c.bucket)
	o := b.objects[c.key]
	if match := c.r.Header.Get("If-Match"); match != "" && o != nil && match != "*" && !sameETag(match, o.etag) {
		return response{}, preconditionFailed()
	}
	a := response{status: http.StatusNoContent}
	version := c.r.URL.Query().Get("versionId")
	switch {
	case version == "":
		b.remove(c.key)
		if c.n.Versioned {
			a.header = http.Header{"X-Amz-Delete-Marker": {"true"}, "X-Amz-Version-Id": {c.n.nextID()}}
		}
	case o != nil && o.version == version:
		b.remove(c.key)
	}
	return a, nil
}

func (c *call) deleteMany(in body) (response, error) {
	if !hasChecksum(c.r.Header) {
		return response{}, &Error{
			400,
			"InvalidRequest",
			"Missing required header for this request: Content-MD5 OR x-amz-checksum-*",
		}
	}
	var request struct {
		Quiet  bool
		Object []struct{ Key, VersionId, ETag string } //nolint:revive // as S3 spells it
	}
	if err := xml.Unmarshal(in.content, &request); err != nil || len(request.Object) == 0 ||
		len(request.Object) > 1000 {
		return response{}, &Error{400, "MalformedXML", fmt.Sprintf("%d objects: %v", len(request.Object), err)}
	}
	b := c.n.bucket(c.bucket)
	out := bytes.NewBufferString("<DeleteResult" + namespace + ">")
	for _, d := range request.Object {
		o := b.objects[d.Key]
		if o != nil && d.ETag != "" && !sameETag(d.ETag, o.etag) {
			element(out, "Error", "Key", d.Key, "Code", "PreconditionFailed", "Message", "ETag")
			continue
		}
		if d.VersionId == "" || o != nil && o.version == d.VersionId {
			b.remove(d.Key)
		}
		if !request.Quiet {
			element(out, "Deleted", "Key", d.Key)
		}
	}
	out.WriteString("</DeleteResult>")
	return succeeded(out.String()), nil
}

// hasChecksum reports whether a request has a checksum of its body.
func hasChecksum(h http.Header) bool {
	for name := range h {
		if name == "Content-Md5" || name == "X-Amz-Trailer" || strings.HasPrefix(name, "X-Amz-Checksum-") {
			return true
		}
	}
	return false
}

// element writes an element whose children are alternating names and texts.
func element(b *bytes.Buffer, name string, children ...string) {
	b.WriteString("<" + name + ">")
	for i := 0; i < len(children); i += 2 {
		b.WriteString("<" + children[i] + ">")
		escape(b, children[i+1])
		b.WriteString("</" + children[i] + ">")
	}
	b.WriteString("</" + name + ">")
}

// formatTime cuts a time to whole seconds, as S3 does.
func formatTime(t time.Time) string {
	return t.Truncate(time.Second).Format("2006-01-02T15:04:05.000Z")
}
