package runner

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/present"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/runner/telemetry"
	"github.com/carlin-cicd/runner/steps/reference"
)

// A run is a trace if OTEL_EXPORTER_OTLP_ENDPOINT is set: a span for the run, a child for each phase, and below that of
// the command one for each attempt. Commands get their span as TRACEPARENT. The trace is sent once, at the end.

// tracing is the trace of a run; the zero value records nothing.
type tracing struct {
	exporter *telemetry.Exporter
	trace    *telemetry.Trace
}

// startTrace starts the trace if an endpoint is set. Without valid settings there is a warning and no trace.
func (r *run) startTrace() {
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
		r.Log.Warn("TRACEPARENT is invalid, so the run starts a trace of its own")
	}
	if ok && !parent.Sampled() {
		return // the caller does not want the run recorded, nor its command
	}
	r.tracing = tracing{exporter: exporter, trace: telemetry.NewTrace(parent, "RUN "+r.step.Name, r.Began)}
}

// traced makes the open span the parent of a command's spans.
func (r *run) traced(how supervision) supervision {
	if r.tracing.trace == nil {
		return how
	}
	return how.with("TRACEPARENT", r.tracing.trace.TraceParent().String())
}

// span opens a span, which the returned function closes.
func (r *run) span(name string) (end func(error)) {
	t := r.tracing.trace
	if t == nil {
		return func(error) {}
	}
	number, phase := t.Len(), len(r.phases)+1 // of the span in the run, and of its row in the report
	s := t.StartSpan(name)
	return func(err error) {
		o := outcome.Of(err)
		if err != nil {
			s.Failed, s.Message = true, err.Error()
			s.Attributes = append(
				s.Attributes, telemetry.Attribute{Key: "error.type", Value: telemetry.Constant(o.Reason)},
			)
		}
		t.EndSpan(
			s,
			telemetry.Attribute{Key: "cicd.pipeline.task.name", Value: name},
			telemetry.Attribute{Key: "cicd.pipeline.task.run.id", Value: r.ID + "/" + strconv.Itoa(number)},
			telemetry.Attribute{
				Key:   "cicd.pipeline.task.run.url.full",
				Value: present.ReportURL(r.Place, r.runKey()) + "#phase-" + strconv.Itoa(phase),
			},
			telemetry.Attribute{Key: "cicd.pipeline.task.run.result", Value: present.TraceResult(o.Reason)},
		)
	}
}

// group opens a span around several phases; one alone needs none.
func (r *run) group(name string, of int) (end func(error)) {
	if of < 2 {
		return func(error) {}
	}
	return r.span(name)
}

// sendTrace ends the trace and sends it concurrently, within the exporter's timeout and the stop budget. The function
// that it returns waits for that.
func (r *run) sendTrace(ended record.Run) (wait func()) {
	t := r.tracing.trace
	if t == nil {
		return func() {}
	}
	exporter := r.tracing.exporter
	r.tracing = tracing{}
	present.FinishSpan(t.Finish(), ended)
	resource := r.traceResource(ended)
	done := make(chan error, 1)
	go func() {
		ctx, cancel := r.Stop.PublishContext()
		defer cancel()
		headers, err := r.traceHeaders(ctx)
		if err != nil {
			done <- err
			return
		}
		t.Redact(r.cleanForTrace) // after the last secret is known
		telemetry.RedactAttributes(resource, r.cleanForTrace)
		err = exporter.Export(ctx, t, resource, r.in.Version, headers)
		if cause := context.Cause(ctx); err != nil && cause != nil {
			err = fmt.Errorf("%w: %w", cause, err)
		}
		done <- err
	}()
	return func() {
		if err := <-done; err != nil {
			r.Log.Warn(
				"the trace could not be sent", "error", err.Error(),
				"hint", cmp.Or(
					outcome.Hint(err),
					"check OTEL_EXPORTER_OTLP_ENDPOINT, and whether the collector can be reached from here",
				),
			)
		}
	}
}

// traceHeaders resolves the headers for the collector and adds their values to the redactor.
func (r *run) traceHeaders(ctx context.Context) ([][2]string, error) {
	for _, name := range telemetry.HeaderVariables {
		if r.Variables[name] == "" {
			continue
		}
		values, err := r.private.Resolve(ctx, &r.Session, name)
		if err != nil {
			return nil, err
		}
		headers, ok := telemetry.ParseBaggage(values[name])
		if !ok {
			return nil, &telemetry.SettingError{
				Message: name + " is not a list of key=value pairs", Advice: "write it as in Authorization=Bearer%20TOKEN,X-Tenant=team",
			}
		}
		r.Redactor.Add(headerSecrets(headers, name)...)
		return headers, nil
	}
	return nil, nil
}

// maxTraceText is the length of the longest text in a trace, in bytes.
const maxTraceText = 4 << 10

func (r *run) cleanForTrace(text string) string {
	text = r.Redactor.String(text)
	if len(text) > maxTraceText {
		text = strings.ToValidUTF8(text[:maxTraceText], "") + "…"
	}
	return text
}

// traceResource returns what the spans are of. OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME replace attributes of
// ours.
func (r *run) traceResource(ended record.Run) []telemetry.Attribute {
	pairs, ok := telemetry.ParseBaggage(r.Variables["OTEL_RESOURCE_ATTRIBUTES"])
	if !ok {
		r.Log.Warn("OTEL_RESOURCE_ATTRIBUTES is not a list of key=value pairs, so a part of it is ignored")
	}
	return present.TraceResource(ended, append(pairs, [2]string{"service.name", r.Variables["OTEL_SERVICE_NAME"]}))
}

// secretHeaders are parts of the names of headers whose values are secret.
var secretHeaders = []string{"auth", "key", "token", "secret", "pass", "cookie"}

// headerSecrets returns the values of headers that are secret by their name or length. A tenant's name is not, and may
// be an ordinary word.
func headerSecrets(headers [][2]string, variable string) []redact.Secret {
	const long = 16
	var all []redact.Secret
	for _, h := range headers {
		name := strings.ToLower(h[0])
		secret := slices.ContainsFunc(secretHeaders, func(part string) bool { return strings.Contains(name, part) })
		if !secret && len(h[1]) < long {
			continue
		}
		all = append(all, redact.Secret{Name: variable, Value: h[1]})
		if _, credential, ok := strings.Cut(h[1], " "); ok { // Bearer, Basic
			all = append(all, redact.Secret{Name: variable, Value: credential})
		}
	}
	return all
}

// knownHeaders returns the secrets in headers that are not a reference.
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
