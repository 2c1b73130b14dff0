package s3test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"
)

type upload struct {
	bucket, key string
	header      http.Header
	parts       map[int]part
	started     time.Time
}

type part struct {
	size    int64
	etag    string
	content []byte
}

func (c *call) createUpload() (response, error) {
	id := c.n.nextID()
	if c.n.uploads == nil {
		c.n.uploads = map[string]*upload{}
	}
	c.n.uploads[id] = &upload{c.bucket, c.key, c.r.Header.Clone(), map[int]part{}, time.Now().UTC()}
	b := &bytes.Buffer{}
	element(b, "InitiateMultipartUploadResult", "Bucket", c.bucket, "Key", c.key, "UploadId", id)
	return succeeded(b.String()), nil
}

// upload returns the upload that the request names.
func (c *call) upload() (*upload, string, error) {
	id := c.r.URL.Query().Get("uploadId")
	u := c.n.uploads[id]
	if u == nil || u.bucket != c.bucket || u.key != c.key {
		e := noUpload
		return nil, "", &e
	}
	return u, id, nil
}

func (c *call) uploadPart(b body) (response, error) {
	u, _, err := c.upload()
	if err != nil {
		return response{}, err
	}
	number, err := strconv.Atoi(c.r.URL.Query().Get("partNumber"))
	if err != nil || number < 1 || number > 10000 {
		return response{}, &Error{
			400,
			"InvalidArgument",
			"Part number must be an integer between 1 and 10000, inclusive",
		}
	}
	p := part{b.size, `"` + b.md5 + `"`, b.content}
	if b.md5 == "" {
		p.etag = `"` + c.n.nextID() + `"`
	}
	u.parts[number] = p
	return response{header: http.Header{"Etag": {p.etag}}}, nil
}

func (c *call) completeUpload(in body) (response, error) {
	u, id, err := c.upload()
	if err != nil {
		return response{}, err
	}
	var request struct {
		Part []struct {
			PartNumber int
			ETag       string
		}
	}
	if err := xml.Unmarshal(in.content, &request); err != nil || len(request.Part) == 0 {
		return response{}, &Error{400, "MalformedXML", fmt.Sprint(err)}
	}
	var whole body
	for i, named := range request.Part {
		p, ok := u.parts[named.PartNumber]
		switch {
		case !ok || !sameETag(named.ETag, p.etag):
			return response{}, &Error{400, "InvalidPart", fmt.Sprintf("part %d", named.PartNumber)}
		case i > 0 && named.PartNumber <= request.Part[i-1].PartNumber:
			return response{}, &Error{400, "InvalidPartOrder", "The list of parts was not in ascending order."}
		case i < len(request.Part)-1 && p.size < 5<<20:
			return response{}, &Error{
				400,
				"EntityTooSmall",
				fmt.Sprintf("part %d has %d bytes", named.PartNumber, p.size),
			}
		}
		whole.size += p.size
		whole.content = append(whole.content, p.content...)
	}
	if err := c.allowed(); err != nil {
		return response{}, err
	}
	delete(c.n.uploads, id)
	o := c.object(whole)
	o.etag = fmt.Sprintf(`"%s-%d"`, c.n.nextID(), len(request.Part))
	o.header = storedHeader(u.header)
	c.n.bucket(c.bucket).put(c.key, o)
	b := &bytes.Buffer{}
	element(b, "CompleteMultipartUploadResult", "Bucket", c.bucket, "Key", c.key, "ETag", o.etag)
	a := succeeded(b.String())
	maps.Copy(a.header, o.response().header)
	return a, nil
}

func (c *call) abortUpload() (response, error) {
	_, id, err := c.upload()
	if err != nil {
		return response{}, err
	}
	delete(c.n.uploads, id)
	return response{status: http.StatusNoContent}, nil
}

func (c *call) listParts() (response, error) {
	u, id, err := c.upload()
	if err != nil {
		return response{}, err
	}
	b := bytes.NewBufferString(
		"<ListPartsResult" + namespace + "><IsTruncated>false</IsTruncated><UploadId>" + id + "</UploadId>",
	)
	for _, number := range slices.Sorted(maps.Keys(u.parts)) {
		p := u.parts[number]
		element(b, "Part", "PartNumber", strconv.Itoa(number), "ETag", p.etag,
			"Size", strconv.FormatInt(p.size, 10), "LastModified", formatTime(u.started))
	}
	b.WriteString("</ListPartsResult>")
	return succeeded(b.String()), nil
}

func (c *call) listUploads() (response, error) {
	b := bytes.NewBufferString("<ListMultipartUploadsResult" + namespace + "><IsTruncated>false</IsTruncated>")
	for _, id := range slices.Sorted(maps.Keys(c.n.uploads)) {
		if u := c.n.uploads[id]; u.bucket == c.bucket {
			element(b, "Upload", "Key", u.key, "UploadId", id, "Initiated", formatTime(u.started))
		}
	}
	b.WriteString("</ListMultipartUploadsResult>")
	return succeeded(b.String()), nil
}
