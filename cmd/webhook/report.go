package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/carlin-cicd/runner/runner/telemetry"
)

// report writes a log line and a line of metrics. They quote nothing of the request that was not verified: the event is
// empty until then.
func (h *handler) report(
	ctx context.Context,
	r events.LambdaFunctionURLRequest,
	a answer,
	e event,
	failure error,
	took time.Duration,
) {
	level := slog.LevelInfo
	switch a.Status {
	case "rejected":
		level = slog.LevelWarn
	case "failed":
		level = slog.LevelError
	}
	attributes := []slog.Attr{
		slog.Int("code", a.code), slog.Int64("milliseconds", took.Milliseconds()), slog.Int("bytes", len(r.Body)),
		slog.String("request", r.RequestContext.RequestID), slog.String("ip", r.RequestContext.HTTP.SourceIP),
	}
	add := func(name, value string) {
		if value != "" {
			attributes = append(attributes, slog.String(name, value))
		}
	}
	add("reason", a.Reason)
	add("delivery", a.Delivery)
	add("event", a.Event)
	add("detail_type", e.kind)
	switch detail := e.detail.(type) {
	case push:
		add("repository", detail.Repository)
		add("ref", detail.Ref)
		add("sha", detail.After)
	case pullRequest:
		add("repository", detail.Repository)
		add("ref", detail.Ref)
		add("sha", detail.After)
		add("number", detail.Number)
	case mergeGroup:
		add("repository", detail.Repository)
		add("ref", detail.Ref)
		add("sha", detail.After)
	}
	if failure != nil {
		add("error", failure.Error())
	}
	h.log.LogAttrs(ctx, level, a.Status, attributes...)
	h.metrics.Write(append(h.metric(a), '\n'))
}

// metric encodes the delivery in CloudWatch's embedded metric format.
func (h *handler) metric(a answer) []byte {
	type metric struct{ Name, Unit string }
	counts := map[string]int{"WebhookForwarded": 0, "WebhookIgnored": 0, "WebhookRejected": 0, "WebhookFailed": 0}
	switch a.Status {
	case "forwarded":
		counts["WebhookForwarded"] = 1
	case "rejected":
		counts["WebhookRejected"] = 1
	case "failed":
		counts["WebhookFailed"] = 1
	default:
		counts["WebhookIgnored"] = 1
	}
	line := map[string]any{"Function": h.name, "Code": a.code, "Reason": a.Reason}
	var metrics []metric
	for _, name := range []string{"WebhookForwarded", "WebhookIgnored", "WebhookRejected", "WebhookFailed"} {
		metrics = append(metrics, metric{name, "Count"})
		line[name] = counts[name]
	}
	line["_aws"] = map[string]any{
		"Timestamp": h.now().UnixMilli(),
		"CloudWatchMetrics": []any{map[string]any{
			"Namespace": telemetry.Namespace, "Dimensions": [][]string{{"Function"}}, "Metrics": metrics,
		}},
	}
	text, err := json.Marshal(line)
	if err != nil {
		panic(err) // strings and numbers only
	}
	return text
}
