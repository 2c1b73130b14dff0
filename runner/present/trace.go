package present

import (
	"net/url"
	"path"
	"strings"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/telemetry"
)

// TraceResult returns OpenTelemetry's word for how a run, or a part of it, ended.
func TraceResult(reason record.Reason) telemetry.Constant {
	switch reason {
	case record.Success:
		return "success"
	case record.Timeout:
		return "timeout"
	case record.Cancelled:
		return "cancellation"
	case record.Guard:
		return "skip"
	case record.Failure, record.Results, record.Signalled, record.NotFound, record.NotExecutable:
		return "failure"
	default: // of the runner, its input, its memory, its store
		return "error"
	}
}

// FinishSpan fills in the span of the run.
func FinishSpan(span *telemetry.Span, run record.Run) {
	span.Attributes = []telemetry.Attribute{
		{Key: "cicd.pipeline.action.name", Value: telemetry.Constant("RUN")},
		{Key: "cicd.pipeline.result", Value: TraceResult(run.Reason)},
		{Key: "process.exit.code", Value: int64(run.ExitCode)},
	}
	if !run.Passed {
		span.Failed, span.Message = true, run.Error
		span.Attributes = append(
			span.Attributes, telemetry.Attribute{Key: "error.type", Value: telemetry.Constant(run.Reason)},
		)
	}
}

// gitHosts names the providers that are known by their host.
var gitHosts = map[string]string{"github.com": "github", "gitlab.com": "gitlab", "bitbucket.org": "bitbucket"}

// TraceResource returns the attributes of the resource that the spans belong to. Those given as pairs replace its own.
func TraceResource(run record.Run, pairs [][2]string) []telemetry.Attribute {
	var all resource
	all.set("service.name", "carlin-cicd-runner")
	all.set("service.version", run.Runner)
	all.set("cicd.pipeline.name", run.Step)
	all.set("cicd.pipeline.run.id", run.RunID)
	all.set("cicd.pipeline.run.url.full", ReportURL(run.Place, run.Key))
	all.set("deployment.environment.name", run.Environment)
	if run.Branch != record.Detached {
		all.set("vcs.ref.head.name", run.Branch)
		all.set("vcs.ref.head.type", run.RefType)
		all.set("vcs.ref.type", run.RefType) // of a ref; that of a change has a head and a base
	}
	if run.SHA != record.NoCommit {
		all.set("vcs.ref.head.revision", run.SHA)
	}
	all.set("vcs.repository.url.full", run.RepositoryURL)
	if at, err := url.Parse(run.RepositoryURL); err == nil && run.RepositoryURL != "" {
		all.set("vcs.repository.name", path.Base(at.Path))
		all.set("vcs.owner.name", strings.Trim(path.Dir(at.Path), "/."))
		all.set("vcs.provider.name", gitHosts[at.Hostname()])
	}
	if run.TaskARN != "" {
		all.set("cloud.provider", "aws")
		all.set("cloud.platform", "aws_ecs")
		all.set("aws.ecs.task.arn", run.TaskARN)
		all.set("aws.ecs.task.id", run.Task)
	}
	for _, p := range pairs {
		all.set(p[0], p[1])
	}
	return all
}

// resource is a list of attributes with different keys.
type resource []telemetry.Attribute

// set adds an attribute or replaces its value; an empty value changes nothing.
func (r *resource) set(key, value string) {
	if value == "" {
		return
	}
	for i := range *r {
		if (*r)[i].Key == key {
			(*r)[i].Value = value
			return
		}
	}
	*r = append(*r, telemetry.Attribute{Key: key, Value: value})
}
