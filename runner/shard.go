package runner

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/pipeline"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/runner/scratch"
	"github.com/carlin-cicd/runner/runner/shards"
	"github.com/carlin-cicd/runner/runner/verdict"
	"github.com/carlin-cicd/runner/steps"
	"github.com/carlin-cicd/runner/steps/history"
)

// A shard is a run of some of the step's tests:
//
//  1. It lists all tests, and takes its share by the times that all shards go by.
//  2. It runs them, and runs what failed again, as any run does. An empty share passes.
//  3. It keeps its record, its tests and its artifacts below <step>~shards/: no record of the step, no index of runs, no
//     history, no notification.
//  4. The last one to end merges: see merge.go.

// shard is the state of a run that is one; nil for any other.
type shard struct {
	shards.Index
	way      shards.Way
	packing  shards.Packing
	listed   int    // files
	times    string // digest
	idle     bool   // its share is empty
	sets     []string
	files    string // a folder for the list of its files; "" if it has none
	problem  error  // why the part was not stored
	isStored bool
}

// newShard returns the shard that the variables ask for.
func newShard(text string) *shard {
	index, ok := shards.ParseIndex(text)
	if !ok {
		return nil
	}
	return &shard{Index: index}
}

// place returns where the shards of the step keep what they have for each other.
func (r *run) place(of int) shards.Place {
	group := r.Config.ShardRun
	if group == "" {
		group = shards.DefaultGroup(of)
	}
	return shards.Place{Ref: r.Ref, Step: r.step.Name, Group: group, Of: of}
}

// chooseWay decides how the tests are divided.
func (r *run) chooseWay() (err error) {
	if r.shard == nil {
		return nil
	}
	if r.step.Lock != "" {
		return &outcome.ConfigError{
			Message: fmt.Sprintf("step %s changes an environment and cannot be divided", r.step.Name),
			Advice:  "run it without --shard (RUNNER_SHARD)",
		}
	}
	if info, err := os.Stat(r.directory()); err != nil || !info.IsDir() {
		return nil // execute says so
	}
	r.shard.way, err = shards.Of(r.step, r.directory())
	return err
}

// divide lists the tests and makes the command one that runs the share of this shard.
func (r *run) divide() error {
	if r.shard == nil {
		return nil
	}
	return r.phase("split", func() error {
		output, err := r.listTests()
		if err != nil {
			return err
		}
		units, err := r.shard.way.Parse(output, r.directory())
		if err != nil {
			return err
		}
		if allowed := r.step.AllowEmpty; len(units) == 0 && (allowed == nil || !*allowed) {
			return &outcome.ResultsError{
				Message: "the list of test files is empty",
				Advice:  "correct the command that lists them, or set allow_empty: true for the step",
			}
		}
		return r.takeShare(units)
	})
}

// maxList is how much a list may be, in bytes.
const maxList = 64 << 20

// listTests runs the command that lists the tests. Its stdout goes to a file, the rest to the log.
func (r *run) listTests() ([]byte, error) {
	dir, err := scratch.Dir("runner-list-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "list")
	list := r.shard.way.Split.List
	command := steps.Command{
		Args: append([]string{"sh", "-c", `exec "$@" >"$0"`, file}, list.Argv()...), Text: list.String(),
	}
	if _, err := r.supervise(command); err != nil {
		return nil, fmt.Errorf("the list of tests: %w", err)
	}
	text, err := readPlain(file, maxList+1)
	if err == nil && len(text) > maxList {
		err = fmt.Errorf("the list of tests is larger than %d bytes", maxList)
	}
	return text, err
}

// takeShare divides the tests and takes what is for this shard.
func (r *run) takeShare(units []shards.Unit) error {
	s := r.shard
	place := r.place(s.Of)
	times, err := r.sharedTimes(place)
	if err != nil {
		return outcome.ArtifactsError{Err: err}
	}
	s.packing, s.listed, s.times = shards.Pack(units, times, s.Of), len(shards.Names(units)), times.Digest()
	share := s.packing.Shares[s.Shard-1]
	names := shards.Names(share.Units)
	attributes := []any{
		"shard", s.String(), "files", len(names), "of", s.listed, "known", s.packing.Known, "unknown", s.packing.Unknown,
	}
	if s.packing.Known > 0 {
		attributes = append(attributes, "seconds", float64(share.Milliseconds)/1000)
	}
	r.Log.Info("share of the tests", attributes...)
	if s.packing.Beyond {
		r.Log.Info("more shards would not be faster: one file takes longer than an even share", "file", s.packing.Longest.Name)
	}
	if len(names) == 0 {
		s.idle = true
		r.Log.Info("nothing to run: there are more shards than files")
		return nil
	}
	r.Log.Info("files of the shard", "files", shortList(names))
	list := ""
	if s.way.Split.UsesList() {
		if list, err = r.writeFiles(names); err != nil {
			return err
		}
	}
	text := s.way.Split.Run.String()
	r.step.Command = s.way.Split.Fill(shards.Args(share.Units), list)
	r.step.Command.Text = text
	r.env.Variables["RUNNER_SHARD_INDEX"], r.env.Variables["RUNNER_SHARD_TOTAL"] = fmt.Sprint(s.Shard), fmt.Sprint(s.Of)
	return checkLength(r.step.Command.Argv(), r.env.List(), len(names))
}

// sharedTimes returns the times that all shards go by.
func (r *run) sharedTimes(place shards.Place) (history.FileTimes, error) {
	entry := pipeline.Entry(r.steps.Pipeline())
	return place.Times(r.Stop.Work, r.Store, entry, r.Config.ShardHistory, verdict.TimesKeys(&r.Session, r.step.Name))
}

// shortList is a list of names for the log.
func shortList(names []string) string {
	const most = 4 << 10
	text := strings.Join(names, " ")
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// writeFiles writes the names of the files, one a line.
func (r *run) writeFiles(names []string) (string, error) {
	dir, err := scratch.Dir("runner-files-*")
	if err != nil {
		return "", err
	}
	r.shard.files = dir
	file := filepath.Join(dir, "files")
	return file, os.WriteFile(file, []byte(strings.Join(names, "\n")+"\n"), 0o600)
}

// removeFiles removes what writeFiles has written.
func (r *run) removeFiles() {
	if r.shard != nil && r.shard.files != "" {
		_ = os.RemoveAll(r.shard.files) // it is in the temporary folder
	}
}

// checkLength refuses names that the system would not take as arguments.
func checkLength(argv, env []string, files int) error {
	const pointer = 8
	total, longest := 0, 0
	for _, text := range slices.Concat(argv, env) {
		total += len(text) + 1 + pointer
		longest = max(longest, len(text))
	}
	if most := argumentRoom(); total <= most && longest < maxArgument {
		return nil
	}
	return &outcome.ConfigError{
		Message: fmt.Sprintf("the names of %d files are longer than the arguments of a command may be", files),
		Advice:  "use more shards, or write split.run with {list}, a file that has a name a line",
	}
}

// partSets are the folders that a shard keeps for the merge: its artifacts, and its coverage where that is in none.
func (r *run) partSets(passed bool) (sets []steps.Artifact) {
	for _, a := range r.step.Artifacts {
		if a.When.Includes(passed) {
			sets = append(sets, a)
		}
	}
	return sets
}

// keepSets keeps artifacts for the merge.
func (r *run) keepSets(runErr error) error {
	if r.result == nil {
		return runErr // an empty share made nothing
	}
	var failed error
	for _, a := range r.partSets(runErr == nil) {
		dir := filepath.Join(r.directory(), filepath.FromSlash(a.Path))
		if untouched(dir, r.result.Started) {
			continue
		}
		err := r.timed("keep "+a.Name, func() error { return r.keepSet(dir, a) })
		if failed == nil {
			failed = err
		}
	}
	if extra := r.verdict.CoverageApart(); extra != "" {
		err := r.timed("keep coverage", func() error {
			return r.keepSet(filepath.Join(r.directory(), filepath.FromSlash(extra)), steps.Artifact{Name: coverageKind, Path: extra})
		})
		if failed == nil {
			failed = err
		}
	}
	if runErr == nil && failed != nil {
		return outcome.ArtifactsError{Err: failed}
	}
	return runErr
}

// coverageKind is what a shard calls coverage that is in none of its artifacts.
const coverageKind = "coverage.only"

func (r *run) keepSet(dir string, a steps.Artifact) error {
	ctx, cancel := r.Stop.PublishContext()
	defer cancel()
	if err := r.restorePaths(dir); err != nil {
		return err
	}
	set := artifacts.Set{
		Kind: a.Name, Ref: setRef(r.Ref), RunID: r.ID, Dirty: r.Dirty, Dir: dir, Within: r.Config.Workspace, Include: a.Include,
	}
	if info, err := os.Stat(dir); err == nil && !info.IsDir() { // coverage.path may be a file
		base := filepath.Base(dir)
		set.Dir = filepath.Dir(dir)
		set.Exclude = func(path string) bool { return path != base }
	}
	withheld, err := r.scrub(ctx, set, a)
	if err != nil {
		return err
	}
	set.Exclude = without(set.Exclude, withheld)
	_, err = artifacts.Publish(ctx, shards.Sets(r.Store, r.runKey()), set)
	if isMissing(err) { // the merge decides whether it is missing
		return nil
	}
	if err == nil {
		r.shard.sets = append(r.shard.sets, a.Name)
	}
	return err
}

// setRef names the sets of a part, whose keys are below the part's already.
func setRef(ref artifacts.Ref) artifacts.Ref { return artifacts.Ref{Branch: "shard", SHA: ref.SHA} }

// restorePaths has the files of a copy of the workspace name the workspace instead.
func (r *run) restorePaths(dir string) error {
	origin := r.Config.ShardOrigin
	if origin == "" {
		return nil
	}
	return filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil || info.Size() > maxList {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil || !bytes.Contains(text, []byte(r.Config.Workspace)) || bytes.IndexByte(text, 0) >= 0 {
			return err
		}
		return os.WriteFile(name, bytes.ReplaceAll(text, []byte(r.Config.Workspace), []byte(origin)), info.Mode().Perm())
	})
}

// storePart stores what the shard has found.
func (r *run) storePart(ctx context.Context, ended record.Run) error {
	s := r.shard
	part := shards.Part{
		Format: shards.Format, Shard: s.Shard, Of: s.Of, Key: r.runKey(), Run: ended,
		Listed: s.packing.Listed, Times: s.times, All: s.listed, Started: r.result != nil, Sets: s.sets,
		Tail: string(r.Redactor.Bytes(r.tail.Log().Text)),
	}
	if s.packing.Shares != nil {
		share := s.packing.Shares[s.Shard-1]
		part.Files = len(shards.Names(share.Units))
		if s.packing.Known > 0 {
			part.Expected = record.Seconds(time.Duration(share.Milliseconds) * time.Millisecond)
		}
	}
	part = redact.Value(r.Redactor, part)
	part.Sample, part.Took = r.verdict.Measured()
	list, beyond := r.verdict.Listed()
	part.List, part.Beyond = redact.Value(r.Redactor, list), beyond
	if origin := r.Config.ShardOrigin; origin != "" {
		if err := part.Rename(r.Config.Workspace, origin); err != nil {
			return err
		}
	}
	err := r.place(s.Of).Store(ctx, r.Store, part)
	s.problem, s.isStored = err, err == nil
	return err
}

// putMergedLog stores the logs of the shards, one after the other, and that of the merge.
func (r *run) putMergedLog(ctx context.Context, own *io.SectionReader) error {
	all, err := scratch.File()
	if err != nil {
		return err
	}
	defer scratch.Remove(all)
	for _, p := range r.merging.parts { // members of gzip may follow each other
		if err := r.appendObject(ctx, all, p.Key+"/log.jsonl.gz"); err != nil {
			return err
		}
	}
	if _, err := io.Copy(all, own); err != nil {
		return err
	}
	size, err := all.Seek(0, io.SeekCurrent)
	if err == nil {
		_, err = all.Seek(0, io.SeekStart)
	}
	if err != nil {
		return err
	}
	_, err = r.Store.Put(ctx, artifacts.Object{
		Key: r.runKey() + "/log.jsonl.gz", Body: all, Size: size, Type: "application/gzip", Mode: 0o644,
	})
	return err
}
