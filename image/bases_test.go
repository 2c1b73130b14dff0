//go:build container

package image

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// pinsBases: make update-bases pins each base to what the registry has now, and notices when a tag moves. What it writes
// can be built from.
func (e *engine) pinsBases(t *testing.T) {
	dir := t.TempDir()
	run := func(want int, name string, args ...string) string {
		t.Helper()
		c := exec.Command(name, args...)
		out, err := c.CombinedOutput()
		if c.ProcessState == nil || c.ProcessState.ExitCode() != want {
			t.Fatalf("%s %v: %v, want exit code %d\n%s", name, args, err, want, out)
		}
		return strings.TrimSpace(string(out))
	}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	push := func(tag, content string) (digest string) {
		t.Helper()
		write("content", content)
		layer := filepath.Join(dir, "layer.tar")
		run(0, "tar", "-C", dir, "-cf", layer, "content")
		run(0, "crane", "append", "--insecure", "--new_tag", tag, "--new_layer", layer)
		return run(0, "crane", "digest", "--insecure", tag)
	}
	one, two := e.registry+"/library/one:1", e.registry+"/library/two:2"
	first, second := push(one, "one"), push(two, "two")
	file := write("Dockerfile", "ARG ONE_IMAGE="+one+"\nARG TWO_IMAGE="+two+"\nARG WORKSPACE=x\nFROM ${ONE_IMAGE}\nCOPY --from=two /content /two\n")
	read := func() string {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	before := read()
	run(1, "./update-bases", "--check", file)
	if read() != before {
		t.Error("--check has changed the file")
	}
	run(0, "./update-bases", file)
	if got := read(); !strings.HasPrefix(got, "ARG ONE_IMAGE="+one+"@"+first+"\nARG TWO_IMAGE="+two+"@"+second+"\nARG WORKSPACE=x\n") {
		t.Errorf("%s", got)
	}
	run(0, "./update-bases", "--check", file)

	moved := push(one, "another one")
	if out := run(1, "./update-bases", "--check", file); !strings.Contains(out, one+" is now at "+moved) || strings.Contains(out, two+" is now") {
		t.Errorf("%s", out)
	}
	// A tag with a digest is pulled by the digest.
	built := write("Pinned", "FROM "+one+"@"+first+"\n")
	e.podman(t, "build", "--quiet", "--tls-verify=false", "--tag", "localhost/pinned:test", "--file", built, dir)
	e.podman(t, "save", "--quiet", "--format", "docker-archive", "--output", filepath.Join(dir, "pinned.tar"), "localhost/pinned:test")
	if layers := run(0, "sh", "-c", "cd "+dir+" && mkdir saved && tar -xf pinned.tar -C saved && cat saved/*.tar | tar -xOf - content"); layers != "one" {
		t.Errorf("built from %q", layers)
	}
	run(0, "./update-bases", file)
	if !strings.Contains(read(), one+"@"+moved) {
		t.Errorf("%s", read())
	}
	write("Dockerfile", "ARG ONE_IMAGE="+e.registry+"/library/none:1\n")
	if out := run(1, "./update-bases", file); !strings.Contains(out, "check the name") || strings.Contains(read(), "@") {
		t.Errorf("%s\n%s", out, read())
	}
}
