package main

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/carlin-cicd/runner/runner/logs"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/remote"
	"github.com/carlin-cicd/runner/runner/runs"
	"github.com/carlin-cicd/runner/runner/terminal"
)

var (
	sourceFlag = flagSpec{"source", "RUNNER_SOURCE", "NAME", "only lines of the command, of the runner, or of service/NAME"}
	errorsFlag = flagSpec{"errors", "RUNNER_ERRORS", "", "only errors, and lines of the command that look like one"}
)

func newLogsCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "logs [RUN]",
		GroupID: groupLook,
		Short:   "show the log of a run",
		Long: "runner logs shows the log of a run, by default of the latest. The log of a run that is running is\n" +
			"followed on the cluster, by CloudWatch; on a laptop it is shown when the run has ended.\n" + runArgument,
		Example: "runner logs latest-failed --errors\nrunner logs 01kb2w --source command\nrunner logs --follow",
		Args:    arguments(0, "RUN"),
		RunE:    o.withStore(artifactStore.logs),
		Annotations: map[string]string{
			helpFooter: "Exit codes: 1 run or log not found, or the store failed; 125 bad input.\n",
		},
	}
	declare(cmd, followFlag.describe("until the run ends"), sourceFlag, errorsFlag)
	declare(cmd, logFormatFlag.describe("text or json (default text)"))
	declare(cmd, runFilters...)
	declare(cmd, storeFlag, clusterFlag)
	declare(cmd, checkoutFlags...)
	return cmd
}

// logFilter selects lines of a log.
type logFilter struct {
	source string // "command", "runner", "service/NAME" or "" for all
	errors bool
}

func (s artifactStore) logFilter() (f logFilter, err error) {
	f.source = s.variables[sourceFlag.variable]
	if f.source != "" && f.source != "command" && f.source != "runner" && !strings.HasPrefix(f.source, "service/") {
		return f, &usageError{fmt.Sprintf("RUNNER_SOURCE cannot be %q", f.source), "write command, runner or service/NAME"}
	}
	f.errors, err = boolean(s.variables, errorsFlag.variable)
	return f, err
}

// looksWrong matches lines of a command that tell of an error.
var looksWrong = regexp.MustCompile(
	`(?i)\b(error|errors|fatal|panic|exception|failed|failure|fail|cannot|denied|not found|traceback|killed)\b|[✗✕✖×]`,
)

// accepts reports whether a line is to be shown. A line that is no record is one of the command.
func (f logFilter) accepts(text string) bool {
	var line struct {
		Level, Msg, Source string
	}
	if json.Unmarshal([]byte(text), &line) != nil {
		line.Source, line.Msg = "command", text
	}
	switch {
	case f.source == "runner" && line.Source != "", f.source != "" && f.source != "runner" && f.source != line.Source:
		return false
	case !f.errors:
		return true
	case line.Source != "":
		return looksWrong.MatchString(line.Msg)
	}
	return line.Level == "ERROR" || line.Level == "WARN"
}

// logs is runner logs.
func (s artifactStore) logs(ctx context.Context, args []string) error {
	format, err := logs.ParseFormat(cmp.Or(s.variables[logFormatFlag.variable], "text"), s.terminal)
	if err != nil {
		return outcome.Refused(err)
	}
	filter, err := s.logFilter()
	if err != nil {
		return err
	}
	follow, err := boolean(s.variables, followFlag.variable)
	if err != nil {
		return err
	}
	e, err := s.findRun(ctx, argument(args, 0))
	if err != nil {
		return err
	}
	view := remote.NewView(s.stdout, format, s.color(s.variables))
	defer view.Close()
	if follow && e.StateAt(time.Now()) == record.Running {
		if e.Task != "" {
			if followed, err := s.followTask(ctx, e, filtered{view, filter}); followed {
				return err
			}
		}
		if e, err = s.awaitEnd(ctx, e); err != nil {
			return err
		}
	}
	return s.storedLog(ctx, e, filtered{view, filter})
}

// filtered is a view that leaves lines out.
type filtered struct {
	*remote.View
	filter logFilter
}

// Line implements remote.Viewer.
func (f filtered) Line(text string) (last bool) {
	if f.filter.accepts(text) || strings.Contains(text, `"_aws"`) { // the metrics are the last line of a run
		return f.View.Line(text)
	}
	return false
}

// followTask shows the log of a task from CloudWatch. Followed is false if the task is not on the cluster that the
// variables name.
func (s artifactStore) followTask(ctx context.Context, e record.Entry, view remote.Viewer) (followed bool, err error) {
	client, err := newClusterClient(ctx, s.variables)
	if err == nil {
		var task remote.Task
		if task, err = client.FindTask(ctx, e.Task); err == nil {
			_, err = client.Follow(ctx, task, nil, view)
			return true, err
		}
	}
	s.note("runner: the task %s cannot be followed: %v", terminal.Escape(e.Task), err)
	return false, nil
}

// awaitEnd waits until the index says that a run has ended.
func (s artifactStore) awaitEnd(ctx context.Context, e record.Entry) (record.Entry, error) {
	const poll = 2 * time.Second
	store, err := s.index()
	if err != nil {
		return e, err
	}
	s.note("runner: run %s is running; its log is stored when it ends", terminal.Escape(e.RunID))
	for e.StateAt(time.Now()) == record.Running {
		if err := sleep(ctx, poll); err != nil {
			return e, err
		}
		found, err := runs.Find(ctx, store, runs.Folders(e.Branch), e.RunID)
		if err != nil {
			return e, err
		}
		if len(found) > 0 {
			e = found[0]
		}
	}
	return e, nil
}

// storedLog shows the log that a run has stored.
func (s artifactStore) storedLog(ctx context.Context, e record.Entry, view filtered) error {
	key := runs.Key(e) + "/log.jsonl.gz"
	stored, err := s.store.Get(ctx, key)
	switch {
	case errors.Is(err, fs.ErrNotExist) && e.StateAt(time.Now()) == record.Running:
		return &noLogError{"run " + e.RunID + " is running, and its log is stored when it ends", "runner logs " + e.RunID + " --follow waits for it"}
	case errors.Is(err, fs.ErrNotExist):
		return &noLogError{"run " + e.RunID + " has no log in " + s.place, "runner runs show " + e.RunID + " shows what is known of it"}
	case err != nil:
		return err
	}
	defer stored.Close()
	z, err := gzip.NewReader(stored)
	if err != nil {
		return fmt.Errorf("the log %s cannot be read: %w", s.locate(key), err)
	}
	lines := bufio.NewReaderSize(z, 64<<10)
	for {
		text, err := lines.ReadString('\n')
		if text = strings.TrimRight(text, "\r\n"); text != "" && view.filter.accepts(text) {
			view.View.Line(text)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the log %s cannot be read: %w", s.locate(key), err)
		}
	}
}

// noLogError says that there is no log.
type noLogError struct{ message, hint string }

func (e *noLogError) Error() string { return e.message }

// Hint says what to do instead.
func (e *noLogError) Hint() string { return e.hint }
