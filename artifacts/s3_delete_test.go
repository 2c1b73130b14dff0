package artifacts

import (
	"slices"
	"testing"

	"github.com/carlin-cicd/runner/artifacts/s3test"
)

// A role that may put and not delete is enough where the bucket keeps versions: readers go by manifests.
func TestARoleThatMayNotDeletePublishesAllTheSame(t *testing.T) {
	b := s3test.Buckets(t)[1]
	proxy := s3test.NewProxy(
		t, b.Endpoint,
		s3test.Rule{Operation: "DeleteObject", Fault: s3test.Answer(s3test.AccessDenied)},
		s3test.Rule{Operation: "DeleteObjects", Fault: s3test.Answer(s3test.AccessDenied)},
	)
	s := inBucket(t, b.At(proxy), "")
	content := many(6, "x")
	content["one.html"], content["two.html"] = "1", "2"
	set := coverage("main", sha1, content.dir(t))
	if p := publishOK(t, s, set); p.Left != 0 || p.Uploaded != 8 {
		t.Errorf("at first: %+v", p.Counts)
	}
	for _, round := range []struct {
		gone string
		left int
	}{{"one.html", 1}, {"two.html", 1}} {
		delete(content, round.gone)
		set.Dir = content.dir(t)
		p := publishOK(t, s, set)
		if p.Left != round.left || p.Removed != 0 || p.Mirrored.Left != round.left {
			t.Errorf("without %s: %+v, mirror %+v", round.gone, p.Counts, p.Mirrored)
		}
		for _, place := range []place{setPlace(set), mirrorPlace(set)} {
			m, err := readManifest(t.Context(), s, place.manifest)
			if err != nil || m.Update != nil || slices.ContainsFunc(m.Files, func(f File) bool { return f.Path == round.gone }) {
				t.Errorf("%s: %v %+v", place.manifest, err, m.Update)
			}
		}
	}
	proxy.Forget()
	if p := publishOK(t, s, set); p.Unchanged != 6 || len(proxy.Seen()) > 5 {
		t.Errorf("nothing has changed: %+v, %v", p.Counts, proxy.Seen())
	}
}
