// Package clustertest makes what tests of the cluster deploy.
package clustertest

import (
	"archive/zip"
	"bytes"
	"cmp"
	"io/fs"
	"strings"

	"github.com/carlin-cicd/runner/infra"
)

// Webhook is a zip that is like that of the webhook. The zero value is a good one but for the program, which does not run.
type Webhook struct {
	Name    string // of the program; "" is bootstrap
	Mode    fs.FileMode
	Machine byte   // the processor; 0 is arm64
	Program string // "" is the webhook
	Comment string // "" is that of this version, "-" none
}

// Zip returns the bytes of the zip.
func (w Webhook) Zip() []byte {
	comment := cmp.Or(w.Comment, infra.WebhookComment+infra.Version())
	if comment == "-" {
		comment = ""
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	header := &zip.FileHeader{Name: cmp.Or(w.Name, "bootstrap"), Method: zip.Deflate}
	header.SetMode(cmp.Or(w.Mode, 0o755))
	// A buffer takes all that is written.
	out, _ := z.CreateHeader(header)
	program := cmp.Or(w.Program, "github.com/carlin-cicd/runner/cmd/webhook")
	_, _ = out.Write([]byte("\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 11) + string([]byte{cmp.Or(w.Machine, 0xb7), 0}) + program))
	_ = z.SetComment(comment)
	_ = z.Close()
	return b.Bytes()
}
