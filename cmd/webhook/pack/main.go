// Command pack puts a binary into the zip that Lambda takes, as bootstrap: the same bytes for the same binary, whatever
// the clock, the file's mode and its owner.
package main

import (
	"archive/zip"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/carlin-cicd/runner/infra"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: pack BINARY ZIP")
		os.Exit(2)
	}
	if err := pack(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func pack(binary, archive string) (err error) {
	in, err := os.Open(binary)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(archive)
	if err != nil {
		return err
	}
	defer func() {
		if e := out.Close(); err == nil {
			err = e
		}
	}()
	z := zip.NewWriter(out)
	// The first moment that a zip can name.
	header := &zip.FileHeader{
		Name:     "bootstrap",
		Method:   zip.Deflate,
		Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	header.SetMode(0o755)
	w, err := z.CreateHeader(header)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, in); err != nil {
		return err
	}
	if err := z.SetComment(infra.WebhookComment + infra.Version()); err != nil {
		return err
	}
	return z.Close()
}
