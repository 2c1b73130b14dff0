package artifacts_test

import (
	"testing"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/artifactstest"
)

func BenchmarkPublish5000First(b *testing.B) {
	dir := artifactstest.Many(5000, "bench").Dir(b)
	b.SetBytes(5000 * 1536)
	for b.Loop() {
		b.StopTimer()
		s, _ := newStore(b)
		b.StartTimer()
		artifactstest.Publish(
			b,
			s,
			artifacts.Set{Kind: "builds", Ref: artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}, Dir: dir},
		)
	}
}

func BenchmarkPublish5000Unchanged(b *testing.B) {
	s, _ := newStore(b)
	set := artifacts.Set{
		Kind: "builds",
		Ref:  artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1},
		Dir:  artifactstest.Many(5000, "bench").Dir(b),
	}
	artifactstest.Publish(b, s, set)
	b.SetBytes(5000 * 1536)
	for b.Loop() {
		artifactstest.Publish(b, s, set)
	}
}

func BenchmarkFetch5000(b *testing.B) {
	s, _ := newStore(b)
	set := artifacts.Set{
		Kind: "builds",
		Ref:  artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1},
		Dir:  artifactstest.Many(5000, "bench").Dir(b),
	}
	artifactstest.Publish(b, s, set)
	b.SetBytes(5000 * 1536)
	for b.Loop() {
		b.StopTimer()
		out := b.TempDir()
		b.StartTimer()
		if _, err := artifacts.Fetch(b.Context(), s, "builds", set.Ref, out, artifacts.FetchOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}
