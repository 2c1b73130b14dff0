package cache

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/carlin-cicd/runner/artifacts/artifactstest"
)

// BenchmarkRestore restores a folder of many small and some large files; CACHE_BENCH names another one.
func BenchmarkRestore(b *testing.B) {
	c, p := newCache(b), newProject(b)
	if dir := os.Getenv("CACHE_BENCH"); dir != "" {
		artifactstest.Must(b, os.MkdirAll(filepath.Join(p.dir, "a"), 0o755))
		artifactstest.Must(b, os.CopyFS(p.path(), os.DirFS(dir)))
	} else {
		for name, text := range artifactstest.Many(3000, "bench") {
			write(b, p.path(name), []byte(text))
		}
		write(b, p.path("large"), random(1, 16<<20))
	}
	saved := p.save(c, "k", nil)
	b.SetBytes(saved.Entry.Bytes)
	for b.Loop() {
		q := newProject(b)
		if r := q.restore(c, "k"); !r.Exact {
			b.Fatalf("restored %+v", r)
		}
	}
}
