//go:build !race

package s3

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/artifactstest"
)

// The race detector would make a minute of its seconds.
func TestAFileOfFiveGibibytes(t *testing.T) {
	s, null := counted(t)
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "image"))
	artifactstest.Must(t, err)
	artifactstest.Must(t, f.Truncate(5<<30))
	artifactstest.Must(t, f.Close())
	p := artifactstest.Publish(
		t,
		s,
		artifacts.Set{Kind: "builds", Ref: artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}, Dir: dir},
	)
	const want = "7f06c62352aebd8125b2a1841e2b9e1ffcbed602f381c3dcb3200200e383d1d5" // sha256sum of it
	if f := p.Manifest.Files[0]; f.SHA256 != want || f.Size != 5<<30 {
		t.Errorf("%+v", f)
	}
	if c := null.Counters(); c.Operations["UploadPart"] != 5<<30/partSize || c.Received < 5<<30 {
		t.Errorf("%+v", c)
	}
}

func TestTwentyThousandFiles(t *testing.T) {
	s, proxy := counted(t)
	dir := artifactstest.Many(20_000, "x").Dir(t)
	set := artifacts.Set{Kind: "builds", Ref: artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}, Dir: dir}
	p := artifactstest.Publish(t, s, set)
	if p.Uploaded != 20_000 || len(p.Manifest.Files) != 20_000 {
		t.Errorf("%+v", p.Counts)
	}
	proxy.Reset()
	p = artifactstest.Publish(t, s, set)
	if n := proxy.Counters().Requests; p.Unchanged != 20_000 || n > 3 {
		t.Errorf("%+v in %d requests", p.Counts, n)
	}
	for i := range 200 {
		artifactstest.Must(
			t,
			os.Remove(filepath.Join(dir, "lib", fmt.Sprintf("%02d", i%37), fmt.Sprintf("file-%04d.html", i))),
		)
	}
	proxy.Reset()
	p = artifactstest.Publish(t, s, set)
	if n := proxy.Counters().Requests; p.Removed != 200 || p.Uploaded != 0 || n > 20 {
		t.Errorf("%+v in %d requests", p.Counts, n)
	}
}
