package runner

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/runner/record"
)

func TestAFileIsWhatItsContentIs(t *testing.T) {
	for name, tt := range map[string]struct {
		head   string
		ending string
		kind   record.AttachmentKind
	}{
		"a PNG":                  {"\x89PNG\r\n\x1a\n\x00\x00", ".png", record.ImageFile},
		"a JPEG":                 {"\xff\xd8\xff\xe0", ".jpg", record.ImageFile},
		"a WebM":                 {"\x1a\x45\xdf\xa3", ".webm", record.VideoFile},
		"a zip":                  {"PK\x03\x04", ".zip", record.ArchiveFile},
		"text":                   {"# Page\n- button", ".txt", record.TextFile},
		"text cut in a rune":     {strings.Repeat("é", 255) + "\xc3", ".txt", record.TextFile},
		"HTML":                   {"<!DOCTYPE html><p>", "", ""},
		"HTML after blanks":      {"\n\n  <script>", "", ""},
		"HTML after some text":   {"hello <HTML>", "", ""},
		"a drawing":              {"<svg xmlns='x'>", "", ""},
		"XML":                    {"<?xml version='1.0'?><svg/>", "", ""},
		"a program":              {"\x7fELF\x02\x01\x01\x00", "", ""},
		"a byte order mark":      {"\ufeff<b>", "", ""},
		"text in UTF-16":         {"\xff\xfea\x00<\x00", "", ""},
		"a PDF, which runs code": {"%PDF-1.7", "", ""},
	} {
		if ending, kind := contentOf([]byte(tt.head)); kind != tt.kind || ending != tt.ending {
			t.Errorf("%s: %q %q, want %q %q", name, ending, kind, tt.ending, tt.kind)
		}
	}
}

func TestNamesOfStoredFiles(t *testing.T) {
	for in, want := range map[string]string{
		"a/b/Home-1.png": "Home-1", "x/..": "-", "../../etc/passwd": "passwd", "a b<c>\"d'.png": "a-b-c--d-", ".hidden": "", strings.Repeat("x", 99) + ".png": strings.Repeat("x", 60),
		"ü&?#%2f.zip": "-----2f",
	} {
		if got := fileName(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// An image that says it has billions of pixels takes a few bytes here, and gigabytes in a browser.
func TestImagesHaveABound(t *testing.T) {
	header := []byte("IHDR\x00\x00\xff\xff\x00\x00\xff\xff\x08\x00\x00\x00\x00")
	b := bytes.NewBufferString("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d")
	b.Write(header)
	_ = binary.Write(b, binary.BigEndian, crc32.ChecksumIEEE(header))
	name := filepath.Join(t.TempDir(), "x.png")
	if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := measure(file, &record.Attachment{}); err == nil || !strings.Contains(err.Error(), "65535 × 65535") {
		t.Error(err)
	}
}
