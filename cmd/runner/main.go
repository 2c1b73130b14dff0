// Command runner runs one step of a pipeline: as the ENTRYPOINT of a task on AWS Fargate, or on a laptop.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/term"
)

func main() {
	os.Exit(run())
}

// run is main without the exit, so that whatever is deferred is done.
func run() int {
	// SIGPIPE is caught rather than ignored: a reader of our log that goes away must not end the run,
	// and what is ignored here would stay ignored in every command that is started.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE)
	defer signal.Stop(signals)
	// Beside somebody's build every megabyte counts: what goes beyond this is what there is to hold, not what was
	// held before. GOMEMLIMIT says otherwise.
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(36 << 20)
	}
	c := console{
		args: os.Args[1:], environ: os.Environ(), stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, signals: signals, started: time.Now(),
		terminal: term.IsTerminal(int(os.Stdout.Fd())),
	}
	return c.route(context.Background())
}

// frugal has the collector leave less garbage beside somebody's command. Before, there are milliseconds to lose. GOGC says
// otherwise.
func frugal() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(20)
	}
}
