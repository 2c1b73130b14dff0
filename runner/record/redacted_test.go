package record_test

import (
	"testing"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/redact"
)

// What keys are made of stays, or nothing would be found by it; what is for people does not.
func TestSecretsDoNotChangeWhatRecordsAreFoundBy(t *testing.T) {
	r := redact.New(redact.Secret{Name: "A", Value: "release"}, redact.Secret{Name: "B", Value: "bucket-of-1234"})
	clean := redact.Value(r, record.Run{
		Identity: record.Identity{Branch: "release"},
		Artifacts: []record.Artifact{{
			Name: "release", Manifest: "manifests/release/x", Location: "s3://bucket-of-1234/release", Entry: "release.html",
		}},
		Details: record.Details{Key: "runs/release/x", Place: "s3://bucket-of-1234"},
	})
	a := clean.Artifacts[0]
	if clean.Branch != "release" || a.Name != "release" || a.Manifest != "manifests/release/x" ||
		a.Entry != "release.html" || clean.Key != "runs/release/x" {
		t.Errorf("%+v", clean)
	}
	if a.Location != "s3://[REDACTED:B]/[REDACTED:A]" || clean.Place != "s3://[REDACTED:B]" {
		t.Errorf("%s %s", a.Location, clean.Place)
	}
	entry := redact.Value(r, record.LiveRevision{Revision: record.Revision{Branch: "release"}})
	if entry.Branch != "release" {
		t.Errorf("%+v", entry)
	}
}
