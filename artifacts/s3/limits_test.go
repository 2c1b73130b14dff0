package s3

import (
	"bytes"
	"context"
	"io"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/s3test"
)

// counted is a store in a server of no account, in a versioned bucket as the cluster's is.
func counted(t testing.TB) (*Store, *s3test.Null) {
	null := &s3test.Null{Versioned: true}
	return storeAt(t, null.Start(t), "bucket", time.Minute), null
}

// What a bucket asks of its objects is on each of them, however it is sent.
func TestObjectsHaveTheRequestedSettings(t *testing.T) {
	s, proxy := behind(t)
	s.options = Options{
		Encryption:   "aws:kms",
		KMSKey:       "alias/ci",
		StorageClass: "STANDARD_IA",
		Tags:         "team=web",
		BucketOwner:  "123456789012",
	}
	for name, put := range map[string]struct {
		size      int
		streams   bool
		operation string
	}{
		"small": {10, false, "PutObject"}, "streamed": {maxSmall + 1, true, "PutObject"}, "in parts": {maxSmall + partSize, false, "CreateMultipartUpload"},
	} {
		t.Run(name, func(t *testing.T) {
			proxy.ClearSeen()
			s.streaming = put.streams
			artifactstest.Put(
				t,
				s,
				artifacts.Object{
					Key:          "k",
					Body:         bytes.NewReader(make([]byte, put.size)),
					Size:         int64(put.size),
					Type:         "text/css",
					CacheControl: "no-cache",
				},
			)
			h := s3test.Only(put.operation, proxy.Seen())[0].Header
			for header, want := range map[string]string{
				"X-Amz-Server-Side-Encryption": "aws:kms", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "alias/ci", "X-Amz-Storage-Class": "STANDARD_IA",
				"X-Amz-Tagging": "team=web", "X-Amz-Expected-Bucket-Owner": "123456789012", "Content-Type": "text/css", "Cache-Control": "no-cache",
			} {
				if got := h.Get(header); got != want {
					t.Errorf("%s is %q, want %q", header, got, want)
				}
			}
		})
	}
}

// A body that is in memory already is not copied: it is stored while all memory for copies is taken.
func TestAResidentBodyIsNotCopied(t *testing.T) {
	bucket := s3test.Buckets(t)[0]
	s := storeAt(t, bucket.Endpoint, bucket.Name, time.Minute)
	text := random(1 << 20)
	artifactstest.Must(t, s.rest.memory.free.Acquire(t.Context(), s.rest.memory.limit))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := s.Put(ctx, artifacts.Object{Key: "k", Body: &residentBody{bytes.NewReader(text), text}, Size: int64(len(text))})
	artifactstest.Must(t, err)
	r, err := s.Get(t.Context(), "k")
	artifactstest.Must(t, err)
	defer r.Close()
	stored, err := io.ReadAll(r)
	artifactstest.Must(t, err)
	if !bytes.Equal(stored, text) {
		t.Errorf("%d bytes were stored as %d others", len(text), len(stored))
	}
}

type residentBody struct {
	*bytes.Reader
	text []byte
}

func (b *residentBody) Content() []byte { return b.text }
