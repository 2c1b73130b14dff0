package artifacts

import (
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

const (
	sha1 = "1111111111111111111111111111111111111111"
	sha2 = "abcdef2222222222222222222222222222222222"
)

// FuzzKeysNeverMeet looks for two refs of which one's set lies within the other's.
func FuzzKeysNeverMeet(f *testing.F) {
	for _, s := range [][4]string{
		{"a", sha1, "a/" + sha1, sha2},
		{"a", "latest", "a/latest", sha1},
		{"a", "20261123", "a/20261123", sha1},
		{"a", "deadbeef", "a/deadbeef/b", sha1},
		{"a", sha1, "a/" + sha1 + ".json", sha2},
	} {
		f.Add(s[0], s[1], s[2], s[3])
	}
	f.Fuzz(func(t *testing.T, b1, s1, b2, s2 string) {
		one, two := Ref{Branch: b1, SHA: s1}, Ref{Branch: b2, SHA: s2}
		if one == two || one.Validate() != nil || two.Validate() != nil {
			t.Skip()
		}
		places := [][]string{placeKeys(one), placeKeys(two)}
		for _, p := range places[0] {
			for _, q := range places[1] {
				if b1 == b2 && p == q && strings.Contains(p, "/latest") {
					continue // the branch's own
				}
				if p == q || strings.HasPrefix(p, q+"/") || strings.HasPrefix(q, p+"/") {
					t.Errorf("%q and %q meet: %q, %q", one, two, p, q)
				}
			}
		}
	})
}

func placeKeys(r Ref) []string {
	set := Set{Kind: "k", Ref: r}
	p, m := setTarget(set), mirrorTarget(set)
	return []string{p.files, p.manifest, p.pending, m.files, m.manifest, m.pending, keys.LatestManifest("k", r.Branch)}
}

func TestMediaTypes(t *testing.T) {
	for name, want := range map[string]string{
		"index.html": "text/html; charset=utf-8", "a/b.HTML": "text/html; charset=utf-8", "x.mjs": "text/javascript; charset=utf-8",
		"main.js.map": "application/json", "lcov.info": "text/plain; charset=utf-8", "clover.xml": "application/xml",
		"logo.svg": "image/svg+xml", "x.wasm": "application/wasm", "x.woff2": "font/woff2", "log.jsonl.gz": "application/gzip",
		"favicon.ico": "image/x-icon", "LICENSE": "application/octet-stream", "x.unknown": "application/octet-stream",
		".html/x": "application/octet-stream", "": "application/octet-stream",
	} {
		if got := mediaType(name); got != want {
			t.Errorf("mediaType(%q) = %q, want %q", name, got, want)
		}
	}
}
