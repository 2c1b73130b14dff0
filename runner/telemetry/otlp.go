package telemetry

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// The two encodings of OTLP over HTTP, of opentelemetry-proto 1.x. A run sends a few dozen spans once, at its
// end: the SDK's batching would not help, and every run would pay for its start.

// scope is the instrumentation scope of the spans.
const scope = "github.com/carlin-cicd/runner"

// OTLP's numbers for the kind and the status of a span.
const (
	kindInternal = 1
	kindServer   = 2
	statusError  = 2

	flagKnowsRemote = 1 << 8
	flagRemote      = 1 << 9
)

func (s *Span) kind() int {
	if s.Server {
		return kindServer
	}
	return kindInternal
}

func (t *Trace) flagsOf(s *Span) uint32 {
	flags := uint32(t.flags) | flagKnowsRemote
	if s.Remote {
		flags |= flagRemote
	}
	return flags
}

// message is an encoded protobuf message.
type message []byte

// The wire types of protobuf that are used.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

func (m message) key(field, wire int) message { return binary.AppendUvarint(m, uint64(field<<3|wire)) }

func (m message) bytes(field int, b []byte) message {
	return append(binary.AppendUvarint(m.key(field, wireBytes), uint64(len(b))), b...)
}

func (m message) text(field int, s string) message {
	if s == "" {
		return m
	}
	return m.bytes(field, []byte(strings.ToValidUTF8(s, "\uFFFD"))) // a reader refuses the whole message otherwise
}

func (m message) number(field int, n uint64) message {
	return binary.AppendUvarint(m.key(field, wireVarint), n)
}

func (m message) instant(field int, t time.Time) message {
	return binary.LittleEndian.AppendUint64(m.key(field, wireFixed64), uint64(t.UnixNano()))
}

func (m message) attributes(field int, list []Attribute) message {
	for _, a := range list {
		var value message
		switch v := a.Value.(type) {
		case string: // an empty one, too: without a value its kind would be lost
			value = value.bytes(1, []byte(strings.ToValidUTF8(v, "\uFFFD")))
		case Constant:
			value = value.bytes(1, []byte(v))
		case bool:
			n := uint64(0)
			if v {
				n = 1
			}
			value = value.number(2, n)
		case int64:
			value = value.number(3, uint64(v))
		}
		m = m.bytes(field, message(nil).text(1, a.Key).bytes(2, value))
	}
	return m
}

// protobuf returns an ExportTraceServiceRequest.
func (t *Trace) protobuf(resource []Attribute, version string) []byte {
	scoped := message(nil).bytes(1, message(nil).text(1, scope).text(2, version))
	for _, s := range t.spans {
		m := message(nil).bytes(1, t.id[:]).bytes(2, s.ID[:])
		if s.Parent != (SpanID{}) {
			m = m.bytes(4, s.Parent[:])
		}
		m = m.text(
			5,
			s.Name,
		).number(
			6,
			uint64(s.kind()),
		).instant(
			7,
			s.Start,
		).instant(
			8,
			s.End,
		).attributes(
			9,
			s.Attributes,
		)
		if s.Failed {
			m = m.bytes(15, message(nil).text(2, s.Message).number(3, statusError))
		}
		m = binary.LittleEndian.AppendUint32(m.key(16, wireFixed32), t.flagsOf(s))
		scoped = scoped.bytes(2, m)
	}
	return message(nil).bytes(1, message(nil).bytes(1, message(nil).attributes(1, resource)).bytes(2, scoped))
}

// The types of the request in JSON, where ids are hexadecimal and 64-bit numbers are strings.
type (
	jsonAttribute struct {
		Key   string         `json:"key"`
		Value map[string]any `json:"value"`
	}
	jsonStatus struct {
		Message string `json:"message,omitempty"`
		Code    int    `json:"code"`
	}
	jsonSpan struct {
		TraceID    string          `json:"traceId"`
		SpanID     string          `json:"spanId"`
		Parent     string          `json:"parentSpanId,omitempty"`
		Flags      uint32          `json:"flags"`
		Name       string          `json:"name"`
		Kind       int             `json:"kind"`
		Start      string          `json:"startTimeUnixNano"`
		End        string          `json:"endTimeUnixNano"`
		Attributes []jsonAttribute `json:"attributes,omitempty"`
		Status     *jsonStatus     `json:"status,omitempty"`
	}
	jsonScope struct {
		Name    string `json:"name"`
		Version string `json:"version,omitempty"`
	}
	jsonScoped struct {
		Scope jsonScope  `json:"scope"`
		Spans []jsonSpan `json:"spans"`
	}
	jsonResource struct {
		Attributes []jsonAttribute `json:"attributes,omitempty"`
	}
	jsonResourceSpans struct {
		Resource jsonResource `json:"resource"`
		Scopes   []jsonScoped `json:"scopeSpans"`
	}
)

func jsonAttributes(list []Attribute) []jsonAttribute {
	var all []jsonAttribute
	for _, a := range list {
		value := map[string]any{}
		switch v := a.Value.(type) {
		case string:
			value["stringValue"] = v
		case Constant:
			value["stringValue"] = string(v)
		case bool:
			value["boolValue"] = v
		case int64:
			value["intValue"] = strconv.FormatInt(v, 10)
		}
		all = append(all, jsonAttribute{a.Key, value})
	}
	return all
}

func (t *Trace) json(resource []Attribute, version string) ([]byte, error) {
	scoped := jsonScoped{Scope: jsonScope{scope, version}}
	for _, s := range t.spans {
		j := jsonSpan{
			TraceID: hex.EncodeToString(
				t.id[:],
			), SpanID: hex.EncodeToString(s.ID[:]), Flags: t.flagsOf(s), Name: s.Name, Kind: s.kind(),
			Start: strconv.FormatInt(s.Start.UnixNano(), 10), End: strconv.FormatInt(s.End.UnixNano(), 10),
			Attributes: jsonAttributes(s.Attributes),
		}
		if s.Parent != (SpanID{}) {
			j.Parent = hex.EncodeToString(s.Parent[:])
		}
		if s.Failed {
			j.Status = &jsonStatus{s.Message, statusError}
		}
		scoped.Spans = append(scoped.Spans, j)
	}
	return json.Marshal(
		map[string]any{
			"resourceSpans": []jsonResourceSpans{{jsonResource{jsonAttributes(resource)}, []jsonScoped{scoped}}},
		},
	)
}
