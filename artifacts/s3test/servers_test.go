package s3test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// servers are the real ones and Null, which has to behave as they do.
func servers(t *testing.T) []Bucket {
	t.Helper()
	return append(
		Buckets(t),
		Bucket{Server: "null", Name: "bucket", Endpoint: (&Null{KeepSmall: true}).Start(t)},
		Bucket{
			Server:    "null versioned",
			Name:      "bucket",
			Endpoint:  (&Null{KeepSmall: true, Versioned: true}).Start(t),
			Versioned: true,
		},
	)
}

func onEach(t *testing.T, test func(t *testing.T, b Bucket, c *s3.Client)) {
	for _, b := range servers(t) {
		t.Run(b.Server, func(t *testing.T) { test(t, b, b.Client()) })
	}
}

func put(t *testing.T, c *s3.Client, b Bucket, key, content string) *s3.PutObjectOutput {
	t.Helper()
	out, err := c.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: &b.Name, Key: &key, Body: strings.NewReader(content), ContentType: aws.String("text/plain"),
		Metadata: map[string]string{"mode": "0644"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// code is S3's word for an error, "" for none.
func code(err error) string {
	var e smithy.APIError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.ErrorCode()
	}
	return err.Error()
}

func TestPutObjectIsReturnedWithItsMetadata(t *testing.T) {
	onEach(t, func(t *testing.T, b Bucket, c *s3.Client) {
		const key = "manifests/builds/feature/ä b+c&d/1.json"
		out := put(t, c, b, key, "content")
		if want := `"9a0364b9e99bb480dd25e1f0284c8555"`; *out.ETag != want {
			t.Errorf("its ETag is %s, not the MD5 %s", *out.ETag, want)
		}
		if (out.VersionId != nil) != b.Versioned {
			t.Errorf("its version is %v", out.VersionId)
		}
		got, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &b.Name, Key: aws.String(key)})
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(got.Body)
		if string(content) != "content" || err != nil {
			t.Errorf("got %q, %v", content, err)
		}
		if *got.ContentType != "text/plain" || got.Metadata["mode"] != "0644" {
			t.Errorf("its header is %v %v", *got.ContentType, got.Metadata)
		}
		head, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &b.Name, Key: aws.String(key)})
		if err != nil || *head.ContentLength != 7 || *head.ETag != *out.ETag {
			t.Errorf("head: %v, %v", head, err)
		}
		some, err := c.GetObject(
			t.Context(),
			&s3.GetObjectInput{Bucket: &b.Name, Key: aws.String(key), Range: aws.String("bytes=3-")},
		)
		if err != nil {
			t.Fatal(err)
		}
		if content, _ := io.ReadAll(some.Body); string(content) != "tent" {
			t.Errorf("the range is %q", content)
		}
	})
}

func TestMissingObjects(t *testing.T) {
	onEach(t, func(t *testing.T, b Bucket, c *s3.Client) {
		_, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &b.Name, Key: aws.String("none")})
		var none *types.NoSuchKey
		if !errors.As(err, &none) {
			t.Errorf("get: %v", err)
		}
		_, err = c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &b.Name, Key: aws.String("none")})
		if code(err) != "NotFound" {
			t.Errorf("head: %v", err)
		}
		if _, err = c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &b.Name, Key: aws.String("none")}); err != nil {
			t.Errorf("delete: %v", err)
		}
	})
}

func TestConditionalWrites(t *testing.T) {
	onEach(t, func(t *testing.T, b Bucket, c *s3.Client) {
		write := func(key, none, match string) error {
			in := &s3.PutObjectInput{Bucket: &b.Name, Key: &key, Body: strings.NewReader("new")}
			if none != "" {
				in.IfNoneMatch = &none
			}
			if match != "" {
				in.IfMatch = &match
			}
			_, err := c.PutObject(t.Context(), in)
			return err
		}
		old := *put(t, c, b, "locks/there", "old").ETag
		for _, check := range []struct{ when, key, none, match, code string }{
			{"there must be none, there is one", "locks/there", "*", "", "PreconditionFailed"},
			{"there must be none, there is none", "locks/first", "*", "", ""},
			{"there must be none, the first won", "locks/first", "*", "", "PreconditionFailed"},
			{"it must be another", "locks/there", "", `"0123456789abcdef0123456789abcdef"`, "PreconditionFailed"},
			{"it must be the one that is there", "locks/there", "", old, ""},
			{"it must be the one that was there", "locks/there", "", old, "PreconditionFailed"},
			{"it must be one, there is none", "locks/none", "", old, "NoSuchKey"},
		} {
			if got := code(write(check.key, check.none, check.match)); got != check.code {
				t.Errorf("%s: %q, not %q", check.when, got, check.code)
			}
		}
	})
}

func TestListIsSortedAndCompleteAcrossPages(t *testing.T) {
	onEach(t, func(t *testing.T, b Bucket, c *s3.Client) {
		keys := []string{"a/1", "a/2", "a/b/3", "a/b/4", "a/c d+e", "a0", "b/5"}
		for i, key := range keys {
			put(t, c, b, key, strings.Repeat("x", i))
		}
		for _, check := range []struct {
			when              string
			prefix, delimiter string
			keys, prefixes    []string
		}{
			{"all", "", "", keys, nil},
			{"a folder with what is below it", "a/", "", keys[:5], nil},
			{"a folder", "a/", "/", []string{"a/1", "a/2", "a/c d+e"}, []string{"a/b/"}},
			{"the top", "", "/", []string{"a0"}, []string{"a/", "b/"}},
			{"nothing", "c/", "", nil, nil},
		} {
			for limit := int32(1); limit < 9; limit++ {
				var got, prefixes []string
				pages := s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{
					Bucket: &b.Name, Prefix: &check.prefix, Delimiter: &check.delimiter, MaxKeys: &limit,
				})
				for pages.HasMorePages() {
					page, err := pages.NextPage(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					for _, o := range page.Contents {
						got = append(got, *o.Key)
						if i := slices.Index(keys, *o.Key); *o.Size != int64(i) ||
							len(strings.Trim(*o.ETag, `"`)) != 32 {
							t.Errorf("%s has %d bytes and the ETag %s", *o.Key, *o.Size, *o.ETag)
						}
					}
					for _, p := range page.CommonPrefixes {
						prefixes = append(prefixes, *p.Prefix)
					}
				}
				if !slices.Equal(got, check.keys) || !slices.Equal(prefixes, check.prefixes) {
					t.Errorf("%s, %d at a time: %q %q", check.when, limit, got, prefixes)
				}
			}
		}
	})
}

func TestDeleteObjects(t *testing.T) {
	onEach(t, func(t *testing.T, b Bucket, c *s3.Client) {
		for i := range 3 {
			put(t, c, b, fmt.Sprint("a/", i), "x")
		}
		out, err := c.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: &b.Name, Delete: &types.Delete{
			Objects: []types.ObjectIdentifier{
				{Key: aws.String("a/0")},
				{Key: aws.String("a/2")},
				{Key: aws.String("never")},
			},
		}})
		if err != nil || len(out.Errors) > 0 || len(out.Deleted) != 3 {
			t.Fatalf("%v, %v", out, err)
		}
		if keys := b.Keys(t); len(keys) != 1 || keys[0] != "a/1" {
			t.Errorf("left: %q", keys)
		}
	})
}

func TestMultipartUpload(t *testing.T) {
	onEach(t, func(t *testing.T, b Bucket, c *s3.Client) {
		key := aws.String("builds/large")
		create, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{
			Bucket: &b.Name, Key: key, ContentType: aws.String("application/zip"),
		})
		if err != nil {
			t.Fatal(err)
		}
		var parts []types.CompletedPart
		for i, size := range []int{5 << 20, 5 << 20, 3} {
			out, err := c.UploadPart(t.Context(), &s3.UploadPartInput{
				Bucket: &b.Name, Key: key, UploadId: create.UploadId, PartNumber: aws.Int32(int32(i + 1)),
				Body: bytes.NewReader(make([]byte, size)),
			})
			if err != nil {
				t.Fatal(err)
			}
			parts = append(
				parts,
				types.CompletedPart{
					PartNumber:    aws.Int32(int32(i + 1)),
					ETag:          out.ETag,
					ChecksumCRC32: out.ChecksumCRC32,
				},
			)
		}
		complete := func(parts ...types.CompletedPart) (*s3.CompleteMultipartUploadOutput, error) {
			return c.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{
				Bucket: &b.Name, Key: key, UploadId: create.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
			})
		}
		if _, err := complete(types.CompletedPart{PartNumber: aws.Int32(9), ETag: parts[0].ETag}); code(
			err,
		) != "InvalidPart" {
			t.Errorf("with a part that was never sent: %v", err)
		}
		swapped := []types.CompletedPart{parts[0], {PartNumber: parts[1].PartNumber, ETag: parts[2].ETag}, parts[2]}
		if _, err := complete(swapped...); code(err) != "InvalidPart" {
			t.Errorf("with the ETag of another part: %v", err)
		}
		if keys := b.Keys(t); len(keys) > 0 {
			t.Errorf("before it is complete there is %q", keys)
		}
		out, err := complete(parts...)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(*out.ETag, `-3"`) {
			t.Errorf("its ETag is %s", *out.ETag)
		}
		head, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &b.Name, Key: key})
		if err != nil || *head.ContentLength != 10<<20+3 || *head.ContentType != "application/zip" {
			t.Errorf("head: %v, %v", head, err)
		}
	})
}

func TestAbortedUploadLeavesNothing(t *testing.T) {
	onEach(t, func(t *testing.T, b Bucket, c *s3.Client) {
		key := aws.String("builds/large")
		create, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &b.Name, Key: key})
		if err != nil {
			t.Fatal(err)
		}
		open, err := c.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &b.Name})
		if err != nil || len(open.Uploads) != 1 || *open.Uploads[0].Key != *key {
			t.Errorf("open uploads: %v, %v", open, err)
		}
		if _, err := c.AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{Bucket: &b.Name, Key: key, UploadId: create.UploadId}); err != nil {
			t.Fatal(err)
		}
		_, err = c.UploadPart(t.Context(), &s3.UploadPartInput{
			Bucket: &b.Name, Key: key, UploadId: create.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader("x"),
		})
		if want := "NoSuchUpload"; err == nil ||
			code(err) != want && !strings.HasPrefix(b.Server, "moto") { // moto breaks down
			t.Errorf("a part of it: %v, not %s", err, want)
		}
	})
}
