package s3test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/runner/awstest"
)

// Credentials for every server in this package. They are valid nowhere else.
const (
	AccessKeyID     = "AKIAIOSFODNN7EXAMPLE"
	SecretAccessKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

// Versity starts versitygw on a folder until the test ends, and returns its endpoint. It verifies signatures. Its
// buckets can keep versions only if versioned is set. The test fails without versitygw, which make test installs.
func Versity(tb testing.TB, versioned bool) (endpoint string) {
	tb.Helper()
	program, err := lookTool("versitygw")
	if err != nil {
		tb.Fatal(err)
	}
	address, err := awstest.FreeAddress()
	if err != nil {
		tb.Fatal(err)
	}
	arguments := []string{
		"--port", address, "--access", AccessKeyID, "--secret", SecretAccessKey, "--region", Region,
		"--quiet", "--keep-alive", "posix",
	}
	if versioned {
		arguments = append(arguments, "--versioning-dir", tb.TempDir())
	}
	start(tb, address, program, append(arguments, tb.TempDir())...)
	return "http://" + address
}

// start runs a server until the test ends and returns once it accepts connections.
func start(tb testing.TB, address, program string, arguments ...string) {
	tb.Helper()
	var said bytes.Buffer
	server := exec.Command(program, arguments...)
	server.Stdout, server.Stderr = &said, &said
	awstest.KillWithParent(server)
	started, ended := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(ended)
		// The kernel ends the server with the thread that started it, so this thread stays until then.
		runtime.LockOSThread()
		err := server.Start()
		started <- err
		if err == nil {
			_ = server.Wait()
		}
	}()
	if err := <-started; err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = server.Process.Kill()
		<-ended
	})
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		select {
		case <-ended:
			tb.Fatalf("%s does not start: %s", filepath.Base(program), said.String())
		default:
		}
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return
		}
	}
	tb.Fatalf("%s does not answer on %s after two minutes", filepath.Base(program), address)
}

// lookTool looks in PATH, then in .tools/bin of the module.
func lookTool(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if path := filepath.Join(dir, ".tools", "bin", name); exists(path) {
			return path, nil
		}
		if exists(filepath.Join(dir, "go.mod")) || dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is neither in PATH nor in .tools/bin: make test puts it there", name)
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
