package secrets

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// maxFile bounds a secret in a file, in bytes; it is the bound of Secrets Manager.
const maxFile = 64 << 10

// readFile returns the content of a file, without the newline at its end.
func readFile(name, dir string) (string, error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	if info, err := os.Stat(name); err != nil {
		return "", err
	} else if !info.Mode().IsRegular() { // opening a pipe would wait for a writer
		return "", fmt.Errorf("%s is not a regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return "", err
	case len(text) > maxFile:
		return "", fmt.Errorf("%s is larger than 64 KiB", name)
	}
	// Editors and echo end a file with a newline that is not part of the secret.
	return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), nil
}
