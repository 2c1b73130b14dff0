// Command runner runs one step of a pipeline: as the ENTRYPOINT of a task on AWS Fargate, or on a laptop.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/carlin-cicd/runner/runner/environment"
	"github.com/carlin-cicd/runner/runner/process"
)

func main() {
	os.Exit(run())
}

// run is main without the exit, so that deferred calls run.
func run() int {
	environ := ownEnvironment()
	// No command must read the tokens that the runner was started with. GODEBUG is in use already. An outer runner finds
	// its processes by RUN_ID. Where there is no /proc, there is nothing to protect.
	_ = process.Protect("GODEBUG", "RUN_ID")
	// SIGPIPE is caught rather than ignored: a reader of our log that goes away must not end the run,
	// and a signal that is ignored here would stay ignored in every command that is started.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE)
	defer signal.Stop(signals)
	// The runner shares the task's memory with the command, so the collector starts early. GOMEMLIMIT overrides it.
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	cobra.EnableCommandSorting = false // help lists commands in the order in which they are declared
	o := options{
		args: os.Args[1:], environ: environ, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		signals: signals, started: time.Now(), terminal: term.IsTerminal(int(os.Stdout.Fd())),
	}
	o.collection.start()
	return execute(context.Background(), &o)
}

// ownEnvironment returns the environment and replaces it, in the memory of the process, by a copy without the runner's
// own tokens: no library needs them, and programs that libraries start, as for AWS credentials, would inherit them.
func ownEnvironment() []string {
	environ := os.Environ()
	for i := range environ {
		environ[i] = strings.Clone(environ[i])
	}
	os.Clearenv()
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok && !environment.IsPrivate(name) {
			_ = os.Setenv(name, value) // fails for what has no name
		}
	}
	return environ
}

// execute runs the command that the arguments name and returns the exit code.
func execute(ctx context.Context, o *options) int {
	root := newRoot(o)
	root.SetArgs(o.args)
	var helpErr error
	if len(o.args) > 0 && strings.HasPrefix(o.args[0], cobra.ShellCompRequestCmd) {
		if err := completeFlags(root, o); err != nil {
			return o.exit(err)
		}
	}
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { helpErr = o.print("%s", o.renderHelp(cmd)) })
	err := root.ExecuteContext(ctx)
	if err == nil {
		err = helpErr
	}
	return o.exit(err)
}

// memoryLimit is what the collector keeps the runner in while a command shares the task's memory, roomyLimit while none
// does: bytes of the heap and of what the runtime itself needs.
const (
	memoryLimit = 36 << 20
	roomyLimit  = 52 << 20
)

// makeRoom lets the heap grow for a while. The list of a cache's files alone may need most of the usual limit, and the
// collector would do nothing but run. GOMEMLIMIT overrides it.
func makeRoom() (back func()) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	debug.SetMemoryLimit(roomyLimit)
	return func() {
		debug.SetMemoryLimit(memoryLimit)
		debug.FreeOSMemory()
	}
}

// collection says how often memory is collected. GOGC overrides it.
type collection struct {
	fixed  bool        // by GOGC
	frugal atomic.Bool // often
}

// start lets the heap grow to 12 MiB before the first collection: a run of a moment needs no more, and would spend a
// fifth of its CPU time on collections.
func (c *collection) start() {
	if c.fixed = os.Getenv("GOGC") != ""; c.fixed {
		return
	}
	usual := debug.SetGCPercent(300)
	runtime.AddCleanup(new([64]byte), func(percent int) { // after the first collection
		if !c.frugal.Load() {
			debug.SetGCPercent(percent)
		}
	}, usual)
}

// often makes it run more often while a command shares the task's memory, once that has lasted for a second.
func (c *collection) often() {
	if c.fixed || c.frugal.Load() {
		return
	}
	time.AfterFunc(time.Second, func() {
		if !c.frugal.Swap(true) {
			debug.SetGCPercent(20)
			debug.FreeOSMemory()
		}
	})
}
