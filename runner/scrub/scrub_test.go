package scrub

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/redact"
)

const secret = "hunter2-secret"

func redactor() *redact.Redactor {
	return redact.New(redact.Secret{Name: "PASSWORD", Value: secret})
}

func gzipped(p []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(p)
	_ = w.Close()
	return b.Bytes()
}

func tarred(name string, p []byte) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, n := range []string{"README", name, "LICENSE"} {
		content := p
		if n != name {
			content = []byte("nothing")
		}
		_ = w.WriteHeader(&tar.Header{Name: n, Size: int64(len(content)), Mode: 0o644})
		_, _ = w.Write(content)
	}
	_ = w.Close()
	return b.Bytes()
}

func zipped(name string, p []byte) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, n := range []string{"README", name} {
		f, _ := w.Create(n)
		if n == name {
			_, _ = f.Write(p)
		}
	}
	_ = w.Close()
	return b.Bytes()
}

func inUTF16(s string, order binary.AppendByteOrder, mark bool) []byte {
	if mark {
		s = "\ufeff" + s
	}
	var b []byte
	for _, unit := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, unit)
	}
	return b
}

// random cannot be compressed, so that nothing of a secret is in an archive as it is.
func random(n int) []byte {
	rnd := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return b
}

func TestScrub(t *testing.T) {
	plain := []byte("the password is " + secret + "\n")
	encoded := "auth: " + base64.StdEncoding.EncodeToString([]byte("user:"+secret)) + " größer 🎉\n"
	for name, c := range map[string]struct {
		file    string
		content []byte
		where   string // "" if nothing is found
		want    string // the file then, if it is not the same
	}{
		"text":                         {"a.txt", plain, "text", "the password is [REDACTED:PASSWORD]\n"},
		"text without a secret":        {"a.txt", []byte("nothing\n"), "", ""},
		"an empty file":                {"a.txt", nil, "", ""},
		"a name":                       {"log-of-" + secret + ".txt", []byte("nothing"), "name", ""},
		"the name of a folder":         {secret + "/a.txt", []byte("nothing"), "name", ""},
		"binary data":                  {"a.bin", append([]byte("\x7fELF\x00"), plain...), "binary data", ""},
		"binary data without a secret": {"a.bin", random(100_000), "", ""},
		"gzip":                         {"a.log", gzipped(plain), "archive", ""},
		"gzip of two members":          {"a.gz", append(gzipped([]byte("nothing")), gzipped(plain)...), "archive", ""},
		"gzip without a secret":        {"a.gz", gzipped([]byte("nothing")), "", ""},
		"tar":                          {"a.tar", tarred("a.txt", plain), "archive", ""},
		"tar, base64 in it":            {"a.tar", tarred("a.txt", []byte(encoded)), "archive", ""},
		"tar, a name in it":            {"a.tar", tarred(secret, []byte("nothing")), "archive", ""},
		"tar without a secret":         {"a.tar", tarred("a.txt", []byte("nothing")), "", ""},
		"tgz":                          {"a.tgz", gzipped(tarred("a.txt", plain)), "archive", ""},
		"tgz, a name in it":            {"a.tgz", gzipped(tarred("x/"+secret, []byte("nothing"))), "archive", ""},
		"zip":                          {"a.zip", zipped("a.txt", plain), "archive", ""},
		"zip, a name in it":            {"a.zip", zipped(secret, nil), "archive", ""},
		"zip without a secret":         {"a.zip", zipped("a.txt", random(5000)), "", ""},
		"zip in tgz in zip":            {"a", zipped("b", gzipped(tarred("c", zipped("d", plain)))), "archive", ""},
		"gzip in tar":                  {"a.tar", tarred("log.gz", gzipped(plain)), "archive", ""},
		"a bomb":                       {"a.gz", bomb(maxDepth + 2), "archive that is too large to look into", ""},
		"a damaged archive":            {"a.gz", gzipped(random(100_000))[:50_000], "", ""},
		"a damaged archive, before":    {"a.tgz", gzipped(append(tarred("a.txt", plain), random(100_000)...))[:60_000], "archive", ""},
		"what looks like a zip":        {"a.zip", []byte("PK\x03\x04 nothing"), "", ""},
		"what looks like a gzip":       {"a.gz", append([]byte("\x1f\x8b\x08"), plain...), "archive", ""},
		"UTF-16":                       {"a.txt", inUTF16(string(plain), binary.LittleEndian, true), "UTF-16 text", ""},
		"UTF-16, big endian":           {"a.txt", inUTF16(string(plain), binary.BigEndian, true), "UTF-16 text", ""},
		"UTF-16 without mark":          {"a.txt", inUTF16(encoded+encoded, binary.LittleEndian, false), "UTF-16 text", ""},
		"UTF-16 without mark, big":     {"a.txt", inUTF16(encoded+encoded, binary.BigEndian, false), "UTF-16 text", ""},
		"UTF-16, long":                 {"a.txt", inUTF16(strings.Repeat("🎉 größer\n", 10_000)+encoded, binary.LittleEndian, true), "UTF-16 text", ""},
		"UTF-16 of odd length":         {"a.txt", append(inUTF16(encoded, binary.LittleEndian, true), 'x'), "UTF-16 text", ""},
		"UTF-16 without a secret":      {"a.txt", inUTF16("nothing at all", binary.LittleEndian, true), "", ""},
		"UTF-16 in zip":                {"a.zip", zipped("a.txt", inUTF16(encoded, binary.LittleEndian, true)), "archive", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, filepath.FromSlash(c.file))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, c.content, 0o640); err != nil {
				t.Fatal(err)
			}
			findings, err := Folder{Dir: dir, Redactor: redactor(), Temp: "run"}.Scrub(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var want []Finding
			if c.where != "" {
				want = []Finding{{Path: c.file, Where: c.where, Withheld: c.where != "text"}}
			}
			if !slices.Equal(findings, want) {
				t.Errorf("%+v, want %+v", findings, want)
			}
			got, err := os.ReadFile(path)
			if c.want == "" {
				c.want = string(c.content)
			}
			if err != nil || string(got) != c.want {
				t.Errorf("the file is %.100q, %v", got, err)
			}
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
				t.Errorf("its mode is %v, %v", info.Mode(), err)
			}
		})
	}
}

// bomb is gzip in gzip.
func bomb(depth int) []byte {
	p := []byte("nothing")
	for range depth {
		p = gzipped(p)
	}
	return p
}

func TestScrubVisitsWhatIsPublished(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a/b/c.txt", ".git/config", "node_modules/x/y.txt", "excluded.txt", "kept.txt"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("kept.txt", filepath.Join(dir, "link.txt")); err != nil {
		t.Fatal(err)
	}
	exclude := func(name string) bool { return name == ".git" || name == "node_modules" || name == "excluded.txt" }
	findings, err := Folder{Dir: dir, Exclude: exclude, Redactor: redactor()}.Report(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(findings); got != "[{a/b/c.txt false text} {kept.txt false text}]" {
		t.Error(got)
	}
	if text, _ := os.ReadFile(filepath.Join(dir, "kept.txt")); string(text) != secret {
		t.Errorf("Report changed a file: %q", text)
	}
	if findings, err := (Folder{Dir: filepath.Join(dir, "missing"), Redactor: redactor()}).Scrub(t.Context()); findings != nil ||
		err != nil {
		t.Errorf("a folder that does not exist: %v, %v", findings, err)
	}
}

func TestScrubEndsWithItsContext(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.tgz"), gzipped(tarred("a", make([]byte, 1<<20))), 0o600); err != nil {
		t.Fatal(err)
	}
	why := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if _, err := (Folder{Dir: dir, Redactor: redactor()}).Scrub(ctx); !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
	in := &inside{folder: Folder{Redactor: redactor()}, ctx: ctx, left: insideLimit}
	if _, err := in.result(in.stream(bytes.NewReader(gzipped([]byte("x"))), 0)); !errors.Is(err, why) {
		t.Errorf("within an archive: %v", err)
	}
}

func TestTooMuchInAnArchive(t *testing.T) {
	in := &inside{folder: Folder{Redactor: redactor()}, ctx: t.Context(), left: 1 << 20}
	if _, err := in.result(in.stream(bytes.NewReader(gzipped(make([]byte, 2<<20))), 0)); !errors.Is(err, errTooLarge) {
		t.Errorf("%v", err)
	}
}

func FuzzInside(f *testing.F) {
	for _, p := range [][]byte{gzipped([]byte("a")), tarred("a", []byte("b")), zipped("a", []byte("b")), inUTF16("a 🎉", binary.BigEndian, true), {0xff, 0xfe, 0x00}} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		in := &inside{folder: Folder{Redactor: redactor()}, ctx: t.Context(), left: 1 << 20}
		_, _ = in.result(in.stream(bytes.NewReader(p), 0))
		_, _ = in.zip(bytes.NewReader(p), int64(len(p)), 0)
		if _, err := io.ReadAll(newUTF16Reader(bytes.NewReader(p))); err != nil {
			t.Error(err)
		}
	})
}

func TestAFolderBehindALinkIsNotTouched(t *testing.T) {
	outside, workspace := t.TempDir(), t.TempDir()
	file := filepath.Join(outside, "sub", "key")
	if err := errors.Join(os.Mkdir(filepath.Dir(file), 0o755), os.WriteFile(file, []byte("it is "+secret), 0o600),
		os.Symlink(outside, filepath.Join(workspace, "link"))); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"link", "link/sub"} {
		_, err := Folder{
			Dir:      filepath.Join(workspace, dir),
			Within:   workspace,
			Redactor: redactor(),
			Temp:     "run",
		}.Scrub(
			t.Context(),
		)
		var refused *artifacts.FolderError
		if !errors.As(err, &refused) {
			t.Errorf("%s: %v", dir, err)
		}
	}
	if text, _ := os.ReadFile(file); string(text) != "it is "+secret {
		t.Errorf("the file outside is now %q", text)
	}
}
