package artifacts

import "testing"

func BenchmarkPublish5000First(b *testing.B) {
	dir := many(5000, "bench").dir(b)
	b.SetBytes(5000 * 1536)
	for b.Loop() {
		b.StopTimer()
		s, _ := newStore(b)
		b.StartTimer()
		publishOK(b, s, Set{Kind: "builds", Ref: Ref{Branch: "main", SHA: sha1}, Dir: dir})
	}
}

func BenchmarkPublish5000Unchanged(b *testing.B) {
	s, _ := newStore(b)
	set := Set{Kind: "builds", Ref: Ref{Branch: "main", SHA: sha1}, Dir: many(5000, "bench").dir(b)}
	publishOK(b, s, set)
	b.SetBytes(5000 * 1536)
	for b.Loop() {
		publishOK(b, s, set)
	}
}

func BenchmarkFetch5000(b *testing.B) {
	s, _ := newStore(b)
	set := Set{Kind: "builds", Ref: Ref{Branch: "main", SHA: sha1}, Dir: many(5000, "bench").dir(b)}
	publishOK(b, s, set)
	b.SetBytes(5000 * 1536)
	for b.Loop() {
		b.StopTimer()
		out := b.TempDir()
		b.StartTimer()
		if _, err := Fetch(b.Context(), s, "builds", set.Ref, out); err != nil {
			b.Fatal(err)
		}
	}
}
