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

// bucket holds objects by key, and the keys in order for as long as none was added or removed.
type bucket struct {
	objects map[string]*object
	keys    []string // nil: not known
}

type object struct {
	size     int64
	etag     string // quoted
	version  string
	modified time.Time
	header   http.Header // what PutObject was told to give back
	content  []byte      // nil: discarded, unless size is 0
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

// next is a number nobody else got.
func (n *Null) next() string {
	n.serial++
	return fmt.Sprintf("%032x", n.serial)
}

// object is what a write leaves under its key.
func (c *call) object(b body) *object {
	o := &object{size: b.size, modified: time.Now().UTC(), content: b.content, header: kept(c.r.Header)}
	o.etag = `"` + b.md5 + `"`
	if b.md5 == "" {
		// The form of a multipart ETag, which nobody takes for an MD5.
		o.etag = `"` + c.n.next() + `-1"`
	}
	if c.n.Versioned {
		o.version = c.n.next()
	}
	return o
}

// kept is what S3 gives back with the object.
func kept(from http.Header) http.Header {
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

// answer is what every write of an object gets.
func (o *object) answer() answer {
	h := http.Header{"Etag": {o.etag}}
	if o.version != "" {
		h["X-Amz-Version-Id"] = []string{o.version}
	}
	return answer{header: h}
}

// find remembers what is there as the request begins, if it is a conditional one.
func (c *call) find() {
	if c.r.Header.Get("If-None-Match") == "" && c.r.Header.Get("If-Match") == "" {
		return
	}
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	c.found = c.n.bucket(c.bucket).objects[c.key]
}

// allowed decides a conditional write as S3 does: by what is there when it ends, and with a conflict, which says
// "try again", when that was deleted in the meantime.
func (c *call) allowed() error {
	none, match := c.r.Header.Get("If-None-Match"), c.r.Header.Get("If-Match")
	if none == "" && match == "" {
		return nil
	}
	now := c.n.bucket(c.bucket).objects[c.key]
	switch {
	case c.found != nil && now == nil:
		return &Error{409, "ConditionalRequestConflict", "The conditional request cannot succeed due to a conflicting operation against this resource."}
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
	return &Error{404, "NoSuchKey", "The specified key does not exist."}
}

func preconditionFailed() error {
	return &Error{412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"}
}

func (c *call) put(b body) (answer, error) {
	if err := c.allowed(); err != nil {
		return answer{}, err
	}
	o := c.object(b)
	c.n.bucket(c.bucket).put(c.key, o)
	return o.answer(), nil
}

func (c *call) copy() (answer, error) {
	source, err := url.PathUnescape(strings.TrimPrefix(c.r.Header.Get("X-Amz-Copy-Source"), "/"))
	if err != nil {
		return answer{}, &Error{400, "InvalidArgument", err.Error()}
	}
	name, key, _ := strings.Cut(source, "/")
	from := c.n.bucket(name).objects[key]
	if from == nil {
		return answer{}, noSuchKey()
	}
	to := *from
	to.modified = time.Now().UTC()
	if c.r.Header.Get("X-Amz-Metadata-Directive") == "REPLACE" {
		to.header = kept(c.r.Header)
	}
	if c.n.Versioned {
		to.version = c.n.next()
	}
	c.n.bucket(c.bucket).put(c.key, &to)
	a := answered("<CopyObjectResult" + namespace + "><LastModified>" + stamp(to.modified) + "</LastModified><ETag>" + to.etag + "</ETag></CopyObjectResult>")
	maps.Copy(a.header, to.answer().header)
	return a, nil
}

// get answers GET and HEAD, with one range at most.
func (c *call) get() (answer, error) {
	o := c.n.bucket(c.bucket).objects[c.key]
	version := c.r.URL.Query().Get("versionId")
	if o == nil || version != "" && version != o.version {
		return answer{}, noSuchKey()
	}
	if none := c.r.Header.Get("If-None-Match"); none != "" && sameETag(none, o.etag) {
		return answer{}, &Error{Status: 304}
	}
	if match := c.r.Header.Get("If-Match"); match != "" && !sameETag(match, o.etag) {
		return answer{}, preconditionFailed()
	}
	a := o.answer()
	maps.Copy(a.header, o.header)
	a.header["Last-Modified"] = []string{o.modified.Format(http.TimeFormat)}
	a.header["Accept-Ranges"] = []string{"bytes"}
	if c.operation == "HeadObject" {
		a.length = o.size
		return a, nil
	}
	if o.content == nil && o.size > 0 {
		return answer{}, &Error{501, "NotImplemented", "this server discarded the content"}
	}
	a.body = o.content
	if first, last, ok := span(c.r.Header.Get("Range"), o.size); ok {
		if first >= o.size {
			return answer{}, &Error{416, "InvalidRange", "The requested range is not satisfiable"}
		}
		a.status, a.body = http.StatusPartialContent, o.content[first:last+1]
		a.header["Content-Range"] = []string{fmt.Sprintf("bytes %d-%d/%d", first, last, o.size)}
	}
	return a, nil
}

// span reads "bytes=first-last" and "bytes=first-".
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

// delete succeeds when there is nothing, also when it was to be a certain thing, as on S3.
func (c *call) delete() (answer, error) {
	b := c.n.bucket(c.bucket)
	o := b.objects[c.key]
	if match := c.r.Header.Get("If-Match"); match != "" && o != nil && match != "*" && !sameETag(match, o.etag) {
		return answer{}, preconditionFailed()
	}
	a := answer{status: http.StatusNoContent}
	version := c.r.URL.Query().Get("versionId")
	switch {
	case version == "":
		b.remove(c.key)
		if c.n.Versioned {
			a.header = http.Header{"X-Amz-Delete-Marker": {"true"}, "X-Amz-Version-Id": {c.n.next()}}
		}
	case o != nil && o.version == version:
		b.remove(c.key)
	}
	return a, nil
}

func (c *call) deleteMany(in body) (answer, error) {
	if !summed(c.r.Header) {
		return answer{}, &Error{400, "InvalidRequest", "Missing required header for this request: Content-MD5 OR x-amz-checksum-*"}
	}
	var request struct {
		Quiet  bool
		Object []struct{ Key, VersionId, ETag string } //nolint:revive // as S3 spells it
	}
	if err := xml.Unmarshal(in.content, &request); err != nil || len(request.Object) == 0 || len(request.Object) > 1000 {
		return answer{}, &Error{400, "MalformedXML", fmt.Sprintf("%d objects: %v", len(request.Object), err)}
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
	return answered(out.String()), nil
}

// summed tells whether a request came with a checksum of its body.
func summed(h http.Header) bool {
	for name := range h {
		if name == "Content-Md5" || name == "X-Amz-Trailer" || strings.HasPrefix(name, "X-Amz-Checksum-") {
			return true
		}
	}
	return false
}

// element writes an element whose children are names and texts in turns.
func element(b *bytes.Buffer, name string, children ...string) {
	b.WriteString("<" + name + ">")
	for i := 0; i < len(children); i += 2 {
		b.WriteString("<" + children[i] + ">")
		escape(b, children[i+1])
		b.WriteString("</" + children[i] + ">")
	}
	b.WriteString("</" + name + ">")
}

// stamp cuts a time to whole seconds, as S3 does.
func stamp(t time.Time) string { return t.Truncate(time.Second).Format("2006-01-02T15:04:05.000Z") }
