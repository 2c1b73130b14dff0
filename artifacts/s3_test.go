package artifacts

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/carlin-cicd/runner/runner/awstest"
)

// newBucket is a store in a bucket of its own, and a client to look at it from another side.
func newBucket(t testing.TB, versioned bool, prefix string) (*S3, *s3.Client) {
	t.Helper()
	awstest.Moto(t)
	cfg, err := config.LoadDefaultConfig(t.Context())
	must(t, err)
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	name := "bucket-" + strings.ToLower(rand.Text())
	_, err = client.CreateBucket(t.Context(), &s3.CreateBucketInput{
		Bucket: &name, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: awstest.Region},
	})
	must(t, err)
	if versioned {
		_, err = client.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
			Bucket: &name, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
		})
		must(t, err)
	}
	store, err := NewS3(t.Context(), cfg, name, prefix, S3Options{})
	must(t, err)
	return store, client
}

// everyBucket runs a test in a bucket of each kind.
func everyBucket(t *testing.T, test func(t *testing.T, s *S3, client *s3.Client)) {
	for _, versioned := range []bool{false, true} {
		t.Run(fmt.Sprintf("versioned %v", versioned), func(t *testing.T) {
			s, client := newBucket(t, versioned, "some/prefix")
			test(t, s, client)
		})
	}
}

// objects returns all objects of the bucket under the store's prefix.
func objects(t testing.TB, s *S3, client *s3.Client) files {
	t.Helper()
	out := files{}
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &s.bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		must(t, err)
		for _, o := range page.Contents {
			got, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &s.bucket, Key: o.Key})
			must(t, err)
			b, err := io.ReadAll(got.Body)
			must(t, err)
			out[strings.TrimPrefix(*o.Key, s.prefix+"/")] = string(b)
		}
	}
	return out
}

func TestObjectsInABucket(t *testing.T) {
	everyBucket(t, func(t *testing.T, s *S3, client *s3.Client) {
		large := make([]byte, 3*partSize+17)
		rand.Read(large)
		for name, body := range map[string][]byte{
			"empty": {}, "small": []byte("small"), "dir/with space+plus%percent/ünïcode~(1)'*!": []byte("x"),
			"at the seam": make([]byte, smallObject), "beyond it": make([]byte, smallObject+1), "one part": make([]byte, partSize), "large": large,
			strings.Repeat("k", 1000-len("some/prefix/")): []byte("a long key"),
		} {
			version, err := s.Put(t.Context(), Object{Key: name, Body: bytes.NewReader(body), Size: int64(len(body)), Type: "text/css", CacheControl: "no-cache"})
			must(t, err)
			got := readAll(t, s, name)
			if !bytes.Equal(got, body) {
				t.Errorf("%.40q: %d bytes are not the %d stored", name, len(got), len(body))
			}
			head, err := client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &s.bucket, Key: aws.String(s.key(name))})
			must(t, err)
			if aws.ToString(head.ContentType) != "text/css" || aws.ToString(head.CacheControl) != "no-cache" || without(aws.ToString(head.VersionId), "null") != version {
				t.Errorf("%.40q: %q, %q, version %q, want %q", name, *head.ContentType, *head.CacheControl, aws.ToString(head.VersionId), version)
			}
			must(t, s.Delete(t.Context(), name))
			if _, err := s.Get(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%.40q after its deletion: %v", name, err)
			}
		}
	})
}

func readAll(t testing.TB, s Store, key string) []byte {
	t.Helper()
	r, err := s.Get(t.Context(), key)
	must(t, err)
	defer r.Close()
	b, err := io.ReadAll(r)
	must(t, err)
	return b
}

func TestPublishToABucket(t *testing.T) {
	everyBucket(t, func(t *testing.T, s *S3, client *s3.Client) {
		first := files{"index.html": "1", "lib/a.js": "a", "lib/b.js": "b", "gone.txt": "gone", "dir/file": "below"}
		second := files{"index.html": "2", "lib/a.js": "a", "lib/b.js": "bb", "new": "new", "dir": "a file now"}
		dir := first.dir(t)
		set := coverage("feature/x", sha1, dir)
		p := publishOK(t, s, set)
		if p.Uploaded != 5 || p.Mirrored.Uploaded != 5 {
			t.Errorf("%+v, %+v", p.Counts, p.Mirrored)
		}
		holds := func(want files) {
			t.Helper()
			equal(t, "bucket", objects(t, s, client).without("manifests/"), merge(want.under("coverage/feature/x/"+sha1), want.under("coverage/feature/x/latest")))
		}
		holds(first)
		second.write(t, dir)
		p = publishOK(t, s, set)
		if p.Uploaded != 4 || p.Unchanged != 1 || p.Removed != 2 {
			t.Errorf("%+v, %+v", p.Counts, p.Mirrored)
		}
		holds(second)
		out := filepath.Join(t.TempDir(), "out")
		_, err := Fetch(t.Context(), s, "coverage", set.Ref, out)
		must(t, err)
		equal(t, "fetched", read(t, out), second)
		if problems, err := Verify(t.Context(), s, "coverage", set.Ref); err != nil || len(problems) > 0 {
			t.Errorf("%v, %v", problems, err)
		}
		if n := len(objects(t, s, client)) - 2*len(second); n != 3 {
			t.Errorf("%d records, want the manifest, the newest set's and the mirror's", n)
		}
	})
}

// A set in a versioned bucket outlives what is done to its objects.
func TestVersionsKeepASetWhole(t *testing.T) {
	s, _ := newBucket(t, true, "")
	dir := files{"a": "1", "b": "2"}.dir(t)
	set := Set{Kind: "builds", Ref: Ref{"main", sha1}, Dir: dir}
	publishOK(t, s, set)
	mustPut(t, s, object(SetKey("builds", set.Ref)+"/a", "another"))
	must(t, s.Delete(t.Context(), SetKey("builds", set.Ref)+"/b"))
	out := t.TempDir()
	_, err := Fetch(t.Context(), s, "builds", set.Ref, out)
	must(t, err)
	equal(t, "fetched", read(t, out), files{"a": "1", "b": "2"})
}

func TestConditionalPut(t *testing.T) {
	s, _ := newBucket(t, false, "")
	o := object("k", "1")
	o.IfAbsent = true
	mustPut(t, s, o)
	o.Body.Seek(0, io.SeekStart)
	if _, err := s.Put(t.Context(), o); !errors.Is(err, fs.ErrExist) {
		t.Errorf("the second: %v", err)
	}
}

func TestManyDeletions(t *testing.T) {
	s, client := newBucket(t, false, "p")
	keys := make([]string, 1100)
	must(t, each(t.Context(), 16, len(keys), func(ctx context.Context, i int) error {
		keys[i] = fmt.Sprintf("k/%d", i)
		_, err := s.Put(ctx, object(keys[i], "x"))
		return err
	}))
	mustPut(t, s, object("stays", "x"))
	must(t, s.Delete(t.Context(), append(keys, "never/was")...))
	equal(t, "bucket", objects(t, s, client), files{"stays": "x"})
}

func TestErrorsOfABucketSayWhatToDo(t *testing.T) {
	awstest.Moto(t)
	cfg, err := config.LoadDefaultConfig(t.Context())
	must(t, err)
	lost, err := NewS3(t.Context(), cfg, "no-such-bucket-here", "", S3Options{})
	must(t, err)
	_, err = lost.Put(t.Context(), object("k", "v"))
	var hinted interface{ Hint() string }
	if !errors.As(err, &hinted) || !strings.Contains(err.Error(), "NoSuchBucket") || !strings.Contains(hinted.Hint(), "create the bucket no-such-bucket-here") {
		t.Errorf("%v, hint %v", err, hinted)
	}
	if _, err := lost.Get(t.Context(), "k"); errors.Is(err, fs.ErrNotExist) {
		t.Error("a missing bucket is taken for a missing object")
	}
}
