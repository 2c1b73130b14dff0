package s3

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/artifacts/s3test"
)

// What has arrived is not asked for again.
func TestFetchResumes(t *testing.T) {
	s, proxy := behind(t)
	set := artifacts.Set{
		Kind: "builds",
		Ref:  artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1},
		Dir:  artifactstest.Many(40, "x").Dir(t),
	}
	artifactstest.Publish(t, s, set)
	out := t.TempDir()
	proxy.Add(
		s3test.Rule{Operation: "GetObject", Key: "builds/**", Skip: 25, Fault: s3test.Respond(s3test.InternalError)},
	)
	if _, err := artifacts.Fetch(t.Context(), s, "builds", set.Ref, out, artifacts.FetchOptions{}); err == nil {
		t.Fatal("it is fetched")
	}
	artifactstest.Equal(t, "what is seen", artifactstest.Read(t, out).Without(keys.Partial), artifactstest.Files{})
	proxy.RemoveRules()
	proxy.ClearSeen()
	_, err := artifacts.Fetch(t.Context(), s, "builds", set.Ref, out, artifacts.FetchOptions{})
	artifactstest.Must(t, err)
	artifactstest.Equal(t, "fetched", artifactstest.Read(t, out), artifactstest.Many(40, "x"))
	if n := len(s3test.Only("GetObject", proxy.Seen())); n > 1+40-10 {
		t.Errorf("%d requests for the rest of 40 files", n)
	}
}

func TestFetchResumesWithinAFile(t *testing.T) {
	bucket := s3test.Buckets(t)[0]
	proxy := s3test.NewProxy(t, bucket.Endpoint)
	s := storeAt(t, proxy.URL, bucket.Name, time.Minute)
	dir := t.TempDir()
	large := random(5 * partSize)
	artifactstest.Must(t, os.WriteFile(filepath.Join(dir, "large"), large, 0o755))
	set := artifacts.Set{Kind: "builds", Ref: artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}, Dir: dir}
	artifactstest.Publish(t, s, set)
	proxy.Add(
		s3test.Rule{Operation: "GetObject", Key: "builds/**", Skip: 3, Fault: s3test.Respond(s3test.InternalError)},
	)
	out := t.TempDir()
	if _, err := artifacts.Fetch(t.Context(), s, "builds", set.Ref, out, artifacts.FetchOptions{}); err == nil {
		t.Fatal("it is fetched")
	}
	proxy.RemoveRules()
	proxy.ClearSeen()
	_, err := artifacts.Fetch(t.Context(), s, "builds", set.Ref, out, artifacts.FetchOptions{})
	artifactstest.Must(t, err)
	if got, err := os.ReadFile(filepath.Join(out, "large")); err != nil || !bytes.Equal(got, large) {
		t.Errorf("it is not the file: %v", err)
	}
	if info, err := os.Stat(filepath.Join(out, "large")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if n := len(s3test.Only("GetObject", proxy.Seen())); n > 1+4 {
		t.Errorf("%d requests for the manifest and what was missing of 5 parts", n)
	}
}

func TestFullDiskEndsAFetch(t *testing.T) {
	small := artifactstest.MountTmpfs(t, "100k")
	s, _ := behind(t)
	set := artifacts.Set{
		Kind: "builds",
		Ref:  artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1},
		Dir:  artifactstest.Files{"big": strings.Repeat("x", 60<<10), "big2": strings.Repeat("y", 60<<10)}.Dir(t),
	}
	artifactstest.Publish(t, s, set)
	_, err := artifacts.Fetch(t.Context(), s, "builds", set.Ref, filepath.Join(small, "out"), artifacts.FetchOptions{})
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "is full") {
		t.Errorf("%v", err)
	}
	artifactstest.Equal(t, "left", artifactstest.Read(t, filepath.Join(small, "out")), artifactstest.Files{})
}
