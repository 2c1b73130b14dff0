package present

import (
	"testing"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/telemetry"
)

func TestSpanOfTheRun(t *testing.T) {
	var span telemetry.Span
	FinishSpan(&span, failedRun())
	got := attributes(span.Attributes)
	if !span.Failed || span.Message != "the command exited with 1" ||
		got["cicd.pipeline.result"] != telemetry.Constant("failure") ||
		got["error.type"] != telemetry.Constant("failure") ||
		got["process.exit.code"] != int64(1) {
		t.Errorf("%+v", span)
	}
	telemetry.RedactAttributes(span.Attributes, func(string) string { return "[REDACTED:MASK]" })
	if again := attributes(span.Attributes); again["cicd.pipeline.result"] != telemetry.Constant("failure") ||
		again["error.type"] != telemetry.Constant("failure") {
		t.Errorf("a mask changes the verdict: %v", again)
	}
	span = telemetry.Span{}
	FinishSpan(&span, record.Run{Passed: true, Reason: record.Success})
	if span.Failed || attributes(span.Attributes)["error.type"] != nil {
		t.Errorf("%+v", span)
	}
}

func TestTraceResource(t *testing.T) {
	got := attributes(
		TraceResource(failedRun(), [][2]string{{"team", "web"}, {"service.name", "ci"}, {"service.version", ""}}),
	)
	for key, want := range map[string]any{
		"service.name": "ci", "service.version": "0.2.0", "team": "web", "cicd.pipeline.name": "test", "cicd.pipeline.run.id": "01k",
		"cicd.pipeline.run.url.full": "file:///work/shop/.runner/artifacts/runs/main/" + sampleSHA + "/test/01k/report.html",
		"vcs.ref.head.name":          "main", "vcs.ref.head.type": "branch", "vcs.ref.head.revision": sampleSHA,
		"vcs.repository.url.full": "https://github.com/example/shop", "vcs.repository.name": "shop", "vcs.owner.name": "example",
		"vcs.provider.name": "github", "aws.ecs.task.id": "0a1b", "deployment.environment.name": nil,
	} {
		if got[key] != want {
			t.Errorf("%s is %v, want %v", key, got[key], want)
		}
	}
	unknown := failedRun()
	unknown.Branch, unknown.SHA = record.Detached, record.NoCommit
	for _, key := range []string{"vcs.ref.head.name", "vcs.ref.head.revision"} {
		if v := attributes(TraceResource(unknown, nil))[key]; v != nil {
			t.Errorf("%s is %v", key, v)
		}
	}
}

func attributes(list []telemetry.Attribute) map[string]any {
	all := map[string]any{}
	for _, a := range list {
		all[a.Key] = a.Value
	}
	return all
}

func TestReportURL(t *testing.T) {
	for place, want := range map[string]string{
		"s3://acme/web": "s3://acme/web/runs/a%20b/report.html",
		"/srv/a b":      "file:///srv/a%20b/runs/a%20b/report.html",
	} {
		if got := ReportURL(place, "runs/a b"); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
