//go:build container

package image

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// laptop is a workspace whose service is a container of the real podman, without the network of the host: its port has to
// be published.
type laptop struct {
	*engine
	runner, dir, tag string
}

// TestTheBinaryRunsContainersBesideAStep is a laptop: the image of the service is made here, of nothing but busybox.
func TestTheBinaryRunsContainersBesideAStep(t *testing.T) {
	l := newLaptop(t)

	t.Run("ready by its port, in the log, and gone afterwards", func(t *testing.T) {
		out, code := l.run(t, "asks")
		if code != 0 {
			t.Fatalf("exit %d\n%s", code, out)
		}
		for _, says := range []string{"service ready", "kind=container", "the answer is 42", "service/web | started with [REDACTED:API_TOKEN]"} {
			if !strings.Contains(out, says) {
				t.Errorf("it does not say %q\n%s", says, out)
			}
		}
		if strings.Contains(out, apiKey) {
			t.Errorf("a secret is in the log\n%s", out)
		}
		l.gone(t)
	})

	t.Run("one that ends is the reason", func(t *testing.T) {
		out, code := l.run(t, "ends")
		if code != 125 || !strings.Contains(out, "it exited with 9") {
			t.Errorf("exit %d\n%s", code, out)
		}
		l.gone(t)
	})

	t.Run("gone after the runner was killed", func(t *testing.T) {
		c := l.command("waits")
		var said lines
		c.Stdout, c.Stderr = &said, &said
		c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		until(t, said.String, func() bool { return strings.Contains(said.String(), "it waits") })
		if l.containers(t) == "" {
			t.Errorf("there is no container\n%s", said.String())
		}
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = c.Wait()
		until(t, said.String, func() bool { return l.containers(t) == "" })
	})
}

func newLaptop(t *testing.T) laptop {
	t.Helper()
	l := laptop{engine: newEngine(t), runner: filepath.Join(t.TempDir(), "runner"), tag: "localhost/runner-laptop:test"}
	bridged, err := os.ReadFile(filepath.Join(top(t), ".tools/containers/containers.conf"))
	if err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(t.TempDir(), "containers.conf")
	if err := os.WriteFile(conf, bytes.ReplaceAll(bridged, []byte(`netns="host"`), nil), 0o644); err != nil {
		t.Fatal(err)
	}
	l.env = append(l.env, "CONTAINERS_CONF="+conf)
	l.busybox(t, l.tag, `["sh", "-c", "trap 'exit 0' TERM; echo started with $WORD; httpd -f -p 8080 -h /www & wait"]`, "EXPOSE 8080", "httpd")
	l.dir = newWorkspace(t, `version: 1
steps:
  asks:
    command: "curl -fsS http://127.0.0.1:$SERVICE_WEB_PORT/said"
    services: { web: { image: "`+l.tag+`", environment: { WORD: "$API_TOKEN" } } }
  ends:
    command: sleep 60
    services: { web: { image: "`+l.tag+`", ready: { port: 8080 } }, other: { command: "sleep 1; exit 9" } }
  waits:
    command: "echo it waits; sleep 60"
    services: { web: { image: "`+l.tag+`" } }
`)
	buildRunner(t, l.runner)
	return l
}

// busybox makes an image of nothing but busybox, whose web server has a page "said".
func (e *engine) busybox(t *testing.T, tag, command, more string, applets ...string) {
	t.Helper()
	script := `mkdir -p bin www; cp "$(command -v busybox)" bin/; for name in sh sleep nc "$@"; do ln -s busybox "bin/$name"; done
echo "the answer is 42" >www/said; tar -cf - . | podman import --quiet -c 'ENV PATH=/bin' -c "$more" -c "CMD $command" - "$tag"`
	c := exec.Command("sh", append([]string{"-ec", script, "sh"}, applets...)...)
	c.Dir, c.Env = t.TempDir(), append(e.env, "command="+command, "more="+more, "tag="+tag)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func (l laptop) command(step string) *exec.Cmd {
	c := exec.Command(l.runner, "--step", step, "--log-format", "text")
	c.Dir, c.Env = l.dir, append(l.env, "RUNNER_GRACE=3s", "API_TOKEN="+apiKey, "BRANCH="+branch, "GIT_SHA="+commit, "ARTIFACT_BUCKET=file://"+filepath.Join(filepath.Dir(l.runner), "store"))
	return c
}

func (l laptop) run(t *testing.T, step string) (out string, code int) {
	t.Helper()
	c := l.command(step)
	text, err := c.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(text), c.ProcessState.ExitCode()
}

// containers are those of the image, running or not.
func (l laptop) containers(t *testing.T) string {
	t.Helper()
	return l.podman(t, "ps", "--all", "--filter", "ancestor="+l.tag, "--format", "{{.Names}} {{.Status}}")
}

func (l laptop) gone(t *testing.T) {
	t.Helper()
	if left := l.containers(t); left != "" {
		t.Errorf("containers are left: %s", left)
	}
}

// until waits until something holds.
func until(t *testing.T, said func() string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(said())
		}
	}
}
