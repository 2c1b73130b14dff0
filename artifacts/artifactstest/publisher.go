package artifactstest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/carlin-cicd/runner/artifacts"
)

// PublisherVar is the variable that makes a test binary a publisher: the location of its store.
const PublisherVar = "ARTIFACTS_TEST_VICTIM"

// PublisherMain is the main function of a process that publishes a folder. It prints "begin" when it starts, so that
// until it is killed it is publishing.
func PublisherMain(open func(name string) (artifacts.Store, error)) int {
	s, err := open(os.Getenv(PublisherVar))
	if err == nil {
		fmt.Println("begin")
		ctx, set := context.Background(), CoverageSet("main", SHA1, os.Getenv(PublisherVar+"_DIR"))
		set.Prepared = artifacts.Prepare(ctx, s, set) // as a run does
		_, err = artifacts.Publish(ctx, s, set)
		err = errors.Join(err, set.Prepared.Close())
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("end")
	return 0
}

// StartPublisher starts the test binary as a publisher.
func StartPublisher(t *testing.T, store, dir string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), PublisherVar+"="+store, PublisherVar+"_DIR="+dir)
	out, err := cmd.StdoutPipe()
	Must(t, err)
	Must(t, cmd.Start())
	says := bufio.NewReader(out)
	Expect(t, says, "begin\n")
	return cmd, says
}

// Expect reads one line of a publisher's output.
func Expect(t *testing.T, says *bufio.Reader, want string) {
	t.Helper()
	if line, _ := says.ReadString('\n'); line != want {
		t.Fatalf("the publisher says %q, not %q", line, want)
	}
}
