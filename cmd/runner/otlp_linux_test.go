package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/rogpeppe/go-internal/testscript"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// collector receives OTLP over HTTP. It decodes traces into the official types and refuses everything else.
type collector struct {
	mu     sync.Mutex
	traces []*trace.ResourceSpans
	heads  []http.Header
	faults int // the number of requests to answer with 503
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.faults > 0 {
		c.faults--
		http.Error(w, "busy", http.StatusServiceUnavailable)
		return
	}
	c.heads = append(c.heads, r.Header.Clone())
	data, err := readTraces(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.traces = append(c.traces, data.ResourceSpans...)
}

// hexIDs matches the ids in OTLP's JSON, which are hexadecimal; protobuf's own JSON has base64.
var hexIDs = regexp.MustCompile(`"(traceId|spanId|parentSpanId)":"([0-9a-f]*)"`)

// readTraces decodes an ExportTraceServiceRequest, which has the fields of TracesData.
func readTraces(r *http.Request) (*trace.TracesData, error) {
	if r.Method != http.MethodPost || r.URL.Path != "/v1/traces" {
		return nil, fmt.Errorf("%s %s", r.Method, r.URL.Path)
	}
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(body)
		if err != nil {
			return nil, err
		}
		body = unpacked
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	var data trace.TracesData
	switch kind := r.Header.Get("Content-Type"); kind {
	case "application/x-protobuf":
		if err := proto.Unmarshal(text, &data); err != nil {
			return nil, err
		}
		if len(data.ProtoReflect().GetUnknown()) > 0 {
			return nil, fmt.Errorf("unknown fields")
		}
	case "application/json":
		text = hexIDs.ReplaceAllFunc(text, func(m []byte) []byte {
			parts := hexIDs.FindSubmatch(m)
			id, _ := hex.DecodeString(string(parts[2]))
			return fmt.Appendf(nil, `"%s":"%s"`, parts[1], base64.StdEncoding.EncodeToString(id))
		})
		if err := protojson.Unmarshal(text, &data); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("%s", kind)
	}
	return &data, nil
}

var collectors sync.Map // of *collector, by the folder of the transcript

// collector [slow|busy]: starts a collector and sets the variable of OpenTelemetry. A slow one never answers, a busy
// one refuses two requests.
func cmdCollector(ts *testscript.TestScript, _ bool, args []string) {
	c := &collector{}
	handler := http.Handler(c)
	switch {
	case len(args) == 1 && args[0] == "slow":
		handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			select {
			case <-r.Context().Done():
			case <-time.After(hangTimeout):
			}
		})
	case len(args) == 1 && args[0] == "busy":
		c.faults = 2
	}
	server := httptest.NewServer(handler)
	ts.Defer(func() { server.CloseClientConnections(); server.Close() })
	ts.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	collectors.Store(ts.MkAbs("."), c)
}

func collected(ts *testscript.TestScript) *collector {
	c, ok := collectors.Load(ts.MkAbs("."))
	if !ok {
		ts.Fatalf("there is no collector")
	}
	return c.(*collector)
}

// newestTrace returns the trace that was received last.
func (c *collector) newestTrace(ts *testscript.TestScript) *trace.ResourceSpans {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.traces) == 0 {
		ts.Fatalf("no trace was received")
	}
	return c.traces[len(c.traces)-1]
}

func texts(list []*common.KeyValue) map[string]string {
	all := map[string]string{}
	for _, a := range list {
		switch v := a.Value.Value.(type) {
		case *common.AnyValue_StringValue:
			all[a.Key] = v.StringValue
		case *common.AnyValue_IntValue:
			all[a.Key] = fmt.Sprint(v.IntValue)
		}
	}
	return all
}

// resource KEY VALUE: checks an attribute of the newest trace; header.NAME is a header of its request, count the number
// of traces. A VALUE after "~" is a part.
func cmdResource(ts *testscript.TestScript, neg bool, args []string) {
	c := collected(ts)
	if args[0] == "count" {
		c.mu.Lock()
		defer c.mu.Unlock()
		if got := fmt.Sprint(len(c.traces)); (got == args[1]) == neg {
			ts.Fatalf("%s traces were received", got)
		}
		return
	}
	all := texts(c.newestTrace(ts).Resource.Attributes)
	got := all[args[0]]
	if name, ok := strings.CutPrefix(args[0], "header."); ok {
		got = c.heads[len(c.heads)-1].Get(name)
	}
	want, part := strings.CutPrefix(args[1], "~")
	if (got == want || part && strings.Contains(got, want)) == neg {
		ts.Fatalf("%s is %q among %v", args[0], got, all)
	}
}

// span NAME KEY VALUE: checks a span of the newest trace. A key is an attribute, or parent (the name of the parent),
// trace, parent-id, id, status, message, kind or flags. A VALUE after "~" is a part, one after "@" is read from a file.
func cmdSpan(ts *testscript.TestScript, neg bool, args []string) {
	newest := collected(ts).newestTrace(ts)
	names, found := map[string]string{}, (*trace.Span)(nil)
	for _, s := range newest.ScopeSpans[0].Spans {
		id := hex.EncodeToString(s.SpanId)
		switch {
		case names[id] != "", len(s.SpanId) != 8, len(s.TraceId) != 16,
			s.StartTimeUnixNano == 0, s.EndTimeUnixNano < s.StartTimeUnixNano:
			ts.Fatalf("invalid span: %v", s)
		}
		names[id] = s.Name
		if s.Name == args[0] {
			found = s
		}
	}
	if found == nil {
		if neg && len(args) == 1 {
			return
		}
		ts.Fatalf("no span %s among %v", args[0], names)
	}
	if len(args) == 1 {
		if neg {
			ts.Fatalf("there is a span %s", args[0])
		}
		return
	}
	all := texts(found.Attributes)
	all["id"], all["trace"] = hex.EncodeToString(found.SpanId), hex.EncodeToString(found.TraceId)
	all["parent-id"] = hex.EncodeToString(found.ParentSpanId)
	all["parent"] = names[all["parent-id"]]
	all["status"], all["message"] = found.GetStatus().GetCode().String(), found.GetStatus().GetMessage()
	all["kind"] = found.Kind.String()
	all["flags"] = fmt.Sprintf("%x", found.Flags)
	want, part := strings.CutPrefix(wanted(ts, args[2]), "~")
	if got := all[args[1]]; (got == want || part && strings.Contains(got, want)) == neg {
		text, _ := json.MarshalIndent(all, "", "  ")
		ts.Fatalf("%s of %s is %q, want %q: %s", args[1], args[0], got, want, text)
	}
}

// wanted returns a value as it is written, or after "@" the content of a file.
func wanted(ts *testscript.TestScript, text string) string {
	if name, ok := strings.CutPrefix(text, "@"); ok {
		return strings.TrimSpace(ts.ReadFile(name))
	}
	return text
}
