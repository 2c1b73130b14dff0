package runner

import (
	"cmp"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/record"
)

// artifactRecord returns the record of a set that was published, or could not be.
func (r *run) artifactRecord(kind string, p artifacts.Published, err error) record.Artifact {
	a := record.Artifact{
		Name: kind, Location: p.Location, Manifest: p.Key, Files: len(p.Manifest.Files), Bytes: p.Manifest.Bytes(),
		Uploaded: p.Uploaded, Unchanged: p.Unchanged, Removed: p.Removed,
		Entry: entryPage(p.Manifest), Console: r.console(keys.Set(kind, r.Ref)),
	}
	if err != nil {
		a.Error = err.Error()
	}
	return a
}

// entries are the pages that a set may begin with, in the order of preference.
var entries = []string{"index.html", "lcov-report/index.html", "html/index.html", "htmlcov/index.html", "html-report/index.html"}

// entryPage returns the page that a set begins with, "" if it has none.
func entryPage(m artifacts.Manifest) string {
	for _, name := range entries {
		if slices.ContainsFunc(m.Files, func(f artifacts.File) bool { return f.Path == name }) {
			return name
		}
	}
	return ""
}

// console returns the URL of a folder of the bucket in AWS's console; "" for a folder and for another S3 than AWS's.
func (r *run) console(key string) string {
	v := r.Variables
	if !strings.HasPrefix(r.Place, "s3://") || cmp.Or(v["AWS_ENDPOINT_URL_S3"], v["AWS_ENDPOINT_URL"]) != "" {
		return ""
	}
	host := "console.aws.amazon.com"
	switch region := cmp.Or(v["AWS_REGION"], v["AWS_DEFAULT_REGION"]); {
	case strings.HasPrefix(region, "cn-"):
		host = "console.amazonaws.cn"
	case strings.HasPrefix(region, "us-gov-"):
		host = "console.amazonaws-us-gov.com"
	}
	bucket, prefix, _ := strings.Cut(strings.TrimPrefix(r.Place, "s3://"), "/")
	return "https://" + host + "/s3/buckets/" + bucket + "?" + url.Values{"prefix": {path.Join(prefix, key) + "/"}}.Encode()
}
