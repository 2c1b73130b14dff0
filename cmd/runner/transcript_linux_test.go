package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// The transcripts in testdata describe what a user sees, one behaviour each. The runner in them is the real main in a
// process of its own; "misbehave" stands for commands that a shell cannot easily imitate.
func TestMain(m *testing.M) {
	// Transcripts wait more than they compute. The flag -parallel, which is parsed later, wins.
	must(flag.Set("test.parallel", strconv.Itoa(max(4, 2*runtime.GOMAXPROCS(0)))))
	testscript.Main(m, map[string]func(){
		"runner":    main,
		"misbehave": misbehave,
		"stackctl":  stackctl,
	})
}

// monorepoTools is where make test installs turbo and nx.
func monorepoTools() string {
	dir, err := filepath.Abs("../../.tools/monorepo/node_modules")
	must(err)
	return dir
}

// raceOptions spares every process of a race-enabled test binary the second for which it sleeps before it exits.
const raceOptions = "GORACE=atexit_sleep_ms=0"

// hangTimeout ends a test that hangs; no test is expected to come near it.
const hangTimeout = 2 * time.Minute

// The branch and the commit of all transcripts.
const (
	testBranch = "main"
	testSHA    = "0123456789abcdef0123456789abcdef01234567"
)

func TestTranscripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			name, value, _ := strings.Cut(raceOptions, "=")
			e.Setenv(name, value)
			e.Setenv("BRANCH", testBranch)
			e.Setenv("GIT_SHA", testSHA)
			e.Setenv("RUNNER_LOG_FORMAT", "text")
			e.Setenv("XDG_STATE_HOME", filepath.Join(e.WorkDir, ".state"))
			e.Setenv("LOCAL_STORE", "file://"+filepath.Join(e.WorkDir, ".runner/artifacts"))
			e.Setenv("ARTIFACT_BUCKET", e.Getenv("LOCAL_STORE"))
			e.Setenv("TMPDIR", filepath.Join(e.WorkDir, ".tmp"))
			e.Setenv("MONOREPO_TOOLS", monorepoTools())
			e.Values["started"] = map[string]*started{}
			return nil
		},
		Condition: func(name string) (bool, error) {
			switch name {
			case "root":
				return os.Getuid() == 0, nil
			case "memory-cgroup":
				return memoryCgroup() != "", nil
			}
			return false, fmt.Errorf("unknown condition %s", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":        cmdExits,
			"start":        cmdStart,
			"unread":       cmdUnread,
			"attach":       cmdAttach,
			"press":        cmdPress,
			"signal":       cmdSignal,
			"ends":         cmdEnds,
			"until":        cmdUntil,
			"record":       cmdRecord,
			"stored":       cmdStored,
			"nothing":      cmdNothing,
			"tmpfs":        cmdTmpfs,
			"limit":        cmdLimit,
			"aws":          cmdAWS,
			"secret":       cmdSecret,
			"leaks":        cmdLeaks,
			"tags":         cmdTags,
			"fake":         cmdFake,
			"cluster":      cmdCluster,
			"emptyaccount": cmdEmptyAccount,
			"webhookzip":   cmdWebhookZip,
			"stackversion": cmdStackVersion,
			"kms":          cmdKMS,

			"collector": cmdCollector,
			"span":      cmdSpan,
			"resource":  cmdResource,

			"slack":    cmdSlack,
			"github":   cmdGitHub,
			"bot":      cmdBot,
			"botfails": cmdBotFails,
			"comments": cmdComments,
			"hooks":    cmdHooks,
			"forget":   cmdForget,
			"posts":    cmdPosts,
			"last":     cmdLast,
			"behave":   cmdBehave,
			"received": cmdReceived,
			"requests": cmdRequests,
			"follow":   cmdFollow,
			"signed":   cmdSigned(t),
			"says":     cmdSays,
		},
	})
}

// exits CODE program args...: runs a program and checks its exit code.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code program [args...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	checkCode(ts, args[0], err)
}

func checkCode(ts *testscript.TestScript, want string, err error) {
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != want {
		ts.Fatalf("exit code is %d (%v), want %s", code, err, want)
	}
}

// started is a program in the background.
type started struct {
	cmd      *exec.Cmd
	done     chan error
	keyboard *os.File // of its terminal, if it has one
}

// start NAME program args...: starts a program; its output goes to NAME.out.
func cmdStart(ts *testscript.TestScript, _ bool, args []string) {
	out, err := os.Create(ts.MkAbs(args[0] + ".out"))
	ts.Check(err)
	startProgram(ts, args, func(cmd *exec.Cmd) { cmd.Stdout, cmd.Stderr = out, out }, func() {})
	out.Close()
}

// startProgram starts a program with some variables of the script. The program counts as ended when drain has returned.
func startProgram(ts *testscript.TestScript, args []string, connect func(*exec.Cmd), drain func()) *started {
	name := args[0]
	path := args[1]
	if !strings.Contains(path, "/") {
		for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
			if _, err := os.Stat(filepath.Join(dir, path)); err == nil {
				path = filepath.Join(dir, path)
				break
			}
		}
	}
	s := &started{cmd: exec.Command(path, args[2:]...), done: make(chan error, 1)}
	s.cmd.Dir = ts.MkAbs(".")
	connect(s.cmd)
	for _, v := range []string{
		"PATH", "HOME", "TMPDIR", "GORACE", "ARTIFACT_BUCKET", "XDG_STATE_HOME", "BRANCH", "GIT_SHA", "RUNNER_LOG_FORMAT", "NO_COLOR", "WORK",
		"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_CLOUDFORMATION", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
		"RUNNER_CLUSTER_STACK", "RUNNER_TASK_POLL", "GITHUB_STEP_SUMMARY",
		"SLACK_WEBHOOK_URL", "GITHUB_TOKEN", "GITHUB_REPOSITORY", "GITHUB_API_URL",
		"RUNNER_GITHUB_COMMENT",
	} {
		s.cmd.Env = append(s.cmd.Env, v+"="+ts.Getenv(v))
	}
	for _, v := range []string{
		"AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_EC2_METADATA_DISABLED", "AWS_ENDPOINT_URL_STS",
	} {
		if value := ts.Getenv(v); value != "" {
			s.cmd.Env = append(s.cmd.Env, v+"="+value)
		}
	}
	ts.Check(s.cmd.Start())
	go func() {
		err := s.cmd.Wait()
		drain()
		s.done <- err
	}()
	ts.Defer(func() {
		s.cmd.Process.Kill()
		for _, pid := range processesWith("WORK=" + ts.Getenv("WORK")) { // a container would end with the killed runner
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	background(ts)[name] = s
	return s
}

func background(ts *testscript.TestScript) map[string]*started {
	return ts.Value("started").(map[string]*started)
}

// signal TERM NAME: signals a program that was started; under unshare, the first process of the new namespace.
func cmdSignal(ts *testscript.TestScript, _ bool, args []string) {
	sig := map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL}[args[0]]
	s := background(ts)[args[1]]
	pid := s.cmd.Process.Pid
	if filepath.Base(s.cmd.Path) == "unshare" {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
		ts.Check(err)
		pid, err = strconv.Atoi(strings.Fields(string(children))[0])
		ts.Check(err)
	}
	ts.Check(syscall.Kill(pid, sig))
}

// ends CODE NAME: waits for a program that was started and checks its exit code.
func cmdEnds(ts *testscript.TestScript, _ bool, args []string) {
	select {
	case err := <-background(ts)[args[1]].done:
		checkCode(ts, args[0], err)
	case <-time.After(hangTimeout):
		ts.Fatalf("%s did not end", args[1])
	}
}

// until FILE TEXT: waits until the file contains the text.
func cmdUntil(ts *testscript.TestScript, _ bool, args []string) {
	for end := time.Now().Add(hangTimeout); ; time.Sleep(20 * time.Millisecond) {
		text, _ := os.ReadFile(ts.MkAbs(args[0]))
		if bytes.Contains(text, []byte(args[1])) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%s does not contain %q:\n%s", args[0], args[1], text)
		}
	}
}

// record STEP[@ENVIRONMENT] PATH VALUE: checks a field of the newest finished.json of a step. PATH is dotted; "#" is
// the length of a list; a VALUE after "~" is a part of the field.
func cmdRecord(ts *testscript.TestScript, neg bool, args []string) {
	folder := filepath.Join(".runner/artifacts/runs", testBranch, testSHA, args[0])
	matches, _ := filepath.Glob(ts.MkAbs(filepath.Join(folder, "*", "finished.json")))
	if len(matches) == 0 {
		ts.Fatalf("step %s has no record", args[0])
	}
	slices.Sort(matches) // run ids sort by time
	text, err := os.ReadFile(matches[len(matches)-1])
	ts.Check(err)
	var value any
	ts.Check(json.Unmarshal(text, &value))
	for part := range strings.SplitSeq(args[1], ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[part]
		case []any:
			if part == "#" {
				value = float64(len(v))
				continue
			}
			i, err := strconv.Atoi(part)
			if err != nil || i >= len(v) {
				ts.Fatalf("no %s in %s", args[1], text)
			}
			value = v[i]
		default:
			ts.Fatalf("no %s in %s", args[1], text)
		}
	}
	got := fmt.Sprint(value)
	want, part := strings.CutPrefix(args[2], "~")
	equal := got == want || part && strings.Contains(got, want)
	if equal == neg {
		ts.Fatalf("%s is %q\n%s", args[1], got, text)
	}
}

// stored GLOB...: each pattern matches an object in the store; with "!", none does.
func cmdStored(ts *testscript.TestScript, neg bool, args []string) {
	for _, pattern := range args {
		pattern = strings.ReplaceAll(pattern, "SHA", testSHA)
		matches, err := filepath.Glob(ts.MkAbs(filepath.Join(".runner/artifacts", pattern)))
		ts.Check(err)
		if (len(matches) > 0) == neg {
			ts.Fatalf("%s matches %v", pattern, matches)
		}
	}
}

// nothing WORD: no process of this transcript whose command line contains the word is left.
func cmdNothing(ts *testscript.TestScript, _ bool, args []string) {
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		found := ""
		files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, name := range files {
			line, _ := os.ReadFile(name)
			env, _ := os.ReadFile(filepath.Join(filepath.Dir(name), "environ"))
			own := "WORK=" + ts.Getenv("WORK") + "\x00"
			others := bytes.Contains(env, []byte("WORK=")) && !bytes.Contains(env, []byte(own))
			if bytes.Contains(line, []byte(args[0])) && !others {
				found += name + " " + string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})) + "\n"
			}
		}
		if found == "" {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("these processes are left:\n%s", found)
		}
	}
}

// tmpfs DIR SIZE: mounts a small file system, which a test can fill.
func cmdTmpfs(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o755))
	ts.Check(syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+args[1]))
	ts.Defer(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
}

// memoryCgroup returns a folder in which cgroups with a memory limit can be created, or "".
func memoryCgroup() string {
	for _, c := range []struct{ dir, limit string }{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
		{"/sys/fs/cgroup", "memory.max"},
	} {
		try := filepath.Join(c.dir, fmt.Sprintf("runner-probe-%d", os.Getpid()))
		if os.Mkdir(try, 0o755) != nil {
			continue
		}
		_, err := os.Stat(filepath.Join(try, c.limit))
		os.Remove(try)
		if err == nil {
			return c.dir
		}
	}
	return ""
}

// limit BYTES CODE program args...: runs a program under a memory limit and checks its exit code.
func cmdLimit(ts *testscript.TestScript, _ bool, args []string) {
	group := filepath.Join(memoryCgroup(), fmt.Sprintf("runner-test-%d-%d", os.Getpid(), time.Now().UnixNano()))
	ts.Check(os.Mkdir(group, 0o755))
	ts.Defer(func() { os.Remove(group) })
	written := false
	for _, file := range []string{"memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.max", "memory.swap.max"} {
		value := args[0]
		if file == "memory.swap.max" {
			value = "0"
		}
		if err := os.WriteFile(filepath.Join(group, file), []byte(value), 0o644); err == nil {
			written = true
		} else if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			ts.Fatalf("%v", err)
		}
	}
	if !written {
		ts.Fatalf("%s has no memory limit", group)
	}
	line := fmt.Sprintf(`echo $$ > %s/cgroup.procs && exec "$@"`, group)
	var err error
	for range 3 { // while a process dies slowly, the kernel may kill the runner too
		err = ts.Exec("sh", append([]string{"-c", line, "sh"}, args[2:]...)...)
		if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) ||
			exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			break
		}
		ts.Logf("the kernel killed the runner too, trying again")
	}
	checkCode(ts, args[1], err)
}
