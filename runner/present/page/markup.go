package page

import (
	"bufio"
	"fmt"
	"html"
	"io"
	"net/url"
	"strings"
	"unicode/utf8"
)

// markup is text that is HTML. All other text is escaped when it is written.
type markup string

// writer writes a page. After the first error it writes nothing.
type writer struct {
	to      *bufio.Writer
	written int // bytes
	err     error
}

func newWriter(w io.Writer) *writer { return &writer{to: bufio.NewWriterSize(w, 16<<10)} }

func (w *writer) raw(s string) {
	if w.err == nil {
		w.written += len(s)
		_, w.err = w.to.WriteString(s)
	}
}

// put writes a format with its arguments escaped, except markup.
func (w *writer) put(format string, args ...any) {
	if w.err != nil {
		return
	}
	for i, a := range args {
		if text, ok := a.(string); ok {
			args[i] = escape(text)
		}
	}
	n, err := fmt.Fprintf(w.to, format, args...)
	w.written += n
	w.err = err
}

// some is put for one text, and writes nothing if that is empty.
func (w *writer) some(format, text string) {
	if text != "" {
		w.put(format, text)
	}
}

func (w *writer) flush() error {
	if w.err == nil {
		w.err = w.to.Flush()
	}
	return w.err
}

// escape makes text safe between tags and in quoted attributes.
func escape(s string) string { return html.EscapeString(visible(s)) }

// visible returns text with U+FFFD in the place of characters that HTML does not allow, and of those that change the
// direction of text, which could make it read as another one.
func visible(s string) string {
	clean := true
	for i := 0; i < len(s) && clean; i++ {
		clean = s[i] >= ' ' && s[i] < 0x7f || s[i] == '\n' || s[i] == '\t'
	}
	if clean {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069:
			return utf8.RuneError
		case r == '\n' || r == '\t' || r >= ' ' && r != 0x7f && (r < 0x80 || r > 0x9f):
			return r
		case r == '\r':
			return -1
		}
		return utf8.RuneError
	}, s)
}

// link returns text as a link, or as text alone if a page must not link there.
func link(to, text string) markup {
	if !safeLink(to) {
		return markup(escape(text))
	}
	return markup(`<a href="` + escape(to) + `">` + escape(text) + `</a>`)
}

func safeLink(to string) bool {
	u, err := url.Parse(to)
	if err != nil || to == "" {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" || u.Scheme == "" && u.Host == ""
}
