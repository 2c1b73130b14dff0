package s3

import (
	"errors"
	"io/fs"
	"maps"
	"testing"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/artifacts/s3test"
)

// The first deployment of a set tags each of its objects, every later one the manifest alone.
func TestASetIsTaggedOnce(t *testing.T) {
	b := s3test.Buckets(t)[1]
	proxy := s3test.NewProxy(t, b.Endpoint)
	s := inBucket(t, b.At(proxy), "")
	s.options.Tags = "team=web&retention=30d"
	ref := artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}
	none := artifacts.Manifest{Kind: "builds", Branch: ref.Branch, SHA: ref.SHA}
	if _, err := artifacts.Retain(t.Context(), s, none, "staging"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is no such set: %v", err)
	}
	set := artifacts.Set{Kind: "builds", Ref: ref, Dir: artifactstest.Many(40, "x").Dir(t)}
	p := artifactstest.Publish(t, s, set)
	file := keys.Set("builds", ref) + "/" + p.Manifest.Files[7].Path
	for _, c := range []struct {
		environment, ofFile string
		requests, objects   int
	}{
		{"staging", "staging", 1 + 40 + 1 + 1, 41}, // tags of the manifest, files, no statement, manifest
		{"production", "staging", 2, 1},
		{"production", "staging", 1, 1},
	} {
		proxy.ClearSeen()
		n, err := artifacts.Retain(t.Context(), s, p.Manifest, c.environment)
		artifactstest.Must(t, err)
		if seen := proxy.Seen(); n != c.objects || len(seen) != c.requests {
			t.Errorf("%s: %d objects, %d requests", c.environment, n, len(seen))
		}
		for key, environment := range map[string]string{file: c.ofFile, keys.Manifest("builds", ref): c.environment} {
			tags, err := s.Tags(t.Context(), key)
			artifactstest.Must(t, err)
			if !maps.Equal(tags, map[string]string{"team": "web", "retention": "deployed", "deployed": environment}) {
				t.Errorf("%s: %s has %v", c.environment, key, tags)
			}
		}
	}
}
