package cluster

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// ZipSource says where the webhook's function may come from: the first of these that is set.
type ZipSource struct {
	File     string // a zip that was named
	Version  string // of this release
	SHA256   string // of the zip of this release; "" in a build that is none
	Checkout string // a folder that may be a checkout of the runner
	Releases string // the address of releases; "" for GitHub's
	Build    io.Writer
}

// releases is where releases of the runner are.
const releases = "https://github.com/carlin-cicd/runner/releases/download"

// module begins the go.mod of a checkout of the runner.
const module = "module github.com/carlin-cicd/runner\n"

// maxZip bounds a download, in bytes.
const maxZip = 64 << 20

// Find returns the webhook's function. A release is downloaded to a temporary file, which Remove removes.
func (s ZipSource) Find(ctx context.Context) (*Zip, error) {
	switch {
	case s.File != "":
		if _, err := os.Stat(s.File); err != nil {
			return nil, &Error{
				Message: "the webhook's zip cannot be read", Err: err, Advice: "make webhook makes it: --webhook-zip bin/webhook.zip",
			}
		}
		return &Zip{Path: s.File, Source: s.File}, checkZip(s.File)
	case s.SHA256 != "":
		return s.download(ctx)
	case isCheckout(s.Checkout):
		return s.build(ctx)
	}
	return nil, &Error{
		Message: "this build of the runner is no release, so it does not know a zip of the webhook",
		Advice:  "make webhook in a checkout of the runner, and --webhook-zip bin/webhook.zip; or --door workflow",
	}
}

func isCheckout(folder string) bool {
	text, err := os.ReadFile(filepath.Join(folder, "go.mod"))
	return folder != "" && err == nil && bytes.HasPrefix(text, []byte(module))
}

// build makes the zip in a checkout.
func (s ZipSource) build(ctx context.Context) (*Zip, error) {
	make := exec.CommandContext(ctx, "make", "webhook")
	make.Dir, make.Stdout, make.Stderr = s.Checkout, s.Build, s.Build
	if err := make.Run(); err != nil {
		return nil, &Error{
			Message: "make webhook failed", Err: err, Advice: "mend it in this checkout, or name a zip: --webhook-zip FILE",
		}
	}
	path := filepath.Join(s.Checkout, "bin/webhook.zip")
	return &Zip{Path: path, Source: "make webhook in this checkout"}, checkZip(path)
}

// download fetches the zip of this release, and compares its SHA-256 with the one that was built into this program.
func (s ZipSource) download(ctx context.Context) (*Zip, error) {
	address := fmt.Sprintf("%s/v%s/webhook.zip", cmp.Or(s.Releases, releases), s.Version)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	failed := func(err error) error {
		return &Error{
			Message: "could not download " + address, Err: err,
			Advice: "download it by other means, and name it: --webhook-zip FILE; or --door workflow",
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, failed(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, failed(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, failed(fmt.Errorf("the server answers %s", response.Status))
	}
	file, err := os.CreateTemp("", "webhook-*.zip")
	if err != nil {
		return nil, failed(err)
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(io.MultiWriter(file, hash), io.LimitReader(response.Body, maxZip)); err != nil {
		_ = os.Remove(file.Name())
		return nil, failed(err)
	}
	if sum := hex.EncodeToString(hash.Sum(nil)); sum != s.SHA256 {
		_ = os.Remove(file.Name())
		return nil, &Error{
			Message: fmt.Sprintf("%s has the SHA-256 %s, and this release has %s", address, sum, s.SHA256),
			Advice:  "do not use it: download the runner again, and report it if that does not help",
		}
	}
	return &Zip{Path: file.Name(), Source: "release " + s.Version, temporary: true}, nil
}

// Remove removes a zip that was downloaded.
func (z *Zip) Remove() {
	if z != nil && z.temporary {
		_ = os.Remove(z.Path)
	}
}
