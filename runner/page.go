package runner

import (
	"bytes"
	"context"

	"github.com/carlin-cicd/runner/runner/present/page"
	"github.com/carlin-cicd/runner/runner/record"
)

// pageLog is how much of the commands' output the page shows, in bytes.
const pageLog = 192 << 10

// putPage stores the report. What was printed before it became known as a secret is redacted from the log here.
func (r *run) putPage(ctx context.Context, ended record.Run) error {
	log := r.tail.Log()
	log.Text = r.Redactor.Bytes(log.Text)
	var text bytes.Buffer
	text.Grow(2 * pageLog)
	if err := page.Write(&text, ended, log); err != nil {
		return err
	}
	return r.put(ctx, "report.html", "text/html; charset=utf-8", text.Bytes(), true)
}
