package logs

import (
	"context"
	"log/slog"
	"slices"
)

// handler is the sink's slog.Handler. It renders outside of the sink's lock, because values may
// run code of others, which may be slow or log something itself.
type handler struct {
	sink   *Sink
	scopes []scope // oldest first
}

// scope is one call of WithGroup or WithAttrs.
type scope struct {
	group string
	attrs []slog.Attr
}

// Enabled reports whether records of the level are written.
func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.sink.level.Level()
}

// WithAttrs returns a handler whose records have these attributes too.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	return h.with(scope{attrs: slices.Clone(attrs)})
}

// WithGroup returns a handler that puts the attributes which follow into a group.
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return h.with(scope{group: name})
}

func (h *handler) with(sc scope) slog.Handler {
	return &handler{sink: h.sink, scopes: append(slices.Clip(h.scopes), sc)}
}

// Handle writes one record. The error is that of Sink.Err.
func (h *handler) Handle(_ context.Context, r slog.Record) error {
	s := h.sink
	scratch := s.pool.Get().(*[]byte)
	b := (*scratch)[:0]
	if s.json != nil {
		b = h.appendJSON(b, r)
	}
	split := len(b)
	if s.text != nil {
		b = h.appendText(b, r)
	}

	err := s.do(func() {
		if s.json != nil {
			s.json.record(b[:split])
			s.json.handOn(false)
		}
		if s.text != nil {
			s.text.between(func() { s.text.write(b[split:]) })
		}
	})
	if cap(b) <= flushAt { // text has no limit; one long record must not stay for good
		*scratch = b
		s.pool.Put(scratch)
	}
	return err
}

// renderer is one way to write attributes.
type renderer interface {
	leaf(key string, v slog.Value)
	open(group string)
	close()
}

func (h *handler) attrs(to renderer, r slog.Record) {
	depth := 0
	for _, sc := range h.scopes {
		if sc.group != "" {
			to.open(sc.group)
			depth++
		}
		for _, a := range sc.attrs {
			attr(to, a)
		}
	}
	r.Attrs(func(a slog.Attr) bool {
		attr(to, a)
		return true
	})
	for range depth {
		to.close()
	}
}

// attr renders a by the rules of slog: values are resolved, an attribute of nothing is left out,
// a group without a key is part of the group it is in.
func attr(to renderer, a slog.Attr) {
	a.Value = a.Value.Resolve()
	if a.Equal(slog.Attr{}) {
		return
	}
	if a.Value.Kind() != slog.KindGroup {
		to.leaf(a.Key, a.Value)
		return
	}
	if a.Key != "" {
		to.open(a.Key)
		defer to.close()
	}
	for _, inner := range a.Value.Group() {
		attr(to, inner)
	}
}
