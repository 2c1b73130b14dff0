package logs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"time"
)

const (
	cutMark = `,"cut":true`
	// What a record may have before its seq.
	recordRoom = MaxRecord - len(cutMark) - len(`,"seq":`) - maxDigits - len("}\n")
	// What is left of the message and of each value once a record is too long.
	messageRoom = 4 << 10
	valueRoom   = 1 << 10
	// What the attributes that are on every record may have.
	sharedRoom = 4 << 10
)

// appendJSON appends r up to where its seq goes. Nearly every record fits; one that does not is
// rendered again with short values, so that one long value does not push out the others.
func (h *handler) appendJSON(b []byte, r slog.Record) []byte {
	start := len(b)
	b, cut := h.appendJSONCut(b, r, recordRoom, recordRoom)
	if cut {
		b, _ = h.appendJSONCut(b[:start], r, messageRoom, valueRoom)
		b = append(b, cutMark...)
	}
	return b
}

func (h *handler) appendJSONCut(b []byte, r slog.Record, message, value int) (_ []byte, cut bool) {
	to := jsonAttrs{max: len(b) + recordRoom, value: value}
	b = append(b, '{')
	if !r.Time.IsZero() {
		b = append(b, `"time":"`...)
		b = r.Time.UTC().AppendFormat(b, timeFormat)
		b = append(b, `",`...)
	}
	b = append(b, `"level":"`...)
	b = append(b, r.Level.String()...)
	b = append(b, `","msg":`...)
	b, to.cut = appendJSONString(b, r.Message, message)
	to.b = append(b, h.sink.shared...)
	h.attrs(&to, r)
	return to.b, to.cut
}

// sharedAttrs renders the attributes of every record as `,"key":value…`.
func sharedAttrs(attrs []slog.Attr) []byte {
	to := jsonAttrs{max: sharedRoom, value: valueRoom}
	for _, a := range attrs {
		attr(&to, a)
	}
	return to.b
}

// jsonAttrs renders attributes as members of an object. One that would go past max is left out.
type jsonAttrs struct {
	b      []byte
	max    int
	value  int // room for one value
	groups []span
	cut    bool
}

// span is where an open group starts in b, and where its members do.
type span struct{ start, members int }

func (j *jsonAttrs) key(key string) {
	if n := len(j.groups); n == 0 || len(j.b) > j.groups[n-1].members {
		j.b = append(j.b, ',')
	}
	j.b, _ = appendJSONString(j.b, key, MaxRecord)
	j.b = append(j.b, ':')
}

func (j *jsonAttrs) leaf(key string, v slog.Value) {
	start := len(j.b)
	j.key(key)
	var cut bool
	j.b, cut = appendJSONValue(j.b, v, j.value)
	if len(j.b)+len(j.groups) > j.max {
		j.b, cut = j.b[:start], true
	}
	j.cut = j.cut || cut
}

func (j *jsonAttrs) open(group string) {
	start := len(j.b)
	j.key(group)
	j.b = append(j.b, '{')
	j.groups = append(j.groups, span{start, len(j.b)})
}

func (j *jsonAttrs) close() {
	last := len(j.groups) - 1
	if g := j.groups[last]; len(j.b) == g.members {
		j.b = j.b[:g.start] // slog has no empty groups
	} else {
		j.b = append(j.b, '}')
	}
	j.groups = j.groups[:last]
}

// appendJSONValue appends v as slog.JSONHandler would: durations are nanoseconds, errors their
// text, the rest is what encoding/json makes of it.
func appendJSONValue(b []byte, v slog.Value, room int) (_ []byte, cut bool) {
	switch v.Kind() {
	case slog.KindString:
		return appendJSONString(b, v.String(), room)
	case slog.KindInt64:
		return strconv.AppendInt(b, v.Int64(), 10), false
	case slog.KindUint64:
		return strconv.AppendUint(b, v.Uint64(), 10), false
	case slog.KindBool:
		return strconv.AppendBool(b, v.Bool()), false
	case slog.KindDuration:
		return strconv.AppendInt(b, int64(v.Duration()), 10), false
	case slog.KindTime:
		return appendJSONString(b, v.Time().Format(time.RFC3339Nano), room)
	}
	encoded, text := marshal(v.Any())
	if encoded == nil {
		return appendJSONString(b, text, room)
	}
	if len(encoded) > room {
		return appendJSONString(b, string(encoded), room) // half an object is only good as text
	}
	return append(b, encoded...), false
}

// marshal returns v as JSON, or as text if it has none.
func marshal(v any) (encoded []byte, text string) {
	defer func() {
		if p := recover(); p != nil {
			encoded, text = nil, fmt.Sprintf("!PANIC: %v", p)
		}
	}()
	if _, ok := v.(json.Marshaler); !ok {
		if err, ok := v.(error); ok {
			return nil, err.Error()
		}
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, "!ERROR:" + err.Error()
	}
	// A RawMessage is not checked for UTF-8.
	return bytes.ToValidUTF8(bytes.TrimSuffix(buf.Bytes(), []byte("\n")), []byte("\uFFFD")), ""
}
