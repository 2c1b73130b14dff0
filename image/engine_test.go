//go:build container

package image

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// engine is podman with a storage of its own under .tools, so that layers are reused by the next run, and nothing of
// the machine's own images is touched.
type engine struct {
	env      []string
	registry string // host:port of a registry of our own
}

// newEngine sets podman up. A machine without it fails the test: make test-image says what to install.
func newEngine(t *testing.T) *engine {
	t.Helper()
	for _, tool := range []string{"podman", "runc", "busybox", "crane"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%s is not on PATH: run make test-image, which installs it or says how", tool)
		}
	}
	own := filepath.Join(top(t), ".tools/containers")
	if err := os.MkdirAll(own, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) string {
		path := filepath.Join(own, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	// Limits that are lower than podman's own wishes: it would ask for more files than a container on a CI machine may
	// have. The host's network, because the servers of the tests listen on 127.0.0.1.
	conf := write(
		"containers.conf",
		"[containers]\ndefault_ulimits=[\"nofile=4096:4096\",\"nproc=4096:4096\"]\nnetns=\"host\"\n[engine]\nruntime=\"runc\"\n",
	)
	storage := write(
		"storage.conf",
		fmt.Sprintf(
			"[storage]\ndriver=\"overlay\"\ngraphroot=%q\nrunroot=%q\n",
			filepath.Join(own, "storage"),
			filepath.Join(os.TempDir(), fmt.Sprintf("runner-containers-%d-%08x", os.Getuid(), crc32.ChecksumIEEE([]byte(own)))),
		),
	)
	e := &engine{env: append(os.Environ(), "CONTAINERS_CONF="+conf, "CONTAINERS_STORAGE_CONF="+storage)}

	registry := exec.Command("crane", "registry", "serve", "--address", "127.0.0.1:0", "--disk", t.TempDir())
	var said lines
	registry.Stderr, registry.Stdout = &said, &said
	if err := registry.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		registry.Process.Kill()
		registry.Wait()
	})
	for range 200 {
		if _, port, ok := strings.Cut(said.String(), "port: "); ok {
			e.registry = "127.0.0.1:" + strings.Fields(port)[0]
			break
		}
		if _, port, ok := strings.Cut(said.String(), "on port "); ok {
			e.registry = "127.0.0.1:" + strings.Fields(port)[0]
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if e.registry == "" {
		t.Fatalf("the registry does not start: %s", said.String())
	}
	return e
}

// podman runs podman and returns what it says on stdout; anything but exit code 0 ends the test.
func (e *engine) podman(t *testing.T, args ...string) string {
	t.Helper()
	out, said, code := e.try(t, args...)
	if code != 0 {
		t.Fatalf("podman %s: exit %d\n%s%s", strings.Join(args, " "), code, tail(out), tail(said))
	}
	return strings.TrimSpace(out)
}

// try runs podman whatever its end, for at most five minutes; for a build, which takes all the machine there is,
// fifteen.
func (e *engine) try(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	patience := 5 * time.Minute
	if args[0] == "build" {
		patience = 15 * time.Minute
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, "podman", args...)
	c.Env, c.Dir = e.env, t.TempDir() // where runc notes that memory ran out
	var out, said bytes.Buffer
	c.Stdout, c.Stderr = &out, &said
	err := c.Run()
	if c.ProcessState == nil {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Fatalf("podman %s does not end\n%s%s", strings.Join(args, " "), tail(out.String()), tail(said.String()))
	}
	return out.String(), said.String(), c.ProcessState.ExitCode()
}

// bases makes sure of the base images: the public ones where a registry can be reached, else stand-ins under their
// names.
func (e *engine) bases(t *testing.T) {
	t.Helper()
	for _, base := range [][2]string{
		{"go", "docker.io/library/golang:1.26-alpine"},
		{"node", "docker.io/library/node:24-alpine"},
		{"debian", "docker.io/library/node:24-bookworm-slim"}, // its stand-in is made of the one before
	} {
		kind, name := base[0], base[1]
		if _, _, code := e.try(t, "image", "exists", name); code == 0 {
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		pull := exec.CommandContext(ctx, "podman", "pull", "--quiet", name)
		pull.Env = e.env
		err := pull.Run()
		cancel()
		if err == nil {
			continue
		}
		t.Logf("%s cannot be pulled: a stand-in takes its place", name)
		build := exec.Command("standin/build", kind, name)
		build.Env = e.env
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
}

// build builds a target of the unmodified Dockerfile.
func (e *engine) build(t *testing.T, target, tag string, more ...string) {
	t.Helper()
	// On a machine that is new, only those modules are there that something was built of. The Dockerfile asks for all.
	if out, err := exec.Command("go", "mod", "download").CombinedOutput(); err != nil {
		t.Fatalf("go mod download: %v\n%s", err, out)
	}
	caches, err := exec.Command("go", "env", "GOMODCACHE", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	modules, compiled, _ := strings.Cut(strings.TrimSpace(string(caches)), "\n")
	args := append([]string{
		"build", "--quiet", "--isolation", "chroot", "--layers", "--target", target, "--tag", tag, "--file", filepath.Join(top(t), "image/Dockerfile"),
		// The modules are on this machine now. The public base asks the proxy for them all the same.
		"--volume", filepath.Join(modules, "cache/download") + ":/modules:ro",
		// And the same compiler has compiled them here.
		"--volume", compiled + ":/root/.cache/go-build",
	}, more...)
	e.podman(t, append(args, top(t))...)
}

// task are the arguments of a container as Fargate would start it: little memory, half a core, a root that cannot be
// written to, and no root user.
func task(name string, more ...string) []string {
	return append([]string{
		"run", "--name", name, "--memory", "512m", "--memory-swap", "512m", "--cpus", "0.5",
		"--read-only", "--user", "1000", "--tmpfs", "/tmp", "--tmpfs", "/home/node:mode=1777",
	}, more...)
}

// ended is a container that has run.
type ended struct {
	code        int
	out, stderr string
}

// run runs a container to its end and leaves it there to be looked at; it goes when the test does.
func (e *engine) run(t *testing.T, args ...string) ended {
	t.Helper()
	name := containerName(t)
	defer e.remove(t, name)
	out, said, code := e.try(t, task(name, args...)...)
	return ended{code, out, said}
}

func (e *engine) remove(t *testing.T, name string) {
	t.Cleanup(func() {
		c := exec.Command("podman", "rm", "--force", "--volumes", "--time", "0", name)
		c.Env = e.env
		_ = c.Run()
	})
}

// empty fails if a task's container has outlived its server, and removes it.
func (e *engine) empty(t *testing.T) {
	c := exec.Command("podman", "ps", "--all", "--quiet", "--filter", "name=^ecs-")
	c.Env = e.env
	left, err := c.Output()
	if err != nil || len(left) > 0 {
		t.Errorf("containers are left: %s %v", left, err)
	}
	for id := range strings.FieldsSeq(string(left)) {
		c := exec.Command("podman", "rm", "--force", "--volumes", "--time", "0", id)
		c.Env = e.env
		_ = c.Run()
	}
}

func containerName(t *testing.T) string {
	return "runner-" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, t.Name()) + fmt.Sprintf("-%d", time.Now().UnixNano())
}

// top is the top of the repository.
func top(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// tail is the end of an output that is long.
func tail(s string) string {
	const limit = 6000
	if len(s) > limit {
		return "…" + s[len(s)-limit:]
	}
	return s
}
