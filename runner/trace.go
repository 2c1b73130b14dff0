package runner

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/runner/telemetry"
	"github.com/carlin-cicd/runner/steps/reference"
)

// A run is a trace where OTEL_EXPORTER_OTLP_ENDPOINT is set: a span for the run, one below it for each phase, and below that of
// the command one for each attempt. Each command finds the span that it is in as TRACEPARENT. The trace is sent once, at the end.

// tracing is what a run needs for that; the zero one does nothing.
type tracing struct {
	exporter *telemetry.Exporter
	trace    *telemetry.Trace
}

// beginTrace begins the trace, if one is wanted. What is wrong with the settings is told, and costs the run nothing but its trace.
func (r *run) beginTrace() {
	exporter, err := telemetry.NewExporter(r.Variables)
	if err != nil {
		r.Log.Warn("no trace will be sent", "error", err.Error(), "hint", outcome.Hint(err))
		return
	}
	if exporter == nil {
		return
	}
	parent, ok := telemetry.ParseTraceParent(r.Config.TraceParent)
	if !ok && r.Config.TraceParent != "" {
		r.Log.Warn("TRACEPARENT is none, so the run begins a trace of its own")
	}
	if ok && !parent.Sampled() {
		return // whoever asks for the run does not want it recorded, and the command is told so, too
	}
	r.tracing = tracing{exporter: exporter, trace: telemetry.NewTrace(parent, "RUN "+r.step.Name, r.Began)}
}

// traced puts a command below the span that is open.
func (r *run) traced(how supervision) supervision {
	if r.tracing.trace == nil {
		return how
	}
	return how.with("TRACEPARENT", r.tracing.trace.TraceParent().String())
}

// span opens a span, which the function that it returns closes.
func (r *run) span(name string) (end func(error)) {
	t := r.tracing.trace
	if t == nil {
		return func(error) {}
	}
	number, phase := t.Len(), len(r.phases)+1 // of the task in this run, and of its row in the report
	s := t.StartSpan(name)
	return func(err error) {
		o := outcome.Of(err)
		if err != nil {
			s.Failed, s.Message = true, err.Error()
			s.Attributes = append(s.Attributes, telemetry.Attribute{Key: "error.type", Value: string(o.Reason)})
		}
		t.EndSpan(
			s,
			telemetry.Attribute{Key: "cicd.pipeline.task.name", Value: name},
			telemetry.Attribute{Key: "cicd.pipeline.task.run.id", Value: r.ID + "/" + strconv.Itoa(number)},
			telemetry.Attribute{Key: "cicd.pipeline.task.run.url.full", Value: r.reportURL() + "#phase-" + strconv.Itoa(phase)},
			telemetry.Attribute{Key: "cicd.pipeline.task.run.result", Value: traceResult(o)},
		)
	}
}

// group opens a span for several phases that belong together; one alone needs none.
func (r *run) group(name string, of int) (end func(error)) {
	if of < 2 {
		return func(error) {}
	}
	return r.span(name)
}

// traceResult is what OpenTelemetry's conventions call the end of a run or of a part of it.
func traceResult(o outcome.Outcome) string {
	switch o.Reason {
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

// sendTrace ends the trace and sends it beside what else there is to do; the function that it returns waits for that. It has the
// time that the exporter has and the stop budget allows.
func (r *run) sendTrace(o outcome.Outcome) (wait func()) {
	t := r.tracing.trace
	if t == nil {
		return func() {}
	}
	exporter := r.tracing.exporter
	r.tracing = tracing{}
	root := t.Finish()
	root.Attributes = []telemetry.Attribute{
		{Key: "cicd.pipeline.action.name", Value: "RUN"},
		{Key: "cicd.pipeline.result", Value: traceResult(o)},
		{Key: "process.exit.code", Value: int64(o.ExitCode)},
	}
	if !o.Passed() {
		root.Failed = true
		root.Attributes = append(root.Attributes, telemetry.Attribute{Key: "error.type", Value: string(o.Reason)})
		if o.Err != nil {
			root.Message = o.Err.Error()
		}
	}
	resource := r.traceResource()
	done := make(chan error, 1)
	go func() {
		ctx, cancel := r.Stop.PublishContext()
		defer cancel()
		var headers [][2]string
		for _, name := range telemetry.HeaderVariables {
			if r.Variables[name] == "" {
				continue
			}
			values, err := r.private.Resolve(ctx, &r.Session, name)
			if err != nil {
				done <- err
				return
			}
			var whole bool
			if headers, whole = telemetry.ParseBaggage(values[name]); !whole {
				done <- &telemetry.SettingError{Message: name + " is no list of key=value pairs", Advice: "write them as in Authorization=Bearer%20TOKEN,X-Tenant=team"}
				return
			}
			r.Redactor.Add(headerSecrets(headers, name)...)
			break
		}
		t.Redact(r.cleanForTrace) // now that the last secret is known
		telemetry.RedactAttributes(resource, r.cleanForTrace)
		err := exporter.Export(ctx, t, resource, r.in.Version, headers)
		if cause := context.Cause(ctx); err != nil && cause != nil {
			err = fmt.Errorf("%w: %w", cause, err)
		}
		done <- err
	}()
	return func() {
		if err := <-done; err != nil {
			r.Log.Warn("the trace could not be sent", "error", err.Error(), "hint", cmp.Or(outcome.Hint(err), "see OTEL_EXPORTER_OTLP_ENDPOINT, and whether the collector can be reached from here"))
		}
	}
}

// maxTraceText is how long a text in a trace may be, in bytes.
const maxTraceText = 4 << 10

func (r *run) cleanForTrace(text string) string {
	text = r.Redactor.String(text)
	if len(text) > maxTraceText {
		text = strings.ToValidUTF8(text[:maxTraceText], "") + "…"
	}
	return text
}

// traceResource is what the spans are of. What OTEL_RESOURCE_ATTRIBUTES says comes last, and wins.
func (r *run) traceResource() []telemetry.Attribute {
	repository := webURL(r.Config.Repository, r.Config.GitHubName)
	values := map[string]string{}
	var order []string
	set := func(key, value string) {
		if value == "" {
			return
		}
		if _, there := values[key]; !there {
			order = append(order, key)
		}
		values[key] = value
	}
	set("service.name", "carlin-cicd-runner")
	set("service.version", r.in.Version)
	set("cicd.pipeline.name", r.step.Name)
	set("cicd.pipeline.run.id", r.ID)
	set("cicd.pipeline.run.url.full", r.reportURL())
	set("deployment.environment.name", r.Config.Environment)
	if r.Ref.Branch != session.Detached {
		kind := "branch"
		if r.Variables["GITHUB_REF_TYPE"] == "tag" && r.Ref.Branch == r.Config.GitHubBranch {
			kind = "tag"
		}
		set("vcs.ref.head.name", r.Ref.Branch)
		set("vcs.ref.head.type", kind)
		set("vcs.ref.type", kind) // which a reference has, while a change has one for its head and one for its base
	}
	if r.Ref.SHA != session.NoCommit {
		set("vcs.ref.head.revision", r.Ref.SHA)
	}
	set("vcs.repository.url.full", repository)
	if at, err := url.Parse(repository); err == nil && repository != "" {
		set("vcs.repository.name", path.Base(at.Path))
		set("vcs.owner.name", strings.Trim(path.Dir(at.Path), "/."))
		set("vcs.provider.name", providers[at.Hostname()])
	}
	if r.task.ARN != "" {
		set("cloud.provider", "aws")
		set("cloud.platform", "aws_ecs")
		set("aws.ecs.task.arn", r.task.ARN)
		set("aws.ecs.task.id", r.task.ID())
	}
	pairs, ok := telemetry.ParseBaggage(r.Variables["OTEL_RESOURCE_ATTRIBUTES"])
	if !ok {
		r.Log.Warn("OTEL_RESOURCE_ATTRIBUTES is no list of key=value pairs, so some of it is left out")
	}
	for _, p := range pairs {
		set(p[0], p[1])
	}
	set("service.name", r.Variables["OTEL_SERVICE_NAME"])
	var all []telemetry.Attribute
	for _, key := range order {
		all = append(all, telemetry.Attribute{Key: key, Value: values[key]})
	}
	return all
}

// reportURL is where the run's report is, or will be: a file:// or an s3:// address.
func (r *run) reportURL() string {
	if bucket, ok := strings.CutPrefix(r.Place, "s3://"); ok {
		return "s3://" + bucket + "/" + (&url.URL{Path: r.runKey() + "/report.html"}).EscapedPath()
	}
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(filepath.Join(r.Place, filepath.FromSlash(r.runKey()), "report.html"))}).String()
}

// providers are those that are known by their host.
var providers = map[string]string{"github.com": "github", "gitlab.com": "gitlab", "bitbucket.org": "bitbucket"}

// headerSecrets are the values of headers that are worth redacting: a tenant's name is not, and may be a word of every day.
func headerSecrets(headers [][2]string, variable string) []redact.Secret {
	const long = 16
	var all []redact.Secret
	for _, h := range headers {
		name := strings.ToLower(h[0])
		telling := strings.Contains(name, "auth") || strings.Contains(name, "key") || strings.Contains(name, "token") || strings.Contains(name, "secret") ||
			strings.Contains(name, "pass") || strings.Contains(name, "cookie")
		if !telling && len(h[1]) < long {
			continue
		}
		all = append(all, redact.Secret{Name: variable, Value: h[1]})
		if _, credential, ok := strings.Cut(h[1], " "); ok { // Bearer, Basic
			all = append(all, redact.Secret{Name: variable, Value: credential})
		}
	}
	return all
}

// knownHeaders are the collector's headers that are in the environment as they are.
func knownHeaders(variables map[string]string) []redact.Secret {
	var all []redact.Secret
	for _, name := range telemetry.HeaderVariables {
		if _, isReference := reference.Parse(variables[name], true); !isReference {
			pairs, _ := telemetry.ParseBaggage(variables[name])
			all = append(all, headerSecrets(pairs, name)...)
		}
	}
	return all
}
