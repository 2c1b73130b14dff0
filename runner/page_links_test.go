package runner

import (
	"testing"

	"github.com/carlin-cicd/runner/runner/session"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/redact"
)

// In a bucket there is no folder to look into: the console leads there, where it is AWS's, and a command fetches the set.
func TestLinksOfAPageInABucket(t *testing.T) {
	for name, c := range map[string]struct {
		place, link, get string
		variables        map[string]string
	}{
		"a bucket":          {"s3://acme-ci", "https://console.aws.amazon.com/s3/buckets/acme-ci?prefix=coverage%2Fa%2Fb%2F0123456789abcdef0123456789abcdef01234567%2F", "runner artifacts get coverage --artifact-bucket s3://acme-ci --branch a/b --sha 0123456789abcdef0123456789abcdef01234567", nil},
		"a prefix in China": {"s3://acme-ci/web", "https://console.amazonaws.cn/s3/buckets/acme-ci?prefix=web%2Fcoverage%2Fa%2Fb%2F0123456789abcdef0123456789abcdef01234567%2F", "runner artifacts get coverage --artifact-bucket s3://acme-ci/web --branch a/b --sha 0123456789abcdef0123456789abcdef01234567", map[string]string{"AWS_REGION": "cn-north-1"}},
		"another S3":        {"s3://acme-ci", "", "runner artifacts get coverage --artifact-bucket s3://acme-ci --branch a/b --sha 0123456789abcdef0123456789abcdef01234567", map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:9000"}},
		"a folder":          {"/srv/artifacts", "../../../../../../coverage/a/b/0123456789abcdef0123456789abcdef01234567/", "", nil},
	} {
		r := &run{Session: session.Session{Redactor: redact.New(), Variables: c.variables, Place: c.place, ID: "01k", Ref: artifacts.Ref{Branch: "a/b", SHA: "0123456789abcdef0123456789abcdef01234567"}}}
		r.step.Name = "test"
		got := r.pageArtifact(record.Artifact{Name: "coverage", Entry: "lcov-report/index.html", Console: r.console(keys.Set("coverage", r.Ref))})
		entry := "../../../../../../coverage/a/b/0123456789abcdef0123456789abcdef01234567/lcov-report/index.html"
		if got.Link != c.link || got.Get != c.get || got.Entry != entry {
			t.Errorf("%s: %+v, want %s and %s", name, got, c.link, c.get)
		}
	}
}
