package runner

import (
	"cmp"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/carlin-cicd/runner/runner/verdict"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/report"
	"github.com/carlin-cicd/runner/steps"
)

// The page lies in the folder of its run, so that whatever else is in the store is reached by a relative link, in a folder and
// in a bucket alike. A bucket has no folders to look into: of a set, what leads somewhere is a page that is in it, the console for
// whoever has an account, and the command that fetches it for everybody else.

// fromPage leads from report.html to a key of the store.
func (r *run) fromPage(key string) string {
	parts := strings.Split(key, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Repeat("../", 1+strings.Count(r.runKey(), "/")) + strings.Join(parts, "/")
}

// entries are the pages that a set may begin with, the first that is there.
var entries = []string{"index.html", "lcov-report/index.html", "html/index.html", "htmlcov/index.html", "html-report/index.html"}

// entryOf is the page that a set begins with, "" if it has none.
func entryOf(m artifacts.Manifest) string {
	for _, name := range entries {
		if slices.ContainsFunc(m.Files, func(f artifacts.File) bool { return f.Path == name }) {
			return name
		}
	}
	return ""
}

func (r *run) pageArtifact(a record.Artifact) report.Artifact {
	p := report.Artifact{Name: a.Name, Location: a.Location, Files: a.Files, Bytes: a.Bytes, Error: r.Redactor.String(a.Error)}
	if a.Error != "" {
		return p
	}
	key := keys.Set(a.Name, r.Ref)
	if a.Entry != "" {
		p.Entry = r.fromPage(key + "/" + a.Entry)
	}
	if !strings.HasPrefix(r.Place, "s3://") {
		p.Link = r.fromPage(key) + "/"
		return p
	}
	p.Link = a.Console
	p.Get = steps.Command{Args: []string{"runner", "artifacts", "get", a.Name, "--artifact-bucket", r.Place, "--branch", r.Ref.Branch, "--sha", r.Ref.SHA}}.String()
	return p
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

// pageFiles are the run's own files, as far as they are stored.
func (r *run) pageFiles() []report.Link {
	all := []report.Link{{Text: "finished.json", To: "finished.json"}}
	if r.published["log.jsonl.gz"] {
		all = append(all, report.Link{Text: "log.jsonl.gz", To: "log.jsonl.gz"})
	}
	if r.verdict.Tests == nil || !r.published["junit"] {
		return all
	}
	for _, name := range verdict.ReportPaths(r.directory(), *r.verdict.Tests) {
		all = append(all, report.Link{Text: "junit/" + r.Redactor.String(name), To: (&url.URL{Path: "junit/" + name}).EscapedPath()})
	}
	return all
}
