package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/runner/awstest"
)

// killWorkspace is a workspace whose deploys and migrations are killed at random moments.
type killWorkspace struct {
	t     *testing.T
	dir   string
	stack string
	env   []string
	size  int
}

const killedSteps = `version: 1
steps:
  deploy: { command: "sleep 0.1; stackctl deploy $STACK_NAME template.yaml Size=$SIZE && sleep 0.2", wait: 30s }
  unverified: { command: "stackctl deploy $STACK_NAME template.yaml Size=$SIZE", lock: stack, verify: "exit 7", wait: 30s }
  migrate: { command: "echo begun; sleep 0.3; echo done", wait: 30s }
`

const killedTemplate = `Parameters: { Size: { Type: String } }
Resources: { Queue: { Type: AWS::SQS::Queue } }
`

// killRounds is how often each step is killed: -kill-rounds 60 finds windows that a few rounds seldom hit.
var killRounds = flag.Int("kill-rounds", 6, "how often each step is killed at a random moment")

func newKillWorkspace(t *testing.T) *killWorkspace {
	account, err := awstest.StartMoto()
	if err != nil {
		t.Fatal(err)
	}
	k := &killWorkspace{t: t, dir: t.TempDir(), stack: fmt.Sprintf("killed-%d", time.Now().UnixNano())}
	for name, text := range map[string]string{
		"runner.yaml": killedSteps, "template.yaml": killedTemplate,
	} {
		if err := os.WriteFile(filepath.Join(k.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	k.env = append(
		account.Environment(),
		raceOptions,
		"PATH="+os.Getenv("PATH"),
		"HOME="+k.dir,
		"ARTIFACT_BUCKET=file://"+filepath.Join(k.dir, ".runner/artifacts"),
		"BRANCH="+testBranch,
		"GIT_SHA="+testSHA,
		"ENVIRONMENT=staging",
		"STACK_NAME="+k.stack,
		"RUNNER_LOG_FORMAT=text",
		"RUNNER_STACK_POLL=20ms",
		"RUNNER_GRACE=200ms",
		"RUNNER_STOP_BUDGET=5s",
	)
	return k
}

// The lock of a run that will be killed expires soon after it; that of any other run survives a busy machine.
const shortTTL, longTTL = "1s", "60s"

// start starts a run in a process group of its own.
func (k *killWorkspace) start(step, ttl string) (*exec.Cmd, *bytes.Buffer) {
	k.size++
	var out bytes.Buffer
	c := exec.Command("runner", "--step", step)
	c.Dir, c.Stdout, c.Stderr = k.dir, &out, &out
	c.Env = append([]string{fmt.Sprintf("SIZE=%d", k.size), "RUNNER_LOCK_TTL=" + ttl}, k.env...)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		k.t.Fatal(err)
	}
	return c, &out
}

// kill ends a run: by a signal, or like a power cut, with all processes of this workspace at once.
func (k *killWorkspace) kill(c *exec.Cmd, how string) {
	switch how {
	case "TERM":
		_ = c.Process.Signal(syscall.SIGTERM)
	case "KILL":
		_ = c.Process.Kill()
	case "power":
		_ = c.Process.Signal(syscall.SIGSTOP) // so that it cannot react
		for range 3 {
			_ = c.Process.Kill() // it is not among those that are found, since it clears its environment
			for _, pid := range k.processes() {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
	_ = c.Wait()
	for _, pid := range k.processes() { // a container would end with the killed runner
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

func (k *killWorkspace) processes() []int { return processesWith("STACK_NAME=" + k.stack) }

// processesWith returns the processes that have an entry in their environment.
func processesWith(entry string) (pids []int) {
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, name := range files {
		text, _ := os.ReadFile(name)
		if pid := 0; bytes.Contains(append([]byte{0}, text...), []byte("\x00"+entry+"\x00")) {
			if fmt.Sscanf(name, "/proc/%d/", &pid); pid > 0 {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// records reads all records of a folder; an incomplete one is an error.
func (k *killWorkspace) records(folder string) map[string]map[string]any {
	found := map[string]map[string]any{}
	dir := filepath.Join(k.dir, ".runner/artifacts/deployments/staging", folder)
	files, _ := filepath.Glob(filepath.Join(dir, "*.json"))
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			k.t.Fatal(err)
		}
		var record map[string]any
		if err := json.Unmarshal(text, &record); err != nil {
			k.t.Errorf("%s is incomplete: %v: %s", name, err, text)
		}
		found[strings.TrimSuffix(filepath.Base(name), ".json")] = record
	}
	return found
}

// unfinished returns the runs of a step that have started.json and no finished.json.
func (k *killWorkspace) unfinished(step string) map[string]bool {
	found := map[string]bool{}
	files, _ := filepath.Glob(
		filepath.Join(k.dir, ".runner/artifacts/runs", testBranch, testSHA, step+"@staging/*/started.json"),
	)
	for _, name := range files {
		if _, err := os.Stat(filepath.Join(filepath.Dir(name), "finished.json")); err != nil {
			found[filepath.Base(filepath.Dir(name))] = true
		}
	}
	return found
}

// However a run ends while it deploys, migrates or rolls back: the next run gets the lock when it has expired, no
// record is lost or incomplete, and each has an outcome, written by the run itself or by the next one.
func TestKilledRunsLeaveNoLockAndNoOpenRecord(t *testing.T) {
	for _, c := range []struct{ name, step, next string }{
		{"deploy", "deploy", "deploy"},
		{"migrate", "migrate", "migrate"},
		{"rollback", "unverified", "deploy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := newKillWorkspace(t)
			folder := map[string]string{"deploy": k.stack, "migrate": "migrate"}[c.next]
			if first, output := k.start(c.next, longTTL); first.Wait() != nil {
				t.Fatal(output.String())
			}
			seen := k.records(folder)
			for i := range *killRounds {
				how := []string{"KILL", "TERM", "power"}[i%3]
				cut := k.unfinished(c.step)
				run, out := k.start(c.step, shortTTL)
				time.Sleep(time.Duration(rand.IntN(700)) * time.Millisecond)
				k.kill(run, how)
				now := k.records(folder)
				pending := now["live"]["pending"] != nil
				for id := range seen {
					if now[id] == nil {
						t.Errorf("after %s, the record of %s is lost", how, id)
					}
				}
				seen = now
				for id := range k.unfinished(c.step) {
					if how == "TERM" && !cut[id] {
						t.Errorf("run %s received TERM and wrote no finished.json:\n%s", id, out)
					}
				}

				next, output := k.start(c.next, longTTL)
				if err := next.Wait(); err != nil {
					t.Fatalf("after %s number %d, the next run ends with %v:\n%s\nafter\n%s", how, i, err, output, out)
				}
				text := output.String()
				if pending && !strings.Contains(text, "the previous run ") {
					t.Errorf(
						"after %s, the next run does not report the interrupted one:\n%s\nafter\n%s",
						how,
						text,
						out,
					)
				}
				if strings.Contains(text, "the record of the run before cannot be closed") {
					t.Errorf("after %s, a record is lost:\n%s\nafter\n%s", how, text, out)
				}
			}
			k.check(t, folder)
		})
	}
}

// check checks all that is left at the end.
func (k *killWorkspace) check(t *testing.T, folder string) {
	records := k.records(folder)
	live := records["live"]
	delete(records, "live")
	if live["pending"] != nil {
		t.Errorf("a change is pending: %v", live)
	}
	newest, ends := "", map[string]int{}
	for id, record := range records {
		ends[fmt.Sprint(record["outcome"])]++
		if record["outcome"] == nil {
			t.Errorf("run %s has no outcome: %v", id, record)
		}
		if folder != "migrate" && record["before"] == nil {
			t.Errorf("run %s has no stack before: %v", id, record)
		}
		if record["outcome"] == "passed" {
			newest = max(newest, id)
		}
	}
	t.Logf("outcomes: %v", ends)
	if of := live["live"].(map[string]any); of["run_id"] != newest {
		t.Errorf("live is %v, the newest that passed is %s", of, newest)
	}
	locks, _ := filepath.Glob(filepath.Join(k.dir, ".runner/artifacts/locks/staging/*.json"))
	for _, name := range locks {
		if text, _ := os.ReadFile(name); !bytes.Contains(text, []byte(`"released"`)) {
			t.Errorf("%s is still locked: %s", name, text)
		}
	}
}
