package cluster

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/steps"
)

func fill(t *testing.T, folder string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		name = filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// unpack reads an archive by the standard library: names, and the contents of files.
func unpack(t *testing.T, packed []byte) (names []string, contents map[string]string) {
	t.Helper()
	unzipped, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	contents = map[string]string{}
	for r := tar.NewReader(unzipped); ; {
		h, err := r.Next()
		if err == io.EOF {
			slices.Sort(names)
			return names, contents
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		contents[h.Name] = string(text) + h.Linkname
	}
}

func packed(t *testing.T, folder string, image steps.ClusterImage) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := archiveContext(&b, folder, image); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The archive has what docker build would send: .dockerignore decides, with its exceptions; the Dockerfile is always there.
func TestTheContextIsWhatDockerignoreLeaves(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		image steps.ClusterImage
		want  []string
	}{
		"without .dockerignore": {
			map[string]string{"Dockerfile": "FROM a", "src/a": "1"}, steps.ClusterImage{}, []string{"Dockerfile", "src/", "src/a"},
		},
		"a folder, and a pattern": {
			map[string]string{"Dockerfile": "", ".dockerignore": "# no\nnode_modules\n**/*.log\n.env*", "node_modules/a/b": "", "src/x.log": "", "src/a": "", ".env": "s", ".env.local": "s"},
			steps.ClusterImage{},
			[]string{".dockerignore", "Dockerfile", "src/", "src/a"},
		},
		"an exception below what is left out": {
			map[string]string{"Dockerfile": "", ".dockerignore": "*\n!src/keep\n", "src/keep": "", "src/no": "", "b": ""},
			steps.ClusterImage{},
			[]string{".dockerignore", "Dockerfile", "src/keep"},
		},
		"a context of its own, and a file of patterns beside the Dockerfile": {
			map[string]string{"ci/Dockerfile": "", "ci/Dockerfile.dockerignore": "b", ".dockerignore": "a", "app/a": "", "app/b": "", "app/.dockerignore": "a", "other/x": ""},
			steps.ClusterImage{Dockerfile: "ci/Dockerfile", Context: "app"},
			[]string{"app/.dockerignore", "app/a", "ci/Dockerfile", "ci/Dockerfile.dockerignore"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			fill(t, folder, c.files)
			if got, _ := unpack(t, packed(t, folder, c.image)); !slices.Equal(got, c.want) {
				t.Errorf("has %q, want %q", got, c.want)
			}
		})
	}
	folder := t.TempDir()
	fill(t, folder, map[string]string{"Dockerfile": "", ".dockerignore": "[a"})
	if _, err := archiveContext(io.Discard, folder, steps.ClusterImage{}); err == nil || !strings.Contains(err.Error(), ".dockerignore") {
		t.Errorf("a pattern that is not valid: %v", err)
	}
}

// Long names, links, modes and sizes arrive, by Go's reader and by tar, and the same files are the same archive.
func TestTheArchiveIsReadByTar(t *testing.T) {
	folder := t.TempDir()
	long := strings.Repeat("long-name/", 20) + "file"
	fill(t, folder, map[string]string{"Dockerfile": "FROM a", long: "deep", "exact": strings.Repeat("x", 512), "empty": "", "run.sh": "#!/bin/sh"})
	for _, err := range []error{
		os.Symlink(strings.Repeat("../", 60)+"target", filepath.Join(folder, "link")), os.Chmod(filepath.Join(folder, "run.sh"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	text := packed(t, folder, steps.ClusterImage{})
	names, contents := unpack(t, text)
	if !slices.Contains(names, long) || contents[long] != "deep" || len(contents["exact"]) != 512 || contents["link"] != strings.Repeat("../", 60)+"target" {
		t.Errorf("%q", names)
	}
	if !bytes.Equal(text, packed(t, folder, steps.ClusterImage{})) {
		t.Error("the same files are another archive")
	}
	to := t.TempDir()
	command := exec.Command("tar", "-xzf", "-", "-C", to)
	command.Stdin = bytes.NewReader(text)
	if out, err := command.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("tar: %v: %s", err, out)
	}
	if deep, err := os.ReadFile(filepath.Join(to, long)); err != nil || string(deep) != "deep" {
		t.Errorf("%q: %v", deep, err)
	}
	if info, err := os.Stat(filepath.Join(to, "run.sh")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("%v: %v", info.Mode(), err)
	}
}

// Files that usually hold secrets are named before they are uploaded.
func TestPrivateFilesOfAContextAreNamed(t *testing.T) {
	folder := t.TempDir()
	fill(t, folder, map[string]string{
		"Dockerfile": "FROM a", ".env": "A=1", ".env.example": "A=", "app/.env.local": "A=1", ".git/config": "[core]", "config": "1", ".npmrc": "token", "left/.npmrc": "token",
		".dockerignore": "left",
	})
	got, err := archiveContext(io.Discard, folder, steps.ClusterImage{})
	if want := []string{".env", ".git/config", ".npmrc", "app/.env.local"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v %v, want %v", got, err, want)
	}
}
