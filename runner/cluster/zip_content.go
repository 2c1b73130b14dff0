package cluster

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/carlin-cicd/runner/infra"
)

// webhookProgram is what Go writes into the webhook's program: the package that it was built from.
const webhookProgram = "github.com/carlin-cicd/runner/cmd/webhook"

// machines are processors, by their numbers in a program for Linux.
var machines = map[uint16]string{0xb7: "arm64", 0x3e: "x86_64", 0x28: "arm", 0x03: "x86"}

// checkZip refuses a zip that is not the webhook's function of this version: Lambda finds out at the first delivery only.
func checkZip(path string) error {
	own := infra.Version()
	problem := zipProblem(path, own)
	if problem == "" {
		return nil
	}
	return &Error{
		Message: path + " is not the webhook of this runner: " + problem,
		Advice:  fmt.Sprintf("take webhook.zip of %s/v%s, or make webhook in a checkout of %s; then --webhook-zip FILE", releases, own, own),
	}
}

// zipProblem says what is wrong with a zip, or "".
func zipProblem(path, version string) string {
	archive, err := zip.OpenReader(path)
	if err != nil {
		return "it cannot be read as a zip"
	}
	defer archive.Close()
	var program *zip.File
	for _, f := range archive.File {
		if f.Name == "bootstrap" {
			program = f
		}
	}
	switch {
	case program == nil:
		return "it has no file bootstrap"
	case program.Mode()&0o111 == 0 || !program.Mode().IsRegular():
		return "its file bootstrap is not executable"
	case program.UncompressedSize64 > maxZip:
		return "its file bootstrap is too large"
	}
	in, err := program.Open()
	if err != nil {
		return "its file bootstrap cannot be read"
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, maxZip))
	if err != nil {
		return "its file bootstrap is damaged"
	}
	if problem := programProblem(text); problem != "" {
		return problem
	}
	have, ours := strings.CutPrefix(archive.Comment, infra.WebhookComment)
	switch {
	case !ours:
		return "it does not say of which version it is, and this runner is " + version
	case have != version:
		return "it is of runner " + have + ", and this one is " + version
	}
	return ""
}

// programProblem says what is wrong with the program of a zip, or "".
func programProblem(text []byte) string {
	if len(text) < 20 || !bytes.HasPrefix(text, []byte("\x7fELF\x02\x01")) {
		return "its file bootstrap is no program for Linux"
	}
	if machine := binary.LittleEndian.Uint16(text[18:]); machines[machine] != "arm64" {
		name, known := machines[machine]
		if !known {
			name = "another processor"
		}
		return "its program is for " + name + ", and the function runs on arm64"
	}
	if !bytes.Contains(text, []byte(webhookProgram)) {
		return "its program is another one"
	}
	return ""
}
