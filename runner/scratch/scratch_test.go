package scratch

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAFileIsNotInTheFolderForTemporaryFiles(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	f, err := File()
	if err != nil {
		t.Fatal(err)
	}
	defer Remove(f)
	if _, err := f.WriteString("secret"); err != nil {
		t.Fatal(err)
	}
	if names, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(names) > 0 {
		t.Errorf("the folder has %v, %v", names, err)
	}
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 6))
	if err != nil || string(text) != "secret" {
		t.Errorf("it has %q, %v", text, err)
	}
}

func TestHintsOfAFolderThatCannotBeUsed(t *testing.T) {
	top := t.TempDir()
	file := filepath.Join(top, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for dir, hint := range map[string]string{
		filepath.Join(top, "missing"): "create " + filepath.Join(top, "missing") + ", or unset TMPDIR",
		file:                          "let TMPDIR be a folder",
	} {
		t.Setenv("TMPDIR", dir)
		_, fileErr := File()
		_, dirErr := Dir("x-")
		for _, err := range []error{fileErr, dirErr} {
			var e *Error
			if !errors.As(err, &e) || !strings.Contains(e.Hint(), hint) || !strings.Contains(err.Error(), dir) {
				t.Errorf("%v", err)
			}
		}
		if dir != file && !errors.Is(fileErr, fs.ErrNotExist) {
			t.Errorf("%v", fileErr)
		}
	}
	t.Setenv("TMPDIR", "")
	if hint := (&Error{"/tmp", fs.ErrNotExist}).Hint(); !strings.Contains(hint, "mount a folder at /tmp") {
		t.Error(hint)
	}
}
