package telemetry

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
	"time"
)

// TraceID and SpanID are the ids of W3C Trace Context. Zero is none.
type (
	TraceID [16]byte
	SpanID  [8]byte
)

// TraceParent is a span of a trace, as in TRACEPARENT.
type TraceParent struct {
	Trace TraceID
	Span  SpanID
	Flags byte
}

// sampled is the flag of a trace that is recorded.
const sampled = 1

// Sampled reports whether the caller records the trace.
func (p TraceParent) Sampled() bool { return p.Flags&sampled != 0 }

// String returns the value of a traceparent header.
func (p TraceParent) String() string {
	return "00-" + hex.EncodeToString(
		p.Trace[:],
	) + "-" + hex.EncodeToString(
		p.Span[:],
	) + "-" + hex.EncodeToString(
		[]byte{p.Flags},
	)
}

// ParseTraceParent reads a traceparent header of version 00, or the common part of a later version.
func ParseTraceParent(text string) (p TraceParent, ok bool) {
	parts := strings.Split(strings.TrimSpace(text), "-")
	if len(parts) < 4 || parts[0] == "ff" || parts[0] == "00" && len(parts) > 4 || strings.ToLower(text) != text {
		return TraceParent{}, false
	}
	var version, flags [1]byte
	for i, to := range [][]byte{version[:], p.Trace[:], p.Span[:], flags[:]} {
		if len(parts[i]) != 2*len(to) {
			return TraceParent{}, false
		}
		if _, err := hex.Decode(to, []byte(parts[i])); err != nil {
			return TraceParent{}, false
		}
	}
	p.Flags = flags[0]
	if p.Trace == (TraceID{}) || p.Span == (SpanID{}) {
		return TraceParent{}, false
	}
	return p, true
}

// Constant is the value of an attribute that this program chose, such as a result: redaction leaves it as it is.
type Constant string

// Attribute is a name and its value: a string, a Constant, an int64 or a bool.
type Attribute struct {
	Key   string
	Value any
}

// Span is one thing that took time. The zero Parent means a root.
type Span struct {
	ID, Parent SpanID
	Name       string
	Server     bool // requested from outside
	Remote     bool // its parent is in another process
	Start      time.Time
	End        time.Time
	Failed     bool
	Message    string // what went wrong
	Attributes []Attribute
}

// Trace collects the spans of one run. It is used by one goroutine. A nil *Trace collects nothing.
type Trace struct {
	id    TraceID
	flags byte
	spans []*Span
	open  []*Span // each the parent of the next; the first is the root
}

// NewTrace returns a trace with an open root span, below the parent if there is one.
func NewTrace(parent TraceParent, name string, begun time.Time) *Trace {
	t := &Trace{id: parent.Trace, flags: parent.Flags | parentless(parent)}
	if t.id == (TraceID{}) {
		_, _ = rand.Read(t.id[:]) // it never fails
	}
	root := t.add(name, parent.Span, begun)
	root.Server, root.Remote = true, parent.Span != SpanID{}
	return t
}

// parentless returns the flags of a trace that starts here.
func parentless(p TraceParent) byte {
	if p.Span == (SpanID{}) {
		return sampled
	}
	return 0
}

func (t *Trace) add(name string, parent SpanID, begun time.Time) *Span {
	s := &Span{Parent: parent, Name: name, Start: begun}
	_, _ = rand.Read(s.ID[:])
	t.spans, t.open = append(t.spans, s), append(t.open, s)
	return s
}

// StartSpan opens a span below the innermost open one, which must be ended later.
func (t *Trace) StartSpan(name string) *Span {
	if t == nil {
		return nil
	}
	return t.add(name, t.open[len(t.open)-1].ID, time.Now())
}

// EndSpan closes s, which must be the innermost open span.
func (t *Trace) EndSpan(s *Span, attributes ...Attribute) {
	if t == nil {
		return
	}
	s.End = time.Now()
	s.Attributes = append(s.Attributes, attributes...)
	t.open = t.open[:len(t.open)-1]
}

// Len returns the number of spans.
func (t *Trace) Len() int { return len(t.spans) }

// TraceParent returns the innermost open span, for other processes.
func (t *Trace) TraceParent() TraceParent {
	return TraceParent{Trace: t.id, Span: t.open[len(t.open)-1].ID, Flags: t.flags}
}

// Finish closes what is open and returns the root.
func (t *Trace) Finish() *Span {
	for len(t.open) > 0 {
		t.EndSpan(t.open[len(t.open)-1])
	}
	return t.spans[0]
}

// Redact applies a function to every text of the trace but Constants.
func (t *Trace) Redact(clean func(string) string) {
	for _, s := range t.spans {
		s.Name, s.Message = clean(s.Name), clean(s.Message)
		RedactAttributes(s.Attributes, clean)
	}
}

// RedactAttributes is Redact for attributes.
func RedactAttributes(attributes []Attribute, clean func(string) string) {
	for i, a := range attributes {
		if text, ok := a.Value.(string); ok {
			attributes[i].Value = clean(text)
		}
	}
}
