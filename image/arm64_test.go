//go:build container

package image

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The binary for arm64, under an emulator of its instructions.
func TestTheBinaryForARM64(t *testing.T) {
	emulator, err := exec.LookPath("qemu-aarch64")
	if err != nil {
		t.Fatal("qemu-aarch64 is not on PATH: run make test-image, which installs it or says how")
	}
	binary := filepath.Join(t.TempDir(), "runner")
	build := exec.Command(
		"go",
		"build",
		"-trimpath",
		"-buildvcs=false",
		"-tags",
		"nethttpomithttp2",
		"-ldflags",
		"-s -w",
		"-o",
		binary,
		"../cmd/runner",
	)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm64")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	dir := newWorkspace(
		t,
		"version: 1\nsteps:\n  hello: { command: echo hello from $0 }\n  seven: { command: exit 7 }\n",
	)
	for name, want := range map[string]struct {
		args []string
		code int
		says string
	}{
		"its version":  {[]string{"version"}, 0, "linux/arm64"},
		"a step":       {[]string{"--step", "hello", "--workspace", dir}, 0, "hello from sh"},
		"an exit code": {[]string{"--step", "seven", "--workspace", dir}, 7, "exit 7"},
		"a bad flag":   {[]string{"--stop"}, 125, ""},
	} {
		c := exec.Command(emulator, append([]string{binary}, want.args...)...)
		c.Env = append(os.Environ(), "RUNNER_LOG_FORMAT=text", "BRANCH=main", "GIT_SHA="+commit)
		out, _ := c.CombinedOutput()
		if c.ProcessState.ExitCode() != want.code || !strings.Contains(string(out), want.says) {
			t.Errorf("%s: exit %d, %s", name, c.ProcessState.ExitCode(), out)
		}
	}
}
