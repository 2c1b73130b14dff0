package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/logs"
	"github.com/carlin-cicd/runner/runner/terminal"
)

// View shows a task as text, or as JSON.
type View struct {
	format logs.Format
	sink   *logs.Sink
	log    *slog.Logger
	lines  io.WriteCloser // the command's
}

// NewView returns a view on out. As text, the runner's JSON lines look as on a laptop.
func NewView(out io.Writer, format logs.Format, color bool) *View {
	v := &View{format: format, sink: logs.New(out, logs.Options{Format: format, Color: color, Level: slog.LevelDebug})}
	v.log, v.lines = slog.New(v.sink.Handler()), v.sink.Command()
	return v
}

// Notice is news of ours.
func (v *View) Notice(message string) { v.log.Info(message) }

// Close shows what was not finished.
func (v *View) Close() {
	v.lines.Close()
	v.sink.Flush()
}

// common are on every line of a run: the task that is named has told them.
var common = []string{"step", "run_id", "branch", "sha", "environment", "task", "seq", "cut"}

// Line shows a line of the runner's log. The metrics are a run's last word.
func (v *View) Line(text string) (last bool) {
	fields, ok := fieldsOf(text)
	_, last = fields["_aws"]
	switch {
	case ok && v.format == logs.JSON:
		for line := range strings.Lines(text) {
			_ = v.sink.Raw(terminal.EscapeJSON([]byte(line))) // the reader may be gone: that ends nothing here
		}
	case !ok:
		fmt.Fprintln(v.lines, text)
	case last:
	case fields["source"] == "command":
		end := "\n"
		if fields["partial"] == true {
			end = ""
		}
		fmt.Fprintf(v.lines, "%v%s", fields["msg"], end)
	case fields["source"] != nil: // a service
		fmt.Fprintf(v.lines, "%v | %v\n", fields["source"], fields["msg"])
	default:
		v.record(text, fields)
	}
	return last
}

// record shows a line of the runner itself.
func (v *View) record(text string, fields map[string]any) {
	at, _ := time.Parse(time.RFC3339Nano, fmt.Sprint(fields["time"]))
	var level slog.Level
	_ = level.UnmarshalText([]byte(fmt.Sprint(fields["level"])))
	r := slog.NewRecord(at, level, fmt.Sprint(fields["msg"]), 0)
	for _, name := range order(text) {
		switch name {
		case "time", "level", "msg":
			continue
		}
		known := false
		for _, c := range common {
			known = known || name == c
		}
		if !known {
			r.AddAttrs(slog.Any(name, plain(fields[name])))
		}
	}
	_ = v.sink.Handler().Handle(context.Background(), r)
}

// plain is a number as it was written.
func plain(value any) any {
	switch value := value.(type) {
	case json.Number:
		return value.String()
	case []any, map[string]any:
		text, _ := json.Marshal(value)
		return string(text)
	}
	return value
}

// fieldsOf reads a line that is an object of JSON.
func fieldsOf(text string) (map[string]any, bool) {
	if !strings.HasPrefix(text, "{") {
		return nil, false
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var fields map[string]any
	if d.Decode(&fields) != nil || d.InputOffset() != int64(len(bytes.TrimRight([]byte(text), " \r\n"))) {
		return nil, false
	}
	_, isRecord := fields["msg"]
	_, isMetric := fields["_aws"]
	return fields, isRecord || isMetric
}

// order is that of an object's names.
func order(text string) (names []string) {
	d := json.NewDecoder(strings.NewReader(text))
	_, _ = d.Token()
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return names
		}
		names = append(names, fmt.Sprint(name))
		var skipped json.RawMessage
		if d.Decode(&skipped) != nil {
			return names
		}
	}
	return names
}
