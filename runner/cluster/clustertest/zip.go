// Package clustertest makes what tests of the cluster deploy.
package clustertest

import (
	"archive/zip"
	"bytes"
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
	name, mode, machine, program, comment := "bootstrap", fs.FileMode(0o755), byte(0xb7), "github.com/carlin-cicd/runner/cmd/webhook", w.Comment
	if w.Name != "" {
		name = w.Name
	}
	if w.Mode != 0 {
		mode = w.Mode
	}
	if w.Machine != 0 {
		machine = w.Machine
	}
	if w.Program != "" {
		program = w.Program
	}
	switch comment {
	case "":
		comment = "carlin-cicd runner webhook " + version()
	case "-":
		comment = ""
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	header := &zip.FileHeader{Name: name, Method: zip.Deflate}
	header.SetMode(mode)
	// A buffer takes all that is written.
	out, _ := z.CreateHeader(header)
	_, _ = out.Write([]byte("\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 11) + string([]byte{machine, 0}) + program))
	_ = z.SetComment(comment)
	_ = z.Close()
	return b.Bytes()
}

// version is the version of the runner that the templates belong to.
func version() string {
	_, after, _ := strings.Cut(infra.Template("webhook.yaml"), `RunnerVersion: { Value: "`)
	before, _, _ := strings.Cut(after, `"`)
	return before
}
