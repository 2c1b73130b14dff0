package cache

import (
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/s3"
	"github.com/carlin-cicd/runner/artifacts/s3test"
)

func TestBucketsKeepCachesAsFoldersDo(t *testing.T) {
	for _, b := range s3test.Buckets(t) {
		t.Run(b.Server, func(t *testing.T) {
			b.Setenv(t)
			aws, err := config.LoadDefaultConfig(t.Context())
			artifactstest.Must(t, err)
			store, err := s3.New(t.Context(), aws, b.Name, "some/prefix", s3.Options{})
			artifactstest.Must(t, err)
			c := &Cache{Store: store, Name: "deps", Branch: "feature/ü", Main: "main", Platform: "linux-arm64"}

			p := newProject(t)
			p.variety()
			before := describe(t, p.path())
			first := p.save(c.on("main"), "k1", nil)
			other := newProject(t)
			r := other.restore(c, "k2")
			if !r.Hit || r.Exact || r.Branch != "main" || len(r.Problems) > 0 {
				t.Fatalf("restored %+v", r)
			}
			if d := differences(before, describe(t, other.path())); d != "" {
				t.Errorf("what was restored differs:\n%s", d)
			}
			write(t, other.path("more.txt"), []byte("more"))
			second := other.save(c, "k2", r)
			if second.Entry.Added > first.Entry.Added/100 {
				t.Errorf("the second entry added %d bytes, the first %d", second.Entry.Added, first.Entry.Added)
			}
			if again := other.save(c, "k2", r); !again.Existed {
				t.Errorf("an entry was saved twice")
			}
			third := newProject(t)
			if r := third.restore(c, "k2"); !r.Exact || r.Branch != "feature/ü" {
				t.Errorf("restored %+v", r)
			}
			if text, _ := os.ReadFile(third.path("more.txt")); string(text) != "more" {
				t.Errorf("restored %q", text)
			}
			main := c.on("main")
			pruned, err := main.Prune(t.Context(), 1, func(l Listed) bool { return time.Since(l.Modified) >= 0 })
			if err != nil || pruned.Entries != 1 || pruned.Kept != 0 {
				t.Errorf("pruned %+v, %v", pruned, err)
			}
			if r := newProject(t).restore(c, "k2"); r.Hit || len(r.Problems) != 1 || !isDamaged(r.Problems[0]) {
				t.Errorf("the branch's entry was restored without the main branch's blocks: %+v", r)
			}
		})
	}
}
