package redact

import (
	"bytes"
	"strings"
)

const (
	maskCommand = "::add-mask::"
	maxIndent   = 64       // bytes of white space before a command
	maxMask     = 64 << 10 // bytes; what a line has beyond that is dropped with it
)

// maskReader tells masking commands from text, wherever they are cut. Its zero value is at the start of a line.
type maskReader struct {
	within bool   // a line that is no command
	taking bool   // a command's value
	held   []byte // the start of a line that may be a command's, or the value
}

// maybeCommand reports whether a line that begins with p is a command, for all that p tells.
func maybeCommand(p []byte) bool {
	p = p[:min(len(p), maxIndent+len(maskCommand))]
	for len(p) > 0 && (p[0] == ' ' || p[0] == '\t') {
		p = p[1:]
	}
	n := min(len(p), len(maskCommand))
	return string(p[:n]) == maskCommand[:n] // without a copy: this is asked of every line
}

// read hands the text of p to text, and the values of commands to mask.
func (m *maskReader) read(p []byte, text func([]byte), mask func(string)) {
	for len(p) > 0 {
		switch {
		case m.taking:
			end := bytes.IndexByte(p, '\n')
			value := p
			if end >= 0 {
				value = p[:end]
			}
			m.held = append(m.held, value[:min(len(value), maxMask-len(m.held))]...)
			if end < 0 {
				return
			}
			p = p[end+1:]
			m.end(mask)
		case m.within:
			n := nextCommand(p)
			text(p[:n])
			m.within = p[n-1] != '\n'
			p = p[n:]
		case len(m.held) == 0 && !maybeCommand(p):
			m.within = true
		default:
			m.held, p = append(m.held, p[0]), p[1:]
			switch start := bytes.TrimLeft(m.held, " \t"); {
			case string(start) == maskCommand:
				m.taking, m.held = true, m.held[:0]
			case len(m.held)-len(start) > maxIndent || !strings.HasPrefix(maskCommand, string(start)):
				text(m.held)
				m.within, m.held = m.held[len(m.held)-1] != '\n', m.held[:0]
			}
		}
	}
}

// nextCommand returns where in p, which begins within a line, the next line begins that may be a command.
func nextCommand(p []byte) int {
	for i := 0; ; {
		n := bytes.IndexByte(p[i:], '\n')
		if n < 0 {
			return len(p)
		}
		if i += n + 1; maybeCommand(p[i:]) {
			return i
		}
	}
}

// end obeys a command, whose line has ended.
func (m *maskReader) end(mask func(string)) {
	mask(unescapeMask.Replace(strings.TrimSuffix(string(m.held), "\r")))
	m.taking, m.held = false, m.held[:0]
}

var unescapeMask = strings.NewReplacer("%25", "%", "%0A", "\n", "%0a", "\n", "%0D", "\r", "%0d", "\r")

// flush hands on what may yet become a command, but not one's value.
func (m *maskReader) flush(text func([]byte)) {
	if !m.taking && len(m.held) > 0 {
		text(m.held)
		m.within, m.held = true, m.held[:0]
	}
}

// close obeys a command that has no line break.
func (m *maskReader) close(mask func(string)) {
	if m.taking {
		m.end(mask)
	}
}
