package artifacts

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSourceFileSupportsAnyReadPattern reads as the clients of buckets do.
func TestSourceFileSupportsAnyReadPattern(t *testing.T) {
	const sum = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae" // of "foo"
	n := func(c *sourceFile, n int64) error { _, err := io.CopyN(io.Discard, c, n); return err }
	seek := func(c *sourceFile, at int64, whence int) error { _, err := c.Seek(at, whence); return err }
	for name, tt := range map[string]struct {
		read func(c *sourceFile) error
		ok   bool
	}{
		"to the end":                      {func(c *sourceFile) error { _, err := io.Copy(io.Discard, c); return err }, true},
		"not at all":                      {func(c *sourceFile) error { return nil }, true},
		"just the size":                   {func(c *sourceFile) error { return n(c, 3) }, true},
		"twice":                           {func(c *sourceFile) error { return errors.Join(n(c, 3), seek(c, 0, 0), n(c, 3)) }, true},
		"again from the middle":           {func(c *sourceFile) error { return errors.Join(n(c, 2), seek(c, 0, 0), n(c, 3)) }, true},
		"after a look at the size":        {func(c *sourceFile) error { return errors.Join(seek(c, 0, 2), seek(c, 0, 0), n(c, 3)) }, true},
		"back by one":                     {func(c *sourceFile) error { return errors.Join(n(c, 2), seek(c, -1, 1), n(c, 2)) }, true},
		"only the end":                    {func(c *sourceFile) error { return errors.Join(seek(c, 1, 0), n(c, 2)) }, false},
		"the end, then a look at no more": {func(c *sourceFile) error { return seek(c, 0, 2) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			tree, err := openTree("builds", folderWith(t, "x", "foo"), "")
			if err != nil {
				t.Fatal(err)
			}
			defer tree.Close()
			c, err := tree.openFile(t.Context(), "x", "")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := tt.read(c); err != nil {
				t.Fatal(err)
			}
			got, err := c.digest()
			if (err == nil) != tt.ok || tt.ok && got != sum {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

// TestDigestIsOfTheLastRead changes a file between a first attempt and a second, and hides it.
func TestDigestIsOfTheLastRead(t *testing.T) {
	dir := folderWith(t, "x", "old")
	tree, err := openTree("builds", dir, "")
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	c, err := tree.openFile(t.Context(), "x", "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = io.Copy(io.Discard, c)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "x"), []byte("foo"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Join(dir, "x"), c.info.ModTime(), c.info.ModTime()); err != nil {
		t.Fatal(err)
	}
	_, err = c.Seek(0, io.SeekStart)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(io.Discard, c)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.digest(); err != nil || !strings.HasPrefix(got, "2c26b46b") {
		t.Errorf("%q, %v, want the sum of foo", got, err)
	}
}

// folderWith returns a new folder with one file in it.
func folderWith(t testing.TB, name, content string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}
