package s3

import (
	"slices"
	"testing"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/artifacts/s3test"
)

// A role that may put and not delete is enough where the bucket keeps versions: readers go by manifests.
func TestPublishWithoutDeletePermission(t *testing.T) {
	b := s3test.Buckets(t)[1]
	proxy := s3test.NewProxy(
		t, b.Endpoint,
		s3test.Rule{Operation: "DeleteObject", Fault: s3test.Respond(s3test.AccessDenied)},
		s3test.Rule{Operation: "DeleteObjects", Fault: s3test.Respond(s3test.AccessDenied)},
	)
	s := inBucket(t, b.At(proxy), "")
	content := artifactstest.Many(6, "x")
	content["one.html"], content["two.html"] = "1", "2"
	set := artifactstest.CoverageSet("main", artifactstest.SHA1, content.Dir(t))
	if p := artifactstest.Publish(t, s, set); p.Left != 0 || p.Uploaded != 8 {
		t.Errorf("at first: %+v", p.Counts)
	}
	for _, round := range []struct {
		gone string
		left int
	}{{"one.html", 1}, {"two.html", 1}} {
		delete(content, round.gone)
		set.Dir = content.Dir(t)
		p := artifactstest.Publish(t, s, set)
		if p.Left != round.left || p.Removed != 0 || p.Mirrored.Left != round.left {
			t.Errorf("without %s: %+v, mirror %+v", round.gone, p.Counts, p.Mirrored)
		}
		for _, key := range []string{keys.Manifest(set.Kind, set.Ref), keys.MirrorManifest(set.Kind, set.Branch)} {
			var m artifacts.Manifest
			err := artifacts.GetJSON(t.Context(), s, key, &m)
			if err != nil || m.Update != nil ||
				slices.ContainsFunc(m.Files, func(f artifacts.File) bool { return f.Path == round.gone }) {
				t.Errorf("%s: %v %+v", key, err, m.Update)
			}
		}
	}
	proxy.ClearSeen()
	if p := artifactstest.Publish(t, s, set); p.Unchanged != 6 || len(proxy.Seen()) > 5 {
		t.Errorf("nothing has changed: %+v, %v", p.Counts, proxy.Seen())
	}
}
