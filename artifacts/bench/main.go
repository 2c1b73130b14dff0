// Command bench measures how long it takes to upload a folder to S3: with our runner, with other tools, and with a
// minimal client. All of them talk to a server that stores next to nothing.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/carlin-cicd/runner/artifacts/bench/limit"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run is also every process that the benchmark starts of itself, named by the first argument.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case "serve":
			return serve(ctx, args[1:], stdout)
		case "limited":
			return limit.Run(args[1:])
		case "floor":
			return runFloor(ctx, args[1:])
		case "publish":
			return runPublish(ctx, args[1:])
		}
	}
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	return measure(ctx, o, stdout, stderr)
}

type options struct {
	rounds            int
	works, clients    []string
	settings          []string
	runner, directory string
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	f := pflag.NewFlagSet("bench", pflag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&o.rounds, "rounds", 5, "how often everything is done; what is printed is the median")
	f.StringSliceVar(&o.works, "works", workNames(), "what is done")
	of := "of " + strings.Join(clientNames(), ", ") + " (default: all that are installed)"
	f.StringSliceVar(&o.clients, "clients", nil, of)
	f.StringSliceVar(&o.settings, "settings", settingNames(), "under which circumstances")
	f.StringVar(&o.runner, "runner", "", "the runner's binary (default: artifacts.Publish in a process of its own)")
	f.StringVar(&o.directory, "directory", "", "where files are made, 1.7 GiB (default: /dev/shm or the system's)")
	if err := f.Parse(args); err != nil {
		return options{}, err
	}
	for _, check := range []struct {
		flag         string
		given, known []string
	}{
		{"works", o.works, workNames()}, {"clients", o.clients, clientNames()}, {"settings", o.settings, settingNames()},
	} {
		for _, name := range check.given {
			if !contains(check.known, name) {
				known := strings.Join(check.known, ", ")
				return options{}, fmt.Errorf("--%s: unknown %q, want one of %s", check.flag, name, known)
			}
		}
	}
	if o.rounds < 1 {
		return options{}, fmt.Errorf("--rounds has to be 1 or more")
	}
	return o, nil
}
