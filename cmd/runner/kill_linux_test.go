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

// killed is a workspace whose deploys and migrations are ended at random moments.
type killed struct {
	t     *testing.T
	dir   string
	stack string
	env   []string
	size  int
}

const killedSteps = `version: 1
steps:
  deploy: { command: "sleep 0.1; stackctl deploy $STACK_NAME template.yaml Size=$SIZE && sleep 0.2", wait: 30s }
  unfit: { command: "stackctl deploy $STACK_NAME template.yaml Size=$SIZE", lock: stack, verify: "exit 7", wait: 30s }
  migrate: { command: "echo begun; sleep 0.3; echo done", wait: 30s }
`

// killRounds is how often each step is ended: -kill-rounds 60 looks for windows that a few rounds seldom meet.
var killRounds = flag.Int("kill-rounds", 6, "how often each step is ended at a random moment")

func newKilled(t *testing.T) *killed {
	account, err := awstest.StartMoto()
	if err != nil {
		t.Fatal(err)
	}
	k := &killed{t: t, dir: t.TempDir(), stack: fmt.Sprintf("killed-%d", time.Now().UnixNano())}
	for name, text := range map[string]string{
		"runner.yaml": killedSteps, "template.yaml": "Parameters: { Size: { Type: String } }\nResources: { Queue: { Type: AWS::SQS::Queue } }\n",
	} {
		if err := os.WriteFile(filepath.Join(k.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	k.env = append(account.Environment(), raceOptions, "PATH="+os.Getenv("PATH"), "HOME="+k.dir, "BRANCH="+testBranch, "GIT_SHA="+testSHA, "ENVIRONMENT=staging", "STACK_NAME="+k.stack,
		"RUNNER_LOG_FORMAT=text", "RUNNER_STACK_POLL=20ms", "RUNNER_GRACE=200ms", "RUNNER_STOP_BUDGET=5s")
	return k
}

// short is for how long the lock of a run that is to be killed outlives it; those of the others outlive a machine that has too
// much to do.
const short, long = "1s", "60s"

// start begins a run in a group of its own, so that its whole tree can be found.
func (k *killed) start(step, ttl string) (*exec.Cmd, *bytes.Buffer) {
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

// end ends a run: by a signal to it, or as a power cut does, everything that is of this workspace at once.
func (k *killed) end(c *exec.Cmd, how string) {
	switch how {
	case "TERM":
		_ = c.Process.Signal(syscall.SIGTERM)
	case "KILL":
		_ = c.Process.Kill()
	case "power":
		_ = c.Process.Signal(syscall.SIGSTOP) // so that it sees none of it
		for range 3 {
			for _, pid := range k.processes() {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
	_ = c.Wait()
	for _, pid := range k.processes() { // what a killed runner has left would be gone with its container
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

func (k *killed) processes() []int { return processesWith("STACK_NAME=" + k.stack) }

// processesWith finds processes by an entry of their environment.
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

// records reads all that is stored as JSON: what is half written is not.
func (k *killed) records(folder string) map[string]map[string]any {
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
			k.t.Errorf("%s is half a record: %v: %s", name, err, text)
		}
		found[strings.TrimSuffix(filepath.Base(name), ".json")] = record
	}
	return found
}

// unfinished are the runs of a step whose start is on record and whose end is not.
func (k *killed) unfinished(step string) map[string]bool {
	found := map[string]bool{}
	files, _ := filepath.Glob(filepath.Join(k.dir, ".runner/artifacts/runs", testBranch, testSHA, step+"@staging/*/started.json"))
	for _, name := range files {
		if _, err := os.Stat(filepath.Join(filepath.Dir(name), "finished.json")); err != nil {
			found[filepath.Base(filepath.Dir(name))] = true
		}
	}
	return found
}

// However a run ends, while it deploys, migrates or brings a stack back: the next one gets the lock once that has expired, no
// record is lost or half, and every story has an end, told by the run itself or by its successor.
func TestARunThatIsKilledLeavesNoLockAndNoHalfToldStory(t *testing.T) {
	for _, c := range []struct{ name, step, next string }{
		{"deploy", "deploy", "deploy"},
		{"migrate", "migrate", "migrate"},
		{"rollback", "unfit", "deploy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := newKilled(t)
			folder := map[string]string{"deploy": k.stack, "migrate": "migrate"}[c.next]
			if first, said := k.start(c.next, long); first.Wait() != nil {
				t.Fatal(said.String())
			}
			seen := k.records(folder)
			for i := range *killRounds {
				how := []string{"KILL", "TERM", "power"}[i%3]
				cut := k.unfinished(c.step)
				run, out := k.start(c.step, short)
				time.Sleep(time.Duration(rand.IntN(700)) * time.Millisecond)
				k.end(run, how)
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
						t.Errorf("run %s was asked to stop, and has not said how it ended:\n%s", id, out)
					}
				}

				next, said := k.start(c.next, long)
				if err := next.Wait(); err != nil {
					t.Fatalf("after %s number %d, the next run ends with %v:\n%s\nafter\n%s", how, i, err, said, out)
				}
				text := said.String()
				if pending && !strings.Contains(text, "the run before ") {
					t.Errorf("after %s, nobody tells of the run that was cut short:\n%s\nafter\n%s", how, text, out)
				}
				if strings.Contains(text, "the record of the run before cannot be closed") {
					t.Errorf("after %s, a record is lost:\n%s\nafter\n%s", how, text, out)
				}
			}
			k.check(t, folder)
		})
	}
}

// check looks at all that is left in the end.
func (k *killed) check(t *testing.T, folder string) {
	records := k.records(folder)
	live := records["live"]
	delete(records, "live")
	if live["pending"] != nil {
		t.Errorf("something is pending: %v", live)
	}
	newest, ends := "", map[string]int{}
	for id, record := range records {
		ends[fmt.Sprint(record["outcome"])]++
		if record["outcome"] == nil {
			t.Errorf("the story of %s has no end: %v", id, record)
		}
		if folder != "migrate" && record["before"] == nil {
			t.Errorf("%s does not say what it found: %v", id, record)
		}
		if record["outcome"] == "passed" {
			newest = max(newest, id)
		}
	}
	t.Logf("how they ended: %v", ends)
	if of := live["live"].(map[string]any); of["run_id"] != newest {
		t.Errorf("live is %v, the newest that passed is %s", of, newest)
	}
	locks, _ := filepath.Glob(filepath.Join(k.dir, ".runner/artifacts/locks/staging/*.json"))
	for _, name := range locks {
		if text, _ := os.ReadFile(name); !bytes.Contains(text, []byte(`"released"`)) {
			t.Errorf("%s is still held: %s", name, text)
		}
	}
}
