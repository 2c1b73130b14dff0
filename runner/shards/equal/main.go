// Command equal runs the tests of projects once as they are and once divided, and says whether the merged run has the same
// tests, outcomes and coverage: go run ./runner/shards/equal --runner bin/runner DIR...
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/carlin-cicd/runner/runner/workcopy"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "equal:", err)
		os.Exit(1)
	}
}

// settings is how projects are run.
type settings struct {
	runner string
	shards int
	keep   string // a folder that the stores are kept in; "" for none
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var s settings
	flags := pflag.NewFlagSet("equal", pflag.ContinueOnError)
	flags.StringVar(&s.runner, "runner", "bin/runner", "the runner's binary")
	flags.IntVar(&s.shards, "shards", 3, "how many shards")
	flags.StringVar(&s.keep, "keep", "", "a folder to keep the records in")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return fmt.Errorf("name the folders of projects, with their dependencies installed")
	}
	var err error
	if s.runner, err = filepath.Abs(s.runner); err != nil {
		return err
	}
	fmt.Fprintln(stdout, "| project | tests | failed | skipped | covered lines | branches | shards: slowest / whole | the same |")
	fmt.Fprintln(stdout, "|---|---|---|---|---|---|---|---|")
	different := 0
	for _, dir := range flags.Args() {
		differences, err := s.project(ctx, dir, stdout, stderr)
		if err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
		for _, d := range differences {
			fmt.Fprintf(stderr, "%s: %s\n", filepath.Base(dir), d)
		}
		different += len(differences)
	}
	if different > 0 {
		return fmt.Errorf("merged runs differ from whole ones")
	}
	return nil
}

// project runs the tests of a project both ways and prints a row.
func (s settings) project(ctx context.Context, dir string, stdout, stderr io.Writer) (differences []string, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	scratch := s.keep
	if scratch == "" {
		if scratch, err = os.MkdirTemp("", "runner-equal-*"); err != nil {
			return nil, err
		}
		defer os.RemoveAll(scratch)
	}
	scratch = filepath.Join(scratch, filepath.Base(dir))
	config, err := writeConfig(dir, scratch)
	if err != nil {
		return nil, err
	}
	copies, err := workcopy.NewCopies(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = copies.Remove() }() // they are in the temporary folder
	whole, err := copies.Add(ctx, "whole")
	if err != nil {
		return nil, err
	}
	sha := commitOf(ctx, dir)
	one, err := s.result(ctx, stderr, sha, whole, config, filepath.Join(scratch, "whole"))
	if err != nil {
		return nil, err
	}
	merged, err := s.result(ctx, stderr, sha, dir, config, filepath.Join(scratch, "merged"), "--parallel", fmt.Sprint(s.shards))
	if err != nil {
		return nil, err
	}
	differences = one.compare(merged)
	verdict := "yes"
	if len(differences) > 0 {
		verdict = "no: " + differences[0]
	}
	fmt.Fprintf(stdout, "| %s | %d | %d | %d | %d of %d | %d of %d | %.0f s / %.0f s | %s |\n", filepath.Base(dir),
		merged.Tests.Total, merged.Tests.Failed+merged.Tests.Errored, merged.Tests.Skipped,
		merged.Coverage.Lines.Covered, merged.Coverage.Lines.Total, merged.Coverage.Branches.Covered, merged.Coverage.Branches.Total,
		merged.slowest(), one.Seconds, verdict)
	return differences, nil
}

// result runs the tests in a folder and reads what the runner has stored of them.
func (s settings) result(ctx context.Context, stderr io.Writer, sha, dir, config, store string, more ...string) (result, error) {
	if err := os.RemoveAll(store); err != nil {
		return result{}, err
	}
	cmd := exec.CommandContext(ctx, s.runner, append([]string{"test"}, more...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "BRANCH="+branch, "RUNNER_LOG_FORMAT=text", "GIT_SHA="+sha, "ARTIFACT_BUCKET=file://"+store, "RUNNER_WORKSPACE="+dir)
	if config != "" {
		cmd.Env = append(cmd.Env, "RUNNER_CONFIG="+config)
	}
	output, err := cmd.CombinedOutput() // a failed test is a result, too
	r, readErr := readResult(store, sha, dir)
	if readErr != nil {
		lines := strings.Split(strings.TrimSpace(string(output)), "\n")
		fmt.Fprintln(stderr, strings.Join(lines[max(len(lines)-40, 0):], "\n"))
		return r, fmt.Errorf("%w (%w)", readErr, err)
	}
	return r, nil
}
