package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/carlin-cicd/runner/artifacts/s3test"
)

// floor is the least a correct client can do with Go's HTTP: list what is there, send what differs with its SHA-256
// signed, remove what is gone. It knows no retry, no manifest and no checks.
type floor struct {
	endpoint *url.URL
	bucket   string
	http     *http.Client
	date     string // of the key
	key      []byte
}

const (
	connections = 128
	partSize    = 16 << 20
	atOnce      = 8 // parts
)

func newFloor(endpoint, bundle, bucket string) (*floor, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, err
	}
	t := &http.Transport{
		MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections, DisableCompression: true, WriteBufferSize: 64 << 10,
	}
	if bundle != "" {
		pem, err := os.ReadFile(bundle)
		if err != nil {
			return nil, err
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		t.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	f := &floor{
		endpoint: u,
		bucket:   bucket,
		http:     &http.Client{Transport: t},
		date:     time.Now().UTC().Format("20060102"),
	}
	f.key = []byte("AWS4" + s3test.SecretAccessKey)
	for _, part := range []string{f.date, s3test.Region, "s3", "aws4_request"} {
		f.key = mac(f.key, part)
	}
	return f, nil
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// runFloor is the process: "floor DIR BUCKET PREFIX".
func runFloor(ctx context.Context, args []string) error {
	f, err := newFloor(os.Getenv("AWS_ENDPOINT_URL"), os.Getenv("AWS_CA_BUNDLE"), args[1])
	if err != nil {
		return err
	}
	return f.sync(ctx, args[0], args[2])
}

func (f *floor) sync(ctx context.Context, dir, prefix string) error {
	there, err := f.list(ctx, prefix)
	if err != nil {
		return err
	}
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(connections)
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		relative, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		key := prefix + filepath.ToSlash(relative)
		old, known := there[key]
		delete(there, key)
		g.Go(func() error { return f.upload(inner, path, key, old, known) })
		return inner.Err()
	})
	if err := firstOf(g.Wait(), err); err != nil {
		return err
	}
	return f.delete(ctx, there)
}

// upload uploads a file unless it is the one that is there.
func (f *floor) upload(ctx context.Context, path, key string, old listed, known bool) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.Size() > partSize {
		return f.parts(ctx, file, info.Size(), key)
	}
	var content io.ReadSeeker = file
	if info.Size() <= 64<<10 {
		whole, err := io.ReadAll(file)
		if err != nil {
			return err
		}
		content = bytes.NewReader(whole)
	}
	if known && old.size == info.Size() {
		sum, err := digest(md5.New(), content)
		if err != nil || sum == old.etag {
			return err
		}
	}
	_, err = f.send(ctx, http.MethodPut, key, nil, content, info.Size())
	return err
}

func (f *floor) parts(ctx context.Context, file *os.File, size int64, key string) error {
	answer, err := f.send(ctx, http.MethodPost, key, url.Values{"uploads": {""}}, bytes.NewReader(nil), 0)
	if err != nil {
		return err
	}
	var created struct{ UploadId string } //nolint:revive // as S3 spells it
	if err := xml.Unmarshal(answer.body, &created); err != nil {
		return err
	}
	n := int((size + partSize - 1) / partSize)
	etags := make([]string, n)
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i := range n {
		g.Go(func() error {
			length := min(partSize, size-int64(i)*partSize)
			query := url.Values{"partNumber": {strconv.Itoa(i + 1)}, "uploadId": {created.UploadId}}
			part := io.NewSectionReader(file, int64(i)*partSize, length)
			answer, err := f.send(inner, http.MethodPut, key, query, part, length)
			etags[i] = answer.etag
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	var body bytes.Buffer
	body.WriteString("<CompleteMultipartUpload>")
	for i, etag := range etags {
		fmt.Fprintf(&body, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", i+1, etag)
	}
	body.WriteString("</CompleteMultipartUpload>")
	query := url.Values{"uploadId": {created.UploadId}}
	_, err = f.send(ctx, http.MethodPost, key, query, bytes.NewReader(body.Bytes()), int64(body.Len()))
	return err
}

type listed struct {
	size int64
	etag string
}

func (f *floor) list(ctx context.Context, prefix string) (map[string]listed, error) {
	there := map[string]listed{}
	query := url.Values{"list-type": {"2"}, "prefix": {prefix}}
	for {
		answer, err := f.send(ctx, http.MethodGet, "", query, bytes.NewReader(nil), 0)
		if err != nil {
			return nil, err
		}
		var page struct {
			NextContinuationToken string
			Contents              []struct {
				Key, ETag string
				Size      int64
			}
		}
		if err := xml.Unmarshal(answer.body, &page); err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			there[o.Key] = listed{o.Size, strings.Trim(o.ETag, `"`)}
		}
		if page.NextContinuationToken == "" {
			return there, nil
		}
		query.Set("continuation-token", page.NextContinuationToken)
	}
}

func (f *floor) delete(ctx context.Context, gone map[string]listed) error {
	if len(gone) == 0 {
		return nil
	}
	var body bytes.Buffer
	body.WriteString("<Delete><Quiet>true</Quiet>")
	for key := range gone {
		body.WriteString("<Object><Key>")
		_ = xml.EscapeText(&body, []byte(key))
		body.WriteString("</Key></Object>")
	}
	body.WriteString("</Delete>")
	query := url.Values{"delete": {""}}
	_, err := f.send(ctx, http.MethodPost, "", query, bytes.NewReader(body.Bytes()), int64(body.Len()))
	return err
}

type reply struct {
	etag string
	body []byte
}

var copies = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

func digest(h hash.Hash, from io.ReadSeeker) (string, error) {
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	p := copies.Get().(*[]byte)
	defer copies.Put(p)
	// The struct hides io.WriterTo, which a file would answer with buffers of its own.
	if _, err := io.CopyBuffer(h, struct{ io.Reader }{from}, *p); err != nil {
		return "", err
	}
	sum := hex.EncodeToString(h.Sum(nil))
	_, err := from.Seek(0, io.SeekStart)
	return sum, err
}

// send signs a request with Signature Version 4, its body included.
func (f *floor) send(
	ctx context.Context, method, key string, query url.Values, content io.ReadSeeker, size int64,
) (reply, error) {
	sum, err := digest(sha256.New(), content)
	if err != nil {
		return reply{}, err
	}
	u := *f.endpoint
	u.Path = "/" + f.bucket
	if key != "" {
		u.Path += "/" + key
	}
	u.RawPath = escapePath(u.Path)
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	r, err := http.NewRequestWithContext(ctx, method, u.String(), io.NopCloser(content))
	if err != nil {
		return reply{}, err
	}
	r.ContentLength = size
	if size == 0 {
		r.Body = http.NoBody
	}
	stamp := time.Now().UTC().Format("20060102T150405Z")
	signed, checksum := "host;x-amz-content-sha256;x-amz-date", ""
	if query.Has("delete") {
		// S3 wants one with this request and no other.
		raw, err := hex.DecodeString(sum)
		if err != nil {
			return reply{}, err
		}
		r.Header["X-Amz-Checksum-Sha256"] = []string{base64.StdEncoding.EncodeToString(raw)}
		signed = "host;x-amz-checksum-sha256;x-amz-content-sha256;x-amz-date"
		checksum = "\nx-amz-checksum-sha256:" + r.Header.Get("X-Amz-Checksum-Sha256")
	}
	scope := f.date + "/" + s3test.Region + "/s3/aws4_request"
	canonical := sha256.Sum256([]byte(method + "\n" + u.RawPath + "\n" + u.RawQuery + "\nhost:" + u.Host + checksum +
		"\nx-amz-content-sha256:" + sum + "\nx-amz-date:" + stamp + "\n\n" + signed + "\n" + sum))
	signature := mac(f.key, "AWS4-HMAC-SHA256\n"+stamp+"\n"+scope+"\n"+hex.EncodeToString(canonical[:]))
	r.Header["X-Amz-Content-Sha256"] = []string{sum}
	r.Header["X-Amz-Date"] = []string{stamp}
	r.Header["Authorization"] = []string{"AWS4-HMAC-SHA256 Credential=" + s3test.AccessKeyID + "/" + scope +
		", SignedHeaders=" + signed + ", Signature=" + hex.EncodeToString(signature)}
	answer, err := f.http.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %s", method, key, answer.Status, body)
	}
	return reply{answer.Header.Get("Etag"), body}, err
}

// escapePath is URL encoding as Signature Version 4 wants it.
func escapePath(path string) string {
	var b strings.Builder
	for i := range len(path) {
		switch c := path[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("/-_.~", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func isClosed(err error) bool {
	return errors.Is(err, net.ErrClosed) || errors.Is(err, http.ErrServerClosed)
}
