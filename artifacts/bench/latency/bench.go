package main

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts/bench/limit"
)

// bench is a server, a proxy before it, and a workspace.
type bench struct {
	options
	scratch, workspace, bucket string
	server                     *exec.Cmd
	proxy                      *proxy
	commits                    int
	limits                     *limit.Group // nil for none
	self                       string       // this program
}

const (
	accessKey = "bench"
	secretKey = "bench-secret"
)

func newBench(ctx context.Context, o options) (*bench, error) {
	scratch, err := os.MkdirTemp("/dev/shm", "latency-") // the server keeps extended attributes, which a disk writes through
	if err != nil {
		scratch, err = os.MkdirTemp("", "latency-")
	}
	if err != nil {
		return nil, err
	}
	b := &bench{
		options: o, scratch: scratch, workspace: filepath.Join(scratch, "workspace"), bucket: filepath.Join(scratch, "s3", "bench"),
	}
	if o.cpu != "all" {
		if b.limits, err = limit.New(); err == nil {
			b.self, err = os.Executable()
		}
		if err != nil {
			return nil, fmt.Errorf("--cpu %s: %w", o.cpu, err)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := listener.Addr().String()
	listener.Close()
	for _, dir := range []string{b.workspace, b.bucket, filepath.Join(scratch, "versions")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
	}
	b.server = exec.CommandContext(ctx, o.gateway, "--port", address, "--access", accessKey, "--secret", secretKey,
		"--quiet", "--keep-alive", "posix", filepath.Join(scratch, "s3")) // S3 keeps connections, too
	if err := b.server.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", o.gateway, err)
	}
	for range 200 {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			break
		}
		time.Sleep(25 * time.Millisecond)
	}
	b.proxy, err = newProxy(address)
	return b, err
}

func (b *bench) close() {
	if b.proxy != nil {
		b.proxy.close()
	}
	_ = b.server.Process.Kill()
	_ = b.server.Wait()
	if b.limits != nil {
		_ = b.limits.Close()
	}
	_ = os.RemoveAll(b.scratch)
}

// reset empties the bucket and the workspace, and begins with a new commit.
func (b *bench) reset() error {
	for _, dir := range []string{b.bucket, b.workspace} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	files := map[string]string{
		// The files are those of a build: their content is another one for each commit. They take a few milliseconds.
		"make.sh": fmt.Sprintf(`mkdir -p $1/d0 $1/d1 $1/d2 $1/d3 $1/d4 $1/d5 $1/d6 $1/d7 $1/d8 $1/d9 && cd $1 &&
awk 'BEGIN { for (i = 0; i < %d; i++) { f = "d" i %% 10 "/" i ".js"; print "file", i, "of", ENVIRON["GIT_SHA"] >f; close(f) } }'
`, b.files),
		"junit.xml": "",
		"runner.yaml": `version: 1
steps:
  nothing: { command: [true], artifacts: [], reports: [] }
  build: { command: sh make.sh dist }
  test:
    command: |
      sh make.sh coverage
      printf '<testsuites>' >junit.xml
      for i in 1 2 3 4 5 6 7 8 9; do printf '<testsuite name="s%s" tests="1"><testcase name="t" classname="c" file="f.js"/></testsuite>' $i >>junit.xml; done
      printf '</testsuites>' >>junit.xml
    reports: [junit.xml]
    rerun: { attempts: 0 }
  deploy: { command: [true], needs: [build], fetch: [builds], artifacts: [] }
`,
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(b.workspace, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return b.commit()
}

// commit begins a new commit: its id is made up, since no git takes part.
func (b *bench) commit() error {
	b.commits++
	return nil
}

func (b *bench) sha() string {
	sum := sha1.Sum(fmt.Appendf(nil, "commit %d", b.commits))
	return hex.EncodeToString(sum[:])
}

func (b *bench) command(ctx context.Context, line []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.Dir = b.workspace
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + b.scratch, "TMPDIR=" + os.TempDir(), "BRANCH=main", "GIT_SHA=" + b.sha(), "ARTIFACT_BUCKET=bench",
		"AWS_ENDPOINT_URL=" + b.proxy.url, "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=" + accessKey, "AWS_SECRET_ACCESS_KEY=" + secretKey,
		"AWS_EC2_METADATA_DISABLED=true", "RUNNER_LOG_FORMAT=json",
	}
	return cmd
}

// limited is a command with the share of the CPU that is measured.
func (b *bench) limited(ctx context.Context, line []string) *exec.Cmd {
	if b.limits != nil {
		program, err := exec.LookPath(line[0])
		if err != nil {
			program = line[0] // it fails when it is started
		}
		line = b.limits.Line(b.self, append([]string{program}, line[1:]...))
	}
	return b.command(ctx, line)
}

func (b *bench) exec(ctx context.Context, line []string) error {
	output, err := b.command(ctx, line).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, lastLines(string(output), 3))
	}
	return nil
}

// machine describes where the figures come from.
func machine() string {
	model := runtime.GOARCH
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	return fmt.Sprintf("%s, %d cores, %s", model, runtime.NumCPU(), time.Now().UTC().Format(time.DateOnly))
}
