package s3

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/keys"

	mathrand "math/rand/v2"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"github.com/carlin-cicd/runner/artifacts/s3test"
)

// inBucket is a store in a bucket, with the test's environment set up for it.
func inBucket(t *testing.T, b s3test.Bucket, prefix string) *Store {
	t.Helper()
	b.Setenv(t)
	s, err := openBucket("s3://"+b.Name, Options{})
	artifactstest.Must(t, err)
	s.prefix = prefix
	return s
}

// everyBucket runs a test in a bucket on each server there is.
func everyBucket(t *testing.T, test func(t *testing.T, s *Store, client *s3.Client)) {
	for _, b := range s3test.Buckets(t) {
		t.Run(b.Server, func(t *testing.T) { test(t, inBucket(t, b, "some/prefix"), b.Client()) })
	}
}

// objects returns all objects of the bucket under the store's prefix.
func objects(t testing.TB, s *Store, client *s3.Client) artifactstest.Files {
	t.Helper()
	out := artifactstest.Files{}
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &s.bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		artifactstest.Must(t, err)
		for _, o := range page.Contents {
			got, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &s.bucket, Key: o.Key})
			artifactstest.Must(t, err)
			b, err := io.ReadAll(got.Body)
			artifactstest.Must(t, err)
			out[strings.TrimPrefix(*o.Key, s.prefix+"/")] = string(b)
		}
	}
	return out
}

func TestPutGetDelete(t *testing.T) {
	everyBucket(t, func(t *testing.T, s *Store, client *s3.Client) {
		large := make([]byte, 3*partSize+17)
		rand.Read(large)
		for name, body := range map[string][]byte{
			"empty": {}, "small": []byte("small"), "dir/with space+plus%percent/ünïcode~(1)'*!": []byte("x"),
			"at the seam": make([]byte, maxSmall), "beyond it": make([]byte, maxSmall+1), "one part": make([]byte, partSize), "large": large,
			strings.Repeat(strings.Repeat("k", 123)+"/", 8)[:1000-len("some/prefix/")] + "/x": []byte("a long key"),
		} {
			version, err := s.Put(
				t.Context(),
				artifacts.Object{
					Key:          name,
					Body:         bytes.NewReader(body),
					Size:         int64(len(body)),
					Type:         "text/css",
					CacheControl: "no-cache",
				},
			)
			artifactstest.Must(t, err)
			got := readAll(t, s, name)
			if !bytes.Equal(got, body) {
				t.Errorf("%.40q: %d bytes are not the %d stored", name, len(got), len(body))
			}
			head, err := client.HeadObject(
				t.Context(),
				&s3.HeadObjectInput{Bucket: &s.bucket, Key: aws.String(s.key(name))},
			)
			artifactstest.Must(t, err)
			if aws.ToString(head.ContentType) != "text/css" || aws.ToString(head.CacheControl) != "no-cache" ||
				without(aws.ToString(head.VersionId), "null") != version {
				t.Errorf(
					"%.40q: %q, %q, version %q, want %q",
					name,
					*head.ContentType,
					*head.CacheControl,
					aws.ToString(head.VersionId),
					version,
				)
			}
			artifactstest.Must(t, s.Delete(t.Context(), name))
			if _, err := s.Get(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%.40q after its deletion: %v", name, err)
			}
		}
	})
}

func readAll(t testing.TB, s artifacts.Store, key string) []byte {
	t.Helper()
	r, err := s.Get(t.Context(), key)
	artifactstest.Must(t, err)
	defer r.Close()
	b, err := io.ReadAll(r)
	artifactstest.Must(t, err)
	return b
}

func TestPublishToABucket(t *testing.T) {
	everyBucket(t, func(t *testing.T, s *Store, client *s3.Client) {
		first := artifactstest.Files{"index.html": "1", "lib/a.js": "a", "lib/b.js": "b", "gone.txt": "gone"}
		second := artifactstest.Files{"index.html": "2", "lib/a.js": "a", "lib/b.js": "bb", "new": "new", "new2": "new"}
		dir := first.Dir(t)
		set := artifactstest.CoverageSet("feature/x", artifactstest.SHA1, dir)
		p := artifactstest.Publish(t, s, set)
		if p.Uploaded != 4 || p.Mirrored.Uploaded != 4 {
			t.Errorf("%+v, %+v", p.Counts, p.Mirrored)
		}
		holds := func(want artifactstest.Files) {
			t.Helper()
			artifactstest.Equal(
				t,
				"bucket",
				objects(t, s, client).Without("manifests/", "locks/"),
				artifactstest.Merge(
					want.Under("coverage/feature/x/"+artifactstest.SHA1),
					want.Under("coverage/feature/x/latest"),
				),
			)
		}
		holds(first)
		second.Write(t, dir)
		p = artifactstest.Publish(t, s, set)
		if p.Uploaded != 4 || p.Unchanged != 1 || p.Removed != 1 {
			t.Errorf("%+v, %+v", p.Counts, p.Mirrored)
		}
		holds(second)
		out := filepath.Join(t.TempDir(), "out")
		_, err := artifacts.Fetch(t.Context(), s, "coverage", set.Ref, out, artifacts.FetchOptions{})
		artifactstest.Must(t, err)
		artifactstest.Equal(t, "fetched", artifactstest.Read(t, out), second)
		if problems, err := artifacts.Verify(t.Context(), s, "coverage", set.Ref); err != nil || len(problems) > 0 {
			t.Errorf("%v, %v", problems, err)
		}
		if n := len(objects(t, s, client).Without("locks/")) - 2*len(second); n != 3 {
			t.Errorf("%d records, want the manifest, the newest set's and the mirror's", n)
		}
	})
}

// A set in a versioned bucket outlives what is done to its objects.
func TestVersionsKeepASetWhole(t *testing.T) {
	s := inBucket(t, s3test.Buckets(t)[1], "")
	dir := artifactstest.Files{"a": "1", "b": "2"}.Dir(t)
	set := artifacts.Set{Kind: "builds", Ref: artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}, Dir: dir}
	artifactstest.Publish(t, s, set)
	artifactstest.Put(t, s, artifactstest.Object(keys.Set("builds", set.Ref)+"/a", "another"))
	artifactstest.Must(t, s.Delete(t.Context(), keys.Set("builds", set.Ref)+"/b"))
	out := t.TempDir()
	_, err := artifacts.Fetch(t.Context(), s, "builds", set.Ref, out, artifacts.FetchOptions{})
	artifactstest.Must(t, err)
	artifactstest.Equal(t, "fetched", artifactstest.Read(t, out), artifactstest.Files{"a": "1", "b": "2"})
}

func TestConditionalPut(t *testing.T) {
	s := inBucket(t, s3test.Buckets(t)[0], "")
	o := artifactstest.Object("k", "1")
	o.IfAbsent = true
	artifactstest.Put(t, s, o)
	o.Body.Seek(0, io.SeekStart)
	if _, err := s.Put(t.Context(), o); !errors.Is(err, fs.ErrExist) {
		t.Errorf("the second: %v", err)
	}
}

func TestManyDeletions(t *testing.T) {
	b := s3test.Buckets(t)[2]
	s, client := inBucket(t, b, "p"), b.Client()
	keys := make([]string, 1100)
	g, ctx := errgroup.WithContext(t.Context())
	g.SetLimit(16)
	for i := range keys {
		keys[i] = fmt.Sprintf("k/%d", i)
		g.Go(func() error {
			_, err := s.Put(ctx, artifactstest.Object(keys[i], "x"))
			return err
		})
	}
	artifactstest.Must(t, g.Wait())
	artifactstest.Put(t, s, artifactstest.Object("stays", "x"))
	artifactstest.Must(t, s.Delete(t.Context(), append(keys, "never/was")...))
	artifactstest.Equal(t, "bucket", objects(t, s, client), artifactstest.Files{"stays": "x"})
}

func TestErrorsHaveHints(t *testing.T) {
	b := s3test.Buckets(t)[2]
	b.Name = "no-such-bucket-here"
	lost := inBucket(t, b, "")
	_, err := lost.Put(t.Context(), artifactstest.Object("k", "v"))
	var hinted interface{ Hint() string }
	if !errors.As(err, &hinted) || !strings.Contains(err.Error(), "NoSuchBucket") ||
		!strings.Contains(hinted.Hint(), "create the bucket no-such-bucket-here") {
		t.Errorf("%v, hint %v", err, hinted)
	}
	if _, err := lost.Get(t.Context(), "k"); errors.Is(err, fs.ErrNotExist) {
		t.Error("a missing bucket is taken for a missing object")
	}
}

func TestCorruptUploadIsRetried(t *testing.T) {
	b := s3test.Buckets(t)[2] // it looks, as S3 does
	proxy := s3test.NewProxy(t, b.Endpoint, s3test.Rule{Method: "PUT", Times: 1, Fault: s3test.FlipRequest(3)})
	s := inBucket(t, b.At(proxy), "")
	artifactstest.Put(t, s, artifactstest.Object("k", "some text"))
	if got := readAll(t, s, "k"); string(got) != "some text" {
		t.Errorf("it is %q", got)
	}
	if n := proxy.Count()["PutObject"]; n != 2 {
		t.Errorf("%d requests", n)
	}
	s.streaming = true
	large := random(maxSmall + 1)
	proxy.Add(s3test.Rule{Method: "PUT", Times: 1, Fault: s3test.FlipRequest(1 << 20)})
	artifactstest.Put(t, s, artifacts.Object{Key: "large", Body: bytes.NewReader(large), Size: int64(len(large))})
	if !bytes.Equal(readAll(t, s, "large"), large) {
		t.Error("what is stored is damaged")
	}
	if n := proxy.Count()["PutObject"]; n != 4 {
		t.Errorf("%d requests", n)
	}
}

// What has not changed costs a look at the manifests and nothing else.
func TestUnchangedSetTakesThreeRequests(t *testing.T) {
	b := s3test.Buckets(t)[1]
	proxy := s3test.NewProxy(t, b.Endpoint)
	s := inBucket(t, b.At(proxy), "")
	content := artifactstest.Many(60, "x")
	set := artifactstest.CoverageSet("main", artifactstest.SHA1, content.Dir(t))
	artifactstest.Publish(t, s, set)
	proxy.ClearSeen()
	content.Write(t, set.Dir) // anew, as CI does
	p := artifactstest.Publish(t, s, set)
	if p.Unchanged != 60 || p.Mirrored.Unchanged != 60 || len(proxy.Seen()) != 3 {
		t.Errorf("%+v, %+v; requests: %v", p.Counts, p.Mirrored, proxy.Seen())
	}
	proxy.ClearSeen()
	content["lib/new"] = "new"
	content.Write(t, set.Dir)
	artifactstest.Publish(t, s, set)
	if n := proxy.Count()["PutObject"]; n > 2+10 {
		t.Errorf("%d objects stored for one new file and its mirror", n)
	}
}

func TestKilledPublishersLeaveOldNewOrNone(t *testing.T) {
	for _, b := range s3test.Buckets(t) {
		t.Run(b.Server, func(t *testing.T) {
			s := inBucket(t, b, "")
			contents := map[string]artifactstest.Files{
				"a": artifactstest.Many(20, "a"),
				"b": artifactstest.Many(15, "b"),
			}
			rounds := 8
			if strings.HasPrefix(b.Server, "versitygw") { // it takes large files and many requests lightly
				rounds = 20
				contents["a"]["large"] = string(random(2*partSize + 1))
				contents["b"]["large"] = string(random(2*partSize + 2))
			}
			contents["b"]["only/in/b"] = "b"
			dirs := map[string]string{"a": contents["a"].Dir(t), "b": contents["b"].Dir(t)}
			began := time.Now()
			artifactstest.Publish(t, s, artifactstest.CoverageSet("main", artifactstest.SHA1, dirs["a"]))
			whole := time.Since(began)

			ref := artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}
			seen := map[string]int{}
			for i := range rounds {
				name := []string{"b", "a"}[i%2]
				cmd, _ := artifactstest.StartPublisher(t, "s3://"+b.Name, dirs[name])
				time.Sleep(time.Duration(mathrand.Int64N(int64(whole))))
				cmd.Process.Kill()
				cmd.Wait()
				is := artifactstest.SetState(t, s, "coverage", ref, contents)
				seen[is]++
				if is == "none" && b.Versioned {
					t.Error("the old set is gone before the new one is there")
				}
				if i%4 != 3 {
					continue
				}
				other := []string{"a", "b"}[i/4%2]
				artifactstest.Publish(t, s, artifactstest.CoverageSet("main", artifactstest.SHA1, dirs[other]))
				got := objects(t, s, b.Client())
				artifactstest.Equal(
					t,
					"after repair",
					got.Without("manifests/", "locks/"),
					artifactstest.Merge(
						contents[other].Under(keys.Set("coverage", ref)),
						contents[other].Under(keys.Mirror("coverage", "main")),
					),
				)
				if n := len(got.Without("coverage/", "locks/")); n != 3 {
					t.Errorf("%d records, want the manifest, the newest set's and the mirror's", n)
				}
				open, err := b.Client().
					ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &b.Name})
				artifactstest.Must(t, err)
				if len(open.Uploads) > 0 {
					t.Errorf("%d uploads are left unfinished: %s", len(open.Uploads), *open.Uploads[0].Key)
				}
			}
			t.Log(seen)
		})
	}
}

// What is streamed is streamed over TLS only, which these servers have not; what they are sent is the same.
func TestObjectsAreStreamed(t *testing.T) {
	everyBucket(t, func(t *testing.T, s *Store, client *s3.Client) {
		s.streaming = true
		dir := t.TempDir()
		large := random(maxSmall + 12345)
		artifactstest.Must(t, os.WriteFile(filepath.Join(dir, "file"), large, 0o644))
		set := artifacts.Set{Kind: "builds", Ref: artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}, Dir: dir}
		artifactstest.Publish(t, s, set)
		if got := readAll(t, s, keys.Set("builds", set.Ref)+"/file"); !bytes.Equal(got, large) {
			t.Errorf("%d bytes are not the %d stored", len(got), len(large))
		}
		artifactstest.Put(t, s, artifacts.Object{Key: "no file", Body: bytes.NewReader(large), Size: int64(len(large))})
		if !bytes.Equal(readAll(t, s, "no file"), large) {
			t.Error("the content differs")
		}
		if _, err := s.Put(t.Context(), artifacts.Object{Key: "short", Body: bytes.NewReader(large), Size: int64(len(large)) + 1}); err == nil {
			t.Error("a body that is too short is stored")
		}
		if _, err := s.Put(t.Context(), artifacts.Object{Key: "long", Body: bytes.NewReader(large), Size: int64(len(large)) - 1}); err == nil {
			t.Error("a body that is too long is stored")
		}
		for _, key := range []string{"short", "long"} {
			if _, err := s.Get(t.Context(), key); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v", key, err)
			}
		}
	})
}
