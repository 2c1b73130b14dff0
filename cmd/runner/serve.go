package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/overview"
	"github.com/carlin-cicd/runner/runner/runs"
	"github.com/carlin-cicd/runner/runner/serve"
)

var (
	portFlag  = flagSpec{"port", "RUNNER_PORT", "NUMBER", "the port (default a free one)"}
	openFlag  = flagSpec{"open", "RUNNER_OPEN", "", "open it in the browser"}
	indexFlag = flagSpec{"index", "RUNNER_INDEX", "", "the page of all runs, or of those of a --branch"}
)

func newServeCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "serve",
		GroupID: groupLook,
		Short:   "show all runs, reports and artifacts in a browser",
		Long: "runner serve shows the store in a browser of this machine until Ctrl-C: the pages of all runs, reports,\n" +
			"logs and artifacts, from a folder or from a bucket, with your credentials. It only reads, and answers\n" +
			"this machine only.",
		Example: "runner serve --open\nrunner serve --port 8080 --artifact-bucket my-bucket",
		Args:    arguments(0),
		RunE:    o.withStore(artifactStore.serve),
	}
	declare(cmd, portFlag, openFlag)
	declare(cmd, branchFlag.describe("begin with the page of this branch (default that of the repository)"), storeFlag)
	declare(cmd, checkoutFlags...)
	return cmd
}

// serve is runner serve.
func (s artifactStore) serve(ctx context.Context, _ []string) error {
	if _, err := s.folders(); err != nil {
		return err
	}
	open, err := boolean(s.variables, openFlag.variable)
	if err != nil {
		return err
	}
	return s.serveFrom(ctx, overview.Key(s.config.Branch), open)
}

// servedStore is the store as it is served.
type servedStore struct {
	artifacts.Store
	artifacts.Swapper
}

// serveFrom serves the store, beginning with a key, until ctx ends.
func (s artifactStore) serveFrom(ctx context.Context, key string, open bool) error {
	store, err := s.index()
	if err != nil {
		return err
	}
	port, err := s.port()
	if err != nil {
		return err
	}
	server, err := serve.Listen(servedStore{s.store, store}, s.repository(), port)
	if errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EACCES) {
		return &usageError{fmt.Sprintf("port %d cannot be used: %v", port, err), "name another --port, or leave it out for a free one"}
	}
	if err != nil {
		return err
	}
	if err := s.print("%s\n", server.URL(key)); err != nil {
		return err
	}
	s.note("runner: showing %s until Ctrl-C", s.place)
	if open {
		s.browse(ctx, server.URL(key))
	}
	return server.Run(ctx)
}

func (s artifactStore) port() (int, error) {
	text := s.variables[portFlag.variable]
	if text == "" {
		return 0, nil
	}
	port, err := strconv.Atoi(text)
	if err != nil || port < 0 || port > 65535 {
		return 0, &usageError{fmt.Sprintf("RUNNER_PORT cannot be %q", text), "write a number up to 65535"}
	}
	return port, nil
}

// repository is what the pages say of the repository.
func (s artifactStore) repository() overview.Repository {
	r := overview.Repository{Name: s.config.GitHubName}
	if r.Name != "" {
		r.URL = "https://github.com/" + r.Name
	}
	return r
}

// browse opens an address in the browser, or says that it cannot.
func (s artifactStore) browse(ctx context.Context, address string) {
	program, args := s.browser()
	cmd := exec.CommandContext(ctx, program, append(args, address)...)
	err := cmd.Start()
	if err == nil {
		go func() { _ = cmd.Wait() }() // some openers live as long as the browser
		return
	}
	s.note("runner: no browser can be opened (%v): open the address above", err)
}

// browser is what opens an address on this system.
func (s artifactStore) browser() (program string, args []string) {
	switch {
	case s.variables["BROWSER"] != "":
		return s.variables["BROWSER"], nil
	case runtime.GOOS == "darwin":
		return "open", nil
	case runtime.GOOS == "windows":
		return "rundll32", []string{"url.dll,FileProtocolHandler"}
	}
	return "xdg-open", nil
}

func newReportCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "report [RUN]",
		GroupID: groupLook,
		Short:   "print the address of a run's report, or open it",
		Long: "runner report prints the address of a run's report: a file, or a link to the object in the bucket that\n" +
			"is valid for an hour, for everyone who has it. Such a link opens the page alone. With --open the report is\n" +
			"opened in the browser, from a bucket by way of runner serve, so that the links on it work, too.\n" + runArgument,
		Example: "runner report latest-failed --open\nrunner report 01kb2w\nrunner report --index --branch main --open",
		Args:    arguments(0, "RUN"),
		RunE:    o.withStore(artifactStore.report),
	}
	declare(cmd, openFlag, indexFlag, portFlag.describe("the port of --open for a bucket (default a free one)"))
	declare(cmd, runFilters...)
	declare(cmd, storeFlag)
	declare(cmd, checkoutFlags...)
	return cmd
}

// report is runner report.
func (s artifactStore) report(ctx context.Context, args []string) error {
	key, err := s.reportKey(ctx, args)
	if err != nil {
		return err
	}
	open, err := boolean(s.variables, openFlag.variable)
	if err != nil {
		return err
	}
	signer, inBucket := s.store.(interface {
		Presign(ctx context.Context, key string, validFor time.Duration) (link string, until time.Time, err error)
	})
	switch {
	case open && inBucket:
		return s.serveFrom(ctx, key, true)
	case inBucket:
		link, until, err := signer.Presign(ctx, key, time.Hour)
		if err != nil {
			return err
		}
		s.note("runner: valid until %s, for this page alone; --open shows those it links to as well", until.UTC().Format(time.RFC3339))
		return s.print("%s\n", link)
	}
	name := s.locate(key)
	if _, err := os.Stat(name); err != nil {
		return &noRunError{fmt.Sprintf("there is no %s yet: the run is running, was lost, or is too old", name)}
	}
	name, err = filepath.Abs(name)
	if err != nil {
		return err
	}
	address := (&url.URL{Scheme: "file", Path: filepath.ToSlash(name)}).String()
	if err := s.print("%s\n", address); err != nil {
		return err
	}
	if open {
		s.browse(context.WithoutCancel(ctx), address)
	}
	return nil
}

// reportKey returns the key of the page that is meant.
func (s artifactStore) reportKey(ctx context.Context, args []string) (string, error) {
	index, err := boolean(s.variables, indexFlag.variable)
	if err != nil {
		return "", err
	}
	if !index {
		e, err := s.findRun(ctx, argument(args, 0))
		return runs.Key(e) + "/report.html", err
	}
	if len(args) > 0 {
		return "", &usageError{"--index is the page of many runs, not of " + args[0], "leave out one of them"}
	}
	if b := s.config.Branch; b != "" {
		if err := keys.CheckBranch(b); err != nil {
			return "", err
		}
	}
	return overview.Key(s.config.Branch), nil
}
