package page

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/carlin-cicd/runner/steps/ansi"
)

// style is how text of the log looks after the escape sequences before it.
type style struct {
	bold, dim, italic, underline, inverse, hidden bool

	fore, back string // a class such as "c1"; "" for that of the page
}

// line writes a line of a terminal's output as HTML and returns the style at its end. Sequences other than colors are
// dropped.
func (w *writer) line(p []byte, s style) style {
	for len(p) > 0 {
		i := bytes.IndexByte(p, 0x1b)
		if i < 0 {
			i = len(p)
		}
		w.styled(s, p[:i])
		if p = p[i:]; len(p) == 0 {
			break
		}
		n, open := ansi.Sequence(p)
		if open { // the line was cut within it
			break
		}
		if parameters, ok := ansi.SGR(p[:n]); ok {
			s = s.apply(parameters)
		}
		p = p[max(n, 1):]
	}
	return s
}

func (w *writer) styled(s style, p []byte) {
	switch {
	case len(p) == 0:
	case s == style{}:
		w.raw(escape(string(p)))
	default:
		w.put(`<span%s>%s</span>`, s.attributes(), string(p))
	}
}

// apply returns the style after the parameters of one SGR sequence.
func (s style) apply(parameters string) style {
	codes := strings.FieldsFunc(strings.ReplaceAll(parameters, ":", ";"), func(r rune) bool { return r == ';' })
	if len(codes) == 0 {
		return style{}
	}
	for i := 0; i < len(codes); i++ {
		code, err := strconv.Atoi(codes[i])
		switch {
		case err != nil:
			return s
		case code == 0:
			s = style{}
		case code == 1:
			s.bold = true
		case code == 2:
			s.dim = true
		case code == 3:
			s.italic = true
		case code == 4:
			s.underline = true
		case code == 7:
			s.inverse = true
		case code == 8:
			s.hidden = true
		case code == 22:
			s.bold, s.dim = false, false
		case code == 23:
			s.italic = false
		case code == 24:
			s.underline = false
		case code == 27:
			s.inverse = false
		case code == 28:
			s.hidden = false
		case code >= 30 && code <= 37:
			s.fore = class(code - 30)
		case code == 39:
			s.fore = ""
		case code >= 40 && code <= 47:
			s.back = class(code - 40)
		case code == 49:
			s.back = ""
		case code >= 90 && code <= 97:
			s.fore = class(code - 90 + 8)
		case code >= 100 && code <= 107:
			s.back = class(code - 100 + 8)
		case code == 38 || code == 48:
			color, used := extended(codes[i+1:])
			i += used
			if code == 38 {
				s.fore = color
			} else {
				s.back = color
			}
		}
	}
	return s
}

// class names one of the sixteen colors, which the style sheet defines for light and dark.
func class(n int) string { return "c" + strconv.Itoa(n) }

// extended reads what follows 38 or 48: 5;N of the palette of 256, or 2;R;G;B.
func extended(codes []string) (color string, used int) {
	number := func(i int) int {
		n, err := strconv.Atoi(codes[i])
		if err != nil || n < 0 {
			return 0
		}
		return min(n, 255)
	}
	switch {
	case len(codes) >= 2 && codes[0] == "5":
		n := number(1)
		switch {
		case n < 16:
			return class(n), 2
		case n < 232: // a cube of six levels
			n -= 16
			level := [6]int{0, 95, 135, 175, 215, 255}
			return nearest(level[n/36], level[n/6%6], level[n%6]), 2
		default:
			return class(8), 2 // a grey
		}
	case len(codes) >= 4 && codes[0] == "2":
		return nearest(number(1), number(2), number(3)), 4
	}
	return "", len(codes)
}

// nearest returns the most similar of the sixteen colors, all of which are readable on the page's background.
func nearest(r, g, b int) string {
	high, low := max(r, g, b), min(r, g, b)
	if high-low < 48 {
		return class(8)
	}
	n, middle := 0, (high+low)/2
	for bit, v := range []int{r, g, b} {
		if v > middle {
			n |= 1 << bit
		}
	}
	return class(n)
}

// attributes returns the style as attributes of a tag.
func (s style) attributes() markup {
	if s.inverse {
		s.fore, s.back = s.back, s.fore
		if s.back == "" {
			s.back = "page" // the color of the page's text
		}
	}
	var classes []string
	for _, c := range []struct {
		on   bool
		name string
	}{{s.bold, "b"}, {s.dim, "d"}, {s.italic, "i"}, {s.underline, "u"}, {s.hidden, "hid"}} {
		if c.on {
			classes = append(classes, c.name)
		}
	}
	if s.fore != "" {
		classes = append(classes, s.fore)
	}
	if s.back != "" {
		classes = append(classes, "b"+s.back)
	}
	if classes == nil {
		return ""
	}
	return markup(` class="` + strings.Join(classes, " ") + `"`)
}
