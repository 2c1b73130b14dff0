package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/steps"
)

// The tests are a supervisor, too, as the runner is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == Command {
		signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
		if err := Serve(os.Stdin, os.Stdout, os.Stderr); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// newSet prepares services that log into the test.
func newSet(t *testing.T, change func(*Setting), services ...steps.Service) (*Set, error) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", t.TempDir())
	s := Setting{
		Services: services, Program: program, RunID: "01run", Directory: t.TempDir(), Grace: 5 * time.Second,
		Variables: map[string]string{"PATH": os.Getenv("PATH"), "RUN_ID": "01run", "PASSWORD_OF_STEP": "secret"},
		Log:       slog.New(slog.NewTextHandler(t.Output(), nil)),
		Output:    func(_ string, shown io.Writer) io.WriteCloser { return nopCloser{io.MultiWriter(shown, t.Output())} },
	}
	if change != nil {
		change(&s)
	}
	set, err := New(s)
	if set != nil {
		t.Cleanup(func() { set.Stop(t.Context()) })
	}
	return set, err
}

func shell(line string) steps.Command { return steps.Command{Line: line} }

func within(d time.Duration) steps.Ready { return steps.Ready{Timeout: d} }

func TestStopEndsAServiceThatIsBeingSetUp(t *testing.T) {
	one := steps.Service{Name: "db", Setup: shell("echo in setup; sleep 1000"), Command: shell("true"), Ready: within(time.Minute)}
	set, err := newSet(t, nil, one)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- set.Start(ctx) }()
	for len(set.Record()[0].Lines) == 0 {
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Start returns %v", err)
	}
	set.Stop(t.Context())
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "runner-db-*")); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
	if set.Err() != nil {
		t.Errorf("a service that was stopped has failed: %v", set.Err())
	}
}

func TestACommandGetsTheVariablesOfTheStepAndItsOwn(t *testing.T) {
	set, err := newSet(t, nil, steps.Service{
		Name: "a-b", Command: shell(`echo "$PASSWORD_OF_STEP $URL $COST run:$RUN_ID $SERVICE_NAME"; exec sleep 1000`),
		Environment: map[string]string{"URL": "http://$SERVICE_A_B_HOST:${SERVICE_PORT}/", "COST": "$$5"},
		Ready:       steps.Ready{Log: regexp.MustCompile("secret"), Timeout: time.Minute},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := set.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := "secret http://127.0.0.1:" + set.Variables()["SERVICE_A_B_PORT"] + "/ $5 run: a-b"
	if got := set.Record()[0].Lines[0]; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// The runner is gone without a word: the supervisor hears the end of its input.
func TestASupervisorEndsItsServiceWhenTheRunnerIsGone(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := start(program, request{
		Args: []string{"sh", "-c", "sleep 1000 & echo $! > pid; wait"},
		Env:  []string{"PATH=" + os.Getenv("PATH"), "RUNNER_SERVICE=x"}, Marker: "RUNNER_SERVICE=x", Dir: data,
		Grace: time.Second, Data: data,
		Remove: []string{"/bin/sh", "-c", `echo "$SAID" > "$0"`, data + ".removed"}, RemoveEnv: []string{"SAID=removed", "PATH=" + os.Getenv("PATH")},
	}, nopCloser{io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	<-s.started
	for !exists(filepath.Join(data, "pid")) {
		time.Sleep(10 * time.Millisecond)
	}
	if err := s.input.Close(); err != nil {
		t.Fatal(err)
	}
	<-s.ended
	if exists(data) {
		t.Error("its folder is left")
	}
	if text, _ := os.ReadFile(data + ".removed"); string(text) != "removed\n" {
		t.Errorf("what it left was not removed: %q", text)
	}
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// engineScript stands for podman: it keeps a record of what it is asked for, and a server for the container.
const engineScript = `#!/bin/sh
echo "$*" >> "$HOME/asked"
case "$1 $2" in
"image inspect")
  test -e "$HOME/pulled" || { echo "no such image" >&2; exit 125; }
  echo '{"9999/udp":{},"6379/tcp":{},"16379/tcp":{}}' ;;
"pull --quiet")
  case "$3" in *nowhere*) echo trying >&2; echo "Error: no such registry" >&2; exit 125 ;; esac
  touch "$HOME/pulled" ;;
"ps --all")
  echo runner-4194303-01old-db; echo runner-1-01live-db; echo someone-else ;;
"run --rm")
  env | grep -E 'PASSWORD|^URL' | sort > "$HOME/env"
  while [ "$1" != --publish ]; do shift; done
  port=${2#*:}; port=${port%:*}
  cd "$HOME" && exec python3 -m http.server -b 127.0.0.1 "$port" ;;
esac
`

func fakeEngine(t *testing.T) (s *Setting, home string) {
	t.Helper()
	home = t.TempDir()
	path := filepath.Join(home, "podman")
	if err := os.WriteFile(path, []byte(engineScript), 0o755); err != nil {
		t.Fatal(err)
	}
	return &Setting{Engine: path, Variables: map[string]string{
		"HOME": home, "PATH": os.Getenv("PATH"), "PASSWORD_OF_STEP": "secret", "DOCKER_HOST": "here",
	}}, home
}

func TestAContainerIsRunByTheEngine(t *testing.T) {
	fake, home := fakeEngine(t)
	set, err := newSet(t, func(s *Setting) { s.Engine, s.Variables = fake.Engine, fake.Variables }, steps.Service{
		Name: "db", Image: "redis:7", Ready: within(time.Minute),
		Environment: map[string]string{"DB_PASSWORD": "$PASSWORD_OF_STEP", "URL": "port $SERVICE_PORT"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := set.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	port := set.Variables()["SERVICE_DB_PORT"]
	set.Stop(t.Context())
	asked, _ := os.ReadFile(filepath.Join(home, "asked"))
	name := fmt.Sprintf("runner-%d-01run-db", os.Getpid())
	for _, want := range []string{
		"pull --quiet redis:7\n",
		"run --rm --name " + name + " --label carlin-cicd.runner=" + owner() + " --publish 127.0.0.1:" + port +
			":6379 --env DB_PASSWORD --env URL redis:7\n",
		"rm --force --ignore --volumes --time 0 " + name + "\n",
		"rm --force --ignore --volumes --time 0 runner-4194303-01old-db\n",
	} {
		if !strings.Contains(string(asked), want) {
			t.Errorf("the engine was not asked: %s\n%s", want, asked)
		}
	}
	if strings.Contains(string(asked), "secret") || strings.Contains(string(asked), "rm --force --ignore --volumes --time 0 runner-1-") {
		t.Errorf("the engine was asked:\n%s", asked)
	}
	if env, _ := os.ReadFile(filepath.Join(home, "env")); string(env) != "DB_PASSWORD=secret\nURL=port "+port+"\n" {
		t.Errorf("the container has the variables\n%s", env)
	}
	if got := set.Record()[0]; got.Kind != record.ServiceContainer || got.Ready == 0 || got.Image != "redis:7" {
		t.Errorf("%+v", got)
	}
}

// A URL of a container names its port inside, as port: does. It is asked for where that is published.
func TestAURLOfAContainerNamesThePortInside(t *testing.T) {
	fake, home := fakeEngine(t)
	set, err := newSet(t, func(s *Setting) { s.Engine, s.Variables = fake.Engine, fake.Variables }, steps.Service{
		Name: "web", Image: "redis:7", Ready: steps.Ready{HTTP: "http://localhost:8080/asked", Timeout: 20 * time.Second},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := set.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := "--publish 127.0.0.1:" + set.Variables()["SERVICE_WEB_PORT"] + ":8080 "
	if asked, _ := os.ReadFile(filepath.Join(home, "asked")); !strings.Contains(string(asked), want) {
		t.Errorf("the engine was not asked: %s\n%s", want, asked)
	}
}

func TestAnImageThatCannotBePulledIsNamed(t *testing.T) {
	fake, _ := fakeEngine(t)
	set, err := newSet(t, func(s *Setting) { s.Engine, s.Variables = fake.Engine, fake.Variables },
		steps.Service{Name: "db", Image: "nowhere/redis:7", Ready: within(time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	err = set.Start(t.Context())
	const want = "service db cannot have the image nowhere/redis:7: Error: no such registry"
	if err == nil || err.Error() != want || !strings.Contains(hint(err), "podman is logged in") {
		t.Errorf("got %v (%s)\nwant %s", err, hint(err), want)
	}
}

func TestWithoutAnEngineTheRefusalSaysWhatToDo(t *testing.T) {
	_, err := newSet(t, func(s *Setting) { s.Sidecars = []Sidecar{{"cache", "redis:7", 6379}} },
		steps.Service{Name: "db", Image: "postgres:17"})
	if err == nil || err.Error() != "service db needs a container of postgres:17, and there is neither podman nor docker on "+
		"PATH; the task has cache (redis:7)" || !strings.Contains(hint(err), "add db=postgres:17:PORT to TestServices") {
		t.Errorf("%v (%s)", err, hint(err))
	}
}

func TestASidecarIsWaitedForAtItsPort(t *testing.T) {
	port, home := startServer(t)
	set, err := newSet(t, func(s *Setting) { s.Sidecars = []Sidecar{{"postgres", "mirror/library/postgres:17", port}} },
		steps.Service{Name: "db", Image: "postgres:17", Ready: steps.Ready{Port: "5432", Log: nil, Timeout: time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	if err := set.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := set.Variables()["SERVICE_DB_PORT"]; got != fmt.Sprint(port) {
		t.Errorf("its port is %s, want %d", got, port)
	}
	set.Stop(t.Context())
	if got := set.Record()[0]; got.Kind != record.ServiceSidecar || got.Error != "" || !exists(home) {
		t.Errorf("%+v", got)
	}
}

// Zero seconds are for what was never ready.
func TestASidecarThatListensAlreadyIsReady(t *testing.T) {
	server, err := net.Listen("tcp", Host+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	port := server.Addr().(*net.TCPAddr).Port
	set, err := newSet(t, func(s *Setting) { s.Sidecars = []Sidecar{{"postgres", "postgres:17", port}} },
		steps.Service{Name: "db", Image: "postgres:17", Ready: steps.Ready{Port: "5432", Timeout: time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	if err := set.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	set.Stop(t.Context())
	if got := set.Record()[0]; got.Ready == 0 {
		t.Errorf("%+v", got)
	}
}

// startServer starts a server on a free port, as a container of the task would be one.
func startServer(t *testing.T) (port int, dir string) {
	t.Helper()
	s := Set{}
	port, err := s.freePort()
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	cmd := exec.CommandContext(t.Context(), "python3", "-m", "http.server", "-b", Host, fmt.Sprint(port))
	cmd.Dir = dir
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() })
	return port, dir
}

func TestSidecarsAreRead(t *testing.T) {
	for text, want := range map[string][]Sidecar{
		"":                                   nil,
		" , ":                                nil,
		"pg=postgres:17:5432":                {{"pg", "postgres:17", 5432}},
		"pg=postgres:5432":                   {{"pg", "postgres", 5432}},
		"a=b:1, c=r.io:5000/d@sha256:0a:80,": {{"a", "b", 1}, {"c", "r.io:5000/d@sha256:0a", 80}},
	} {
		if got, err := ParseSidecars(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v %v", text, got, err)
		}
	}
	for _, text := range []string{"postgres:17:5432", "pg=postgres", "pg=:1", "=a:1", "pg=a:0", "pg=a:65536", "pg=a:http"} {
		if got, err := ParseSidecars(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestTheEndOfAnOutputIsKept(t *testing.T) {
	l := newLines(regexp.MustCompile("^line 3$"))
	for i := range maxLines + 5 {
		for _, b := range fmt.Appendf(nil, "\x1b[31mline %d\x1b[0m\r\n", i) {
			if _, err := l.Write([]byte{b}); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, _ = l.Write([]byte(strings.Repeat("é", maxLineLength) + "\n\n \nno newline"))
	select {
	case <-l.found:
	default:
		t.Error("line 3 was not found")
	}
	all, dropped := l.shown()
	if dropped != 8 || all[0] != "line 8" || all[len(all)-1] != "no newline" {
		t.Errorf("dropped %d, from %q to %q", dropped, all[0], all[len(all)-1])
	}
	last := l.last()
	if len(last) != lastOfError || last[lastOfError-1] != "no newline" || !strings.HasSuffix(last[lastOfError-2], "é…") {
		t.Errorf("%q", last)
	}
}
