package artifacts

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/artifacts/s3test"
)

// inBucket is a store in a bucket, with the test's environment set up for it.
func inBucket(t *testing.T, b s3test.Bucket, prefix string) *S3 {
	t.Helper()
	b.Setenv(t)
	s, err := victimStore("s3://" + b.Name)
	must(t, err)
	s.(*S3).prefix = prefix
	return s.(*S3)
}

// everyBucket runs a test in a bucket on each server there is.
func everyBucket(t *testing.T, test func(t *testing.T, s *S3, client *s3.Client)) {
	for _, b := range s3test.Buckets(t) {
		t.Run(b.Server, func(t *testing.T) { test(t, inBucket(t, b, "some/prefix"), b.Client()) })
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
			strings.Repeat(strings.Repeat("k", 123)+"/", 8)[:1000-len("some/prefix/")] + "/x": []byte("a long key"),
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
		first := files{"index.html": "1", "lib/a.js": "a", "lib/b.js": "b", "gone.txt": "gone"}
		second := files{"index.html": "2", "lib/a.js": "a", "lib/b.js": "bb", "new": "new", "new2": "new"}
		dir := first.dir(t)
		set := coverage("feature/x", sha1, dir)
		p := publishOK(t, s, set)
		if p.Uploaded != 4 || p.Mirrored.Uploaded != 4 {
			t.Errorf("%+v, %+v", p.Counts, p.Mirrored)
		}
		holds := func(want files) {
			t.Helper()
			equal(t, "bucket", objects(t, s, client).without("manifests/", "locks/"), merge(want.under("coverage/feature/x/"+sha1), want.under("coverage/feature/x/latest")))
		}
		holds(first)
		second.write(t, dir)
		p = publishOK(t, s, set)
		if p.Uploaded != 4 || p.Unchanged != 1 || p.Removed != 1 {
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
		if n := len(objects(t, s, client).without("locks/")) - 2*len(second); n != 3 {
			t.Errorf("%d records, want the manifest, the newest set's and the mirror's", n)
		}
	})
}

// A set in a versioned bucket outlives what is done to its objects.
func TestVersionsKeepASetWhole(t *testing.T) {
	s := inBucket(t, s3test.Buckets(t)[1], "")
	dir := files{"a": "1", "b": "2"}.dir(t)
	set := Set{Kind: "builds", Ref: Ref{Branch: "main", SHA: sha1}, Dir: dir}
	publishOK(t, s, set)
	mustPut(t, s, object(keys.Set("builds", set.Ref)+"/a", "another"))
	must(t, s.Delete(t.Context(), keys.Set("builds", set.Ref)+"/b"))
	out := t.TempDir()
	_, err := Fetch(t.Context(), s, "builds", set.Ref, out)
	must(t, err)
	equal(t, "fetched", read(t, out), files{"a": "1", "b": "2"})
}

func TestConditionalPut(t *testing.T) {
	s := inBucket(t, s3test.Buckets(t)[0], "")
	o := object("k", "1")
	o.IfAbsent = true
	mustPut(t, s, o)
	o.Body.Seek(0, io.SeekStart)
	if _, err := s.Put(t.Context(), o); !errors.Is(err, fs.ErrExist) {
		t.Errorf("the second: %v", err)
	}
}

func TestManyDeletions(t *testing.T) {
	b := s3test.Buckets(t)[2]
	s, client := inBucket(t, b, "p"), b.Client()
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
	b := s3test.Buckets(t)[2]
	b.Name = "no-such-bucket-here"
	lost := inBucket(t, b, "")
	_, err := lost.Put(t.Context(), object("k", "v"))
	var hinted interface{ Hint() string }
	if !errors.As(err, &hinted) || !strings.Contains(err.Error(), "NoSuchBucket") || !strings.Contains(hinted.Hint(), "create the bucket no-such-bucket-here") {
		t.Errorf("%v, hint %v", err, hinted)
	}
	if _, err := lost.Get(t.Context(), "k"); errors.Is(err, fs.ErrNotExist) {
		t.Error("a missing bucket is taken for a missing object")
	}
}

func TestAnUploadThatIsDamagedOnItsWayIsSentAgain(t *testing.T) {
	b := s3test.Buckets(t)[2] // it looks, as S3 does
	proxy := s3test.NewProxy(t, b.Endpoint, s3test.Rule{Method: "PUT", Times: 1, Fault: s3test.FlipRequest(3)})
	s := inBucket(t, b.At(proxy), "")
	mustPut(t, s, object("k", "some text"))
	if got := readAll(t, s, "k"); string(got) != "some text" {
		t.Errorf("it is %q", got)
	}
	if n := proxy.Count()["PutObject"]; n != 2 {
		t.Errorf("%d requests", n)
	}
	s.streams = true
	large := random(smallObject + 1)
	proxy.Add(s3test.Rule{Method: "PUT", Times: 1, Fault: s3test.FlipRequest(1 << 20)})
	mustPut(t, s, Object{Key: "large", Body: bytes.NewReader(large), Size: int64(len(large))})
	if !bytes.Equal(readAll(t, s, "large"), large) {
		t.Error("what is stored is damaged")
	}
	if n := proxy.Count()["PutObject"]; n != 4 {
		t.Errorf("%d requests", n)
	}
}

// What has not changed costs a look at the manifests and nothing else.
func TestNothingChangedIsThreeRequests(t *testing.T) {
	b := s3test.Buckets(t)[1]
	proxy := s3test.NewProxy(t, b.Endpoint)
	s := inBucket(t, b.At(proxy), "")
	content := many(60, "x")
	set := coverage("main", sha1, content.dir(t))
	publishOK(t, s, set)
	proxy.Forget()
	content.write(t, set.Dir) // anew, as CI does
	p := publishOK(t, s, set)
	if p.Unchanged != 60 || p.Mirrored.Unchanged != 60 || len(proxy.Seen()) != 3 {
		t.Errorf("%+v, %+v; requests: %v", p.Counts, p.Mirrored, proxy.Seen())
	}
	proxy.Forget()
	content["lib/new"] = "new"
	content.write(t, set.Dir)
	publishOK(t, s, set)
	if n := proxy.Count()["PutObject"]; n > 2+10 {
		t.Errorf("%d objects stored for one new file and its mirror", n)
	}
}

func TestKilledPublishersToABucketLeaveOldNewOrNone(t *testing.T) {
	for _, b := range s3test.Buckets(t) {
		t.Run(b.Server, func(t *testing.T) {
			s := inBucket(t, b, "")
			contents := map[string]files{"a": many(20, "a"), "b": many(15, "b")}
			rounds := 8
			if strings.HasPrefix(b.Server, "versitygw") { // it takes large files and many requests lightly
				rounds = 20
				contents["a"]["large"] = string(random(2*partSize + 1))
				contents["b"]["large"] = string(random(2*partSize + 2))
			}
			contents["b"]["only/in/b"] = "b"
			dirs := map[string]string{"a": contents["a"].dir(t), "b": contents["b"].dir(t)}
			began := time.Now()
			publishOK(t, s, coverage("main", sha1, dirs["a"]))
			whole := time.Since(began)

			ref := Ref{Branch: "main", SHA: sha1}
			seen := map[string]int{}
			for i := range rounds {
				name := []string{"b", "a"}[i%2]
				cmd, _ := startVictim(t, "s3://"+b.Name, dirs[name])
				time.Sleep(time.Duration(mathrand.Int64N(int64(whole))))
				cmd.Process.Kill()
				cmd.Wait()
				is := state(t, s, "coverage", ref, contents)
				seen[is]++
				if is == "none" && b.Versioned {
					t.Error("the old set is gone before the new one is there")
				}
				if i%4 != 3 {
					continue
				}
				other := []string{"a", "b"}[i/4%2]
				publishOK(t, s, coverage("main", sha1, dirs[other]))
				got := objects(t, s, b.Client())
				equal(t, "after repair", got.without("manifests/", "locks/"),
					merge(contents[other].under(keys.Set("coverage", ref)), contents[other].under(keys.Mirror("coverage", "main"))))
				if n := len(got.without("coverage/", "locks/")); n != 3 {
					t.Errorf("%d records, want the manifest, the newest set's and the mirror's", n)
				}
				open, err := b.Client().ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &b.Name})
				must(t, err)
				if len(open.Uploads) > 0 {
					t.Errorf("%d uploads are left unfinished: %s", len(open.Uploads), *open.Uploads[0].Key)
				}
			}
			t.Log(seen)
		})
	}
}

func TestABucketSwaps(t *testing.T) {
	for _, b := range s3test.Buckets(t) {
		t.Run(b.Server, func(t *testing.T) {
			var turn sync.Mutex
			testSwapper(t, func() Swapper {
				s := inBucket(t, b, "prefix")
				if strings.HasPrefix(b.Server, "moto") {
					return inTurns{s, &turn}
				}
				return s
			})
		})
	}
}

// inTurns swaps one at a time. moto looks at a condition and stores in two steps, between which another request may come;
// S3 and versitygw do both at once.
type inTurns struct {
	*S3
	turn *sync.Mutex
}

func (s inTurns) Swap(ctx context.Context, o Object, tag string) (string, error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	return s.S3.Swap(ctx, o, tag)
}

// What is streamed is streamed over TLS only, which these servers have not; what they are sent is the same.
func TestObjectsAreStreamed(t *testing.T) {
	everyBucket(t, func(t *testing.T, s *S3, client *s3.Client) {
		s.streams = true
		dir := t.TempDir()
		large := random(smallObject + 12345)
		must(t, os.WriteFile(filepath.Join(dir, "file"), large, 0o644))
		set := Set{Kind: "builds", Ref: Ref{Branch: "main", SHA: sha1}, Dir: dir}
		publishOK(t, s, set)
		if got := readAll(t, s, keys.Set("builds", set.Ref)+"/file"); !bytes.Equal(got, large) {
			t.Errorf("%d bytes are not the %d stored", len(got), len(large))
		}
		mustPut(t, s, Object{Key: "no file", Body: bytes.NewReader(large), Size: int64(len(large))})
		if !bytes.Equal(readAll(t, s, "no file"), large) {
			t.Error("what is no file is another")
		}
		if _, err := s.Put(t.Context(), Object{Key: "short", Body: bytes.NewReader(large), Size: int64(len(large)) + 1}); err == nil {
			t.Error("a body that is too short is stored")
		}
		if _, err := s.Put(t.Context(), Object{Key: "long", Body: bytes.NewReader(large), Size: int64(len(large)) - 1}); err == nil {
			t.Error("a body that is too long is stored")
		}
		for _, key := range []string{"short", "long"} {
			if _, err := s.Get(t.Context(), key); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v", key, err)
			}
		}
	})
}

func TestPublishersToABucketTakeTurnsAndSayForWhom(t *testing.T) {
	b := s3test.Buckets(t)[2]
	one, two := inBucket(t, b, ""), inBucket(t, b, "")
	one.options.Party = Party{Owner: "task/1", RunID: "run-1"}
	told := make(chan Holder, 1)
	two.options.Waiting = func(h Holder) { told <- h }
	_, release, err := one.Lock(t.Context(), "builds/main/"+sha1)
	must(t, err)
	got := make(chan error)
	go func() {
		_, free, err := two.Lock(t.Context(), "builds/main/"+sha1)
		if err == nil {
			free()
		}
		got <- err
	}()
	if h := <-told; h.Owner != "task/1" || h.RunID != "run-1" || !strings.Contains(h.String(), "publishing builds/main/") {
		t.Errorf("it waits for %v", h)
	}
	select {
	case err := <-got:
		t.Fatalf("it does not wait: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	release()
	must(t, <-got)
}
