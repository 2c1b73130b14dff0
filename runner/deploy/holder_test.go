package deploy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/carlin-cicd/runner/artifacts/lease"
	"github.com/carlin-cicd/runner/runner/session"
	"github.com/carlin-cicd/runner/steps"
)

func TestTheTaskThatHoldsAStaleLockIsChecked(t *testing.T) {
	const arn = "arn:aws:ecs:eu-central-1:123456789012:task/ci/0123456789abcdef0123456789abcdef"
	for answer, want := range map[string]bool{
		`{"tasks":[{"lastStatus":"RUNNING"}]}`:           false,
		`{"tasks":[{"lastStatus":"DEPROVISIONING"}]}`:    false,
		`{"tasks":[{"lastStatus":"STOPPED"}]}`:           true,
		`{"tasks":[],"failures":[{"reason":"MISSING"}]}`: true,
		"": true, // denied: the lock's age decides
	} {
		b := newBench(t)
		d := b.run()
		var asked string
		ecs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			asked = r.Header.Get("X-Amz-Target") + " " + string(body)
			if answer == "" {
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprint(w, `{"__type":"AccessDeniedException"}`)
				return
			}
			fmt.Fprint(w, answer)
		}))
		t.Cleanup(ecs.Close)
		d.AWS = func(context.Context) (aws.Config, error) {
			return aws.Config{
				Region:       "eu-central-1",
				BaseEndpoint: &ecs.URL,
				Credentials:  credentials.NewStaticCredentialsProvider("a", "b", ""),
			}, nil
		}
		if got := d.hasEnded(t.Context(), lease.Holder{Owner: lease.Owner{Name: arn}}); got != want {
			t.Errorf("%s: %v", answer, got)
		}
		if !strings.Contains(asked, "DescribeTasks") || !strings.Contains(asked, `"cluster":"ci"`) ||
			!strings.Contains(asked, arn) {
			t.Errorf("asked %s", asked)
		}
	}
}

func TestATaskThatMayNotBeLookedAtIsWaitedForUntilItsOwnDeadline(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		holder lease.Holder
		want   bool
	}{
		"before its deadline":      {lease.Holder{Owner: lease.Owner{Until: now.Add(time.Minute)}, Renewed: now.Add(-time.Hour)}, false},
		"after its deadline":       {lease.Holder{Owner: lease.Owner{Until: now.Add(-time.Minute)}, Renewed: now.Add(-time.Hour)}, true},
		"without one, an hour ago": {lease.Holder{Renewed: now.Add(-time.Hour)}, false},
		"without one, long ago":    {lease.Holder{Renewed: now.Add(-2 * time.Hour)}, true},
	} {
		b := newBench(t)
		d := b.run()
		d.AWS = func(context.Context) (aws.Config, error) { return aws.Config{}, errors.New("AccessDeniedException") }
		c.holder.Name = "arn:aws:ecs:eu-central-1:123456789012:task/ci/1"
		for range 3 {
			if got := d.hasEnded(t.Context(), c.holder); got != c.want {
				t.Errorf("%s: %v", name, got)
			}
		}
		if n := strings.Count(b.log.String(), "could not find out whether the task that holds the stale lock is still running"); n != 1 {
			t.Errorf("%s: it is said %d times: %s", name, n, b.log.String())
		}
	}
}

func TestAMigrationThatOutlivedItsRunnerIsWaitedFor(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("processes are found in /proc")
	}
	b := newBench(t)
	b.step.Lock = steps.LockEnvironment
	d := b.run()
	holder := lease.Holder{Owner: lease.Owner{Name: session.LocalOwner(), RunID: "run-of-a-killed-runner"}}
	if !d.hasEnded(t.Context(), holder) {
		t.Error("a run without processes has not ended")
	}
	migration := exec.Command("sleep", "60")
	migration.Env = append(os.Environ(), "RUN_ID=run-of-a-killed-runner")
	if err := migration.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = migration.Process.Kill(); _ = migration.Wait() })
	if d.hasEnded(t.Context(), holder) {
		t.Error("its migration is running")
	}
	holder.Name = "ci@elsewhere"
	if !d.hasEnded(t.Context(), holder) {
		t.Error("the processes of another machine are not here")
	}
}

// Where the environment of processes cannot be read, their group tells whether a command works on.
func TestAProcessGroupIsAliveWhileItHasProcesses(t *testing.T) {
	leader := exec.Command("sleep", "60")
	leader.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := leader.Start(); err != nil {
		t.Fatal(err)
	}
	group := leader.Process.Pid
	if !isGroupAlive(group) {
		t.Error("its leader is alive")
	}
	_ = leader.Process.Kill()
	_ = leader.Wait()
	if isGroupAlive(group) || isGroupAlive(0) || isGroupAlive(1) {
		t.Error("a group without processes is alive")
	}
}
