package telemetry

import (
	"context"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

func TestParseTraceParent(t *testing.T) {
	const good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for _, c := range []struct {
		sentence, text string
		ok             bool
	}{
		{"the standard's own example is one", good, true},
		{"a later version may say more", "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-the-future", true},
		{"this version may not", good + "-x", false},
		{"version ff is none", "ff" + good[2:], false},
		{"a trace id of zeros is none", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", false},
		{"nor is a span id of zeros", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false},
		{"capitals are refused", strings.ToUpper(good), false},
		{"short ids are refused", "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01", false},
		{"what is not hexadecimal is refused", "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01", false},
		{"nothing is refused", "", false},
	} {
		p, ok := ParseTraceParent(c.text)
		if ok != c.ok {
			t.Errorf("%s: %v", c.sentence, ok)
		}
		if ok && strings.HasPrefix(c.text, "00-") && p.String() != c.text {
			t.Errorf("%s: it became %s", c.sentence, p)
		}
	}
}

func FuzzParseTraceParent(f *testing.F) {
	f.Add("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	f.Fuzz(func(t *testing.T, text string) {
		p, ok := ParseTraceParent(text)
		if !ok {
			return
		}
		if again, ok := ParseTraceParent(p.String()); !ok || again != p {
			t.Fatalf("%q became %v and that %v", text, p, again)
		}
	})
}

func TestNewExporter(t *testing.T) {
	const base, traces = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	for _, c := range []struct {
		sentence  string
		variables map[string]string
		want      *Exporter
		refused   string
	}{
		{"without an endpoint there is none", map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, nil, ""},
		{"the path is added to that of all signals", map[string]string{base: "http://c:4318"}, &Exporter{URL: "http://c:4318/v1/traces", Timeout: defaultTimeout}, ""},
		{"also to a path, with or without a slash at its end", map[string]string{base: "https://c/otlp/"}, &Exporter{URL: "https://c/otlp/v1/traces", Timeout: defaultTimeout}, ""},
		{"that of traces is the address itself, and wins", map[string]string{base: "http://c:4318", traces: "http://d/x"}, &Exporter{URL: "http://d/x", Timeout: defaultTimeout}, ""},
		{"every setting is read", map[string]string{base: "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip", "OTEL_EXPORTER_OTLP_TIMEOUT": "1500"}, &Exporter{URL: "http://c/v1/traces", JSON: true, Gzip: true, Timeout: 1500 * time.Millisecond}, ""},
		{"one of traces wins", map[string]string{base: "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}, &Exporter{URL: "http://c/v1/traces", Timeout: defaultTimeout}, ""},
		{"the SDK may be switched off", map[string]string{base: "http://c", "OTEL_SDK_DISABLED": "TRUE"}, nil, ""},
		{"so may the traces", map[string]string{base: "http://c", "OTEL_TRACES_EXPORTER": "none"}, nil, ""},
		{"grpc is refused", map[string]string{base: "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, nil, "OTEL_EXPORTER_OTLP_PROTOCOL"},
		{"an address without a scheme is refused", map[string]string{base: "c:4318"}, nil, base},
		{"a timeout of no number is refused", map[string]string{base: "http://c", "OTEL_EXPORTER_OTLP_TIMEOUT": "10s"}, nil, "TIMEOUT"},
		{"an unknown compression is refused", map[string]string{base: "http://c", "OTEL_EXPORTER_OTLP_COMPRESSION": "zstd"}, nil, "COMPRESSION"},
	} {
		got, err := NewExporter(c.variables)
		switch {
		case c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused)):
			t.Errorf("%s: %v", c.sentence, err)
		case c.refused == "" && (err != nil || !reflect.DeepEqual(got, c.want)):
			t.Errorf("%s: %+v, %v", c.sentence, got, err)
		}
	}
}

func TestParsePairs(t *testing.T) {
	for _, c := range []struct {
		sentence, text string
		want           [][2]string
		whole          bool
	}{
		{"pairs are percent-encoded, and may have spaces around", " a = b%20c , d=e=f,", [][2]string{{"a", "b c"}, {"d", "e=f"}}, true},
		{"a plus is a plus", "a=b+c", [][2]string{{"a", "b+c"}}, true},
		{"what is no pair is left out", "a,b=c,=d,e=%zz", [][2]string{{"b", "c"}}, false},
		{"nothing is no pair", "", nil, true},
	} {
		if got, whole := ParseBaggage(c.text); !reflect.DeepEqual(got, c.want) || whole != c.whole {
			t.Errorf("%s: %q, %v", c.sentence, got, whole)
		}
	}
}

func TestNoTraceCollectsNothing(t *testing.T) {
	var trace *Trace
	trace.EndSpan(trace.StartSpan("x"))
}

func TestTextThatIsNoUTF8IsReplaced(t *testing.T) {
	trace := NewTrace(TraceParent{}, "RUN \xff", time.Now())
	root := trace.Finish()
	root.Failed, root.Message, root.Attributes = true, "a\xffb", []Attribute{
		{"k", "\xfe"},
		{"empty", ""},
		{"b", true},
		{"n", int64(-1)},
	}
	var data v1.TracesData
	if err := proto.Unmarshal(trace.protobuf([]Attribute{{"r", "v"}}, "1"), &data); err != nil {
		t.Fatal(err)
	}
	span := data.ResourceSpans[0].ScopeSpans[0].Spans[0]
	if span.Status.Message != "a\uFFFDb" || span.Status.Code != v1.Status_STATUS_CODE_ERROR ||
		span.Attributes[0].Value.GetStringValue() != "\uFFFD" ||
		!span.Attributes[2].Value.GetBoolValue() ||
		span.Attributes[3].Value.GetIntValue() != -1 {
		t.Errorf("%v", span)
	}
	if span.Attributes[1].Value.Value == nil {
		t.Error("an empty text is a value all the same")
	}
	if data.ResourceSpans[0].ScopeSpans[0].Scope.Name != scope {
		t.Error("the scope is missing")
	}
}

// The headers must not follow a redirect, nor may a refusal be tried again.
func TestWhatACollectorAnswers(t *testing.T) {
	for _, c := range []struct {
		sentence string
		status   int
		attempts int
	}{
		{"a redirect is not followed", http.StatusTemporaryRedirect, 1},
		{"a refusal is final", http.StatusUnauthorized, 1},
		{"a broken collector is not asked again", http.StatusInternalServerError, 1},
		{"a busy one is, a few times", http.StatusTooManyRequests, 4},
	} {
		attempts, elsewhere := 0, 0
		other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			attempts++
			w.Header().Set("Location", other.URL)
			w.WriteHeader(c.status)
		}))
		trace := NewTrace(TraceParent{}, "RUN x", time.Now())
		trace.Finish()
		e := &Exporter{URL: server.URL + "/?key=hidden", Timeout: time.Minute}
		err := e.Export(context.Background(), trace, nil, "1", [][2]string{{"Authorization", "Bearer hidden"}})
		if err == nil || attempts != c.attempts || elsewhere > 0 || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: %d attempts, %d elsewhere: %v", c.sentence, attempts, elsewhere, err)
		}
		server.Close()
		other.Close()
	}
}

func BenchmarkEncode(b *testing.B) {
	trace := NewTrace(TraceParent{}, "RUN test", time.Now())
	for range 30 {
		trace.EndSpan(
			trace.StartSpan("phase"),
			Attribute{"cicd.pipeline.task.name", "phase"},
			Attribute{"cicd.pipeline.task.run.result", "success"},
		)
	}
	trace.Finish()
	b.ReportAllocs()
	for b.Loop() {
		_ = trace.protobuf(nil, "1")
	}
}
