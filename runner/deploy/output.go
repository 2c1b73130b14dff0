package deploy

import (
	"io"
	"slices"
	"strings"
)

// Output returns a writer for the command's output, which passes it on to w. It keeps the end where that goes on
// record, and looks for CloudFormation's refusal of an update.
func (d *Deployment) Output(w io.Writer) io.Writer {
	if d == nil {
		return w
	}
	all := []io.Writer{w}
	if d.output != nil {
		all = append(all, d.output)
	}
	for _, t := range d.targets {
		if t.watched != nil {
			all = append(all, t.watched.refusal)
		}
	}
	return io.MultiWriter(all...)
}

// tail keeps the end of what is written to it.
type tail struct{ text []byte }

// maxTail is how much of a migration's output goes on record, in bytes.
const maxTail = 16 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if len(t.text) > 2*maxTail {
		t.text = slices.Clone(t.text[len(t.text)-maxTail:])
	}
	return len(p), nil
}

func (t *tail) String() string {
	if t == nil {
		return ""
	}
	return strings.ToValidUTF8(string(t.text[max(0, len(t.text)-maxTail):]), "\uFFFD")
}
