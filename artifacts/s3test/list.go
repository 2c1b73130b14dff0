package s3test

import (
	"bytes"
	"encoding/base64"
	"maps"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// list serves both versions of ListObjects, which differ in how a page refers to the next one.
func (c *call) list() (response, error) {
	query := c.r.URL.Query()
	prefix, delimiter := query.Get("prefix"), query.Get("delimiter")
	after := query.Get("marker")
	if c.operation == "ListObjectsV2" {
		after = query.Get("start-after")
		if token := query.Get("continuation-token"); token != "" {
			key, err := base64.RawURLEncoding.DecodeString(token)
			if err != nil {
				return response{}, &Error{400, "InvalidArgument", "The continuation token provided is incorrect"}
			}
			after = string(key)
		}
	}
	limit := 1000
	if n, err := strconv.Atoi(query.Get("max-keys")); err == nil && n >= 0 && n < limit {
		limit = n
	}
	name := func(key string) string { return key }
	if query.Get("encoding-type") == "url" {
		name = func(key string) string { return strings.ReplaceAll(url.QueryEscape(key), "%2F", "/") }
	}

	b := c.n.bucket(c.bucket)
	p := b.page(prefix, delimiter, after, limit)
	out := &bytes.Buffer{}
	out.Grow(512 + 400*len(p.keys))
	out.WriteString("<ListBucketResult" + namespace + ">")
	inline(out, "Name", c.bucket, "Prefix", name(prefix), "KeyCount", strconv.Itoa(len(p.keys)+len(p.prefixes)),
		"MaxKeys", strconv.Itoa(limit), "IsTruncated", strconv.FormatBool(p.last != ""))
	if delimiter != "" {
		inline(out, "Delimiter", name(delimiter))
	}
	if query.Has("encoding-type") {
		inline(out, "EncodingType", "url")
	}
	if p.last != "" {
		inline(
			out,
			"NextContinuationToken",
			base64.RawURLEncoding.EncodeToString([]byte(p.last)),
			"NextMarker",
			name(p.last),
		)
	}
	for _, key := range p.keys {
		o := b.objects[key]
		element(out, "Contents", "Key", name(key), "LastModified", formatTime(o.modified), "ETag", o.etag,
			"Size", strconv.FormatInt(o.size, 10), "StorageClass", "STANDARD")
	}
	for _, prefix := range p.prefixes {
		element(out, "CommonPrefixes", "Prefix", name(prefix))
	}
	out.WriteString("</ListBucketResult>")
	return succeeded(out.String()), nil
}

// page is part of a listing; last is the key or prefix it ends with if more follows.
type page struct {
	keys, prefixes []string
	last           string
}

func (b *bucket) page(prefix, delimiter, after string, limit int) page {
	var p page
	keys := b.sorted()
	i := sort.SearchStrings(keys, prefix)
	if after >= prefix {
		i = sort.Search(len(keys), func(i int) bool { return keys[i] > after })
	}
	if delimiter != "" && strings.HasSuffix(after, delimiter) && strings.HasPrefix(after, prefix) {
		i = firstAfter(keys, after)
	}
	last := ""
	for i < len(keys) && strings.HasPrefix(keys[i], prefix) {
		if len(p.keys)+len(p.prefixes) == limit {
			p.last = last
			break
		}
		key := keys[i]
		if rest := key[len(prefix):]; delimiter != "" && strings.Contains(rest, delimiter) {
			last = prefix + rest[:strings.Index(rest, delimiter)+len(delimiter)]
			p.prefixes = append(p.prefixes, last)
			i = firstAfter(keys, last)
			continue
		}
		last = key
		p.keys = append(p.keys, key)
		i++
	}
	return p
}

// firstAfter is the index of the first key after all that begin with a prefix.
func firstAfter(keys []string, prefix string) int {
	return sort.Search(len(keys), func(i int) bool { return keys[i] > prefix && !strings.HasPrefix(keys[i], prefix) })
}

// inline writes elements from alternating names and texts.
func inline(b *bytes.Buffer, children ...string) {
	for i := 0; i < len(children); i += 2 {
		b.WriteString("<" + children[i] + ">")
		escape(b, children[i+1])
		b.WriteString("</" + children[i] + ">")
	}
}

func (c *call) listBuckets() response {
	b := bytes.NewBufferString("<ListAllMyBucketsResult" + namespace + "><Buckets>")
	for _, name := range slices.Sorted(maps.Keys(c.n.buckets)) {
		element(b, "Bucket", "Name", name, "CreationDate", "2026-01-01T00:00:00.000Z")
	}
	b.WriteString("</Buckets></ListAllMyBucketsResult>")
	return succeeded(b.String())
}
