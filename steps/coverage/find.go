package coverage

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"syscall"
	"time"

	"github.com/carlin-cicd/runner/steps/freshness"
	"github.com/carlin-cicd/runner/steps/xmlstream"
)

// format is a kind of report.
type format struct {
	name  string
	named func(base string) bool // whether a file of that name may be one
	is    func(head []byte) bool // whether its first bytes are of this format
	read  func(io.Reader, *data) error
}

// formats, the most exact first. A tool often writes several for one run: lcov and coverage-final.json have every line
// and branch, cobertura and clover round or mix in statements, a summary has no lines, and a profile of Go has blocks
// instead.
func formats() []format {
	return []format{
		{"lcov", ending(".info", ".lcov"), isLcov, readLcov},
		{"coverage-final.json", exactly("coverage-final.json"), startsWith("{"), readFinal},
		{"cobertura", ending(".xml"), isCobertura, readCobertura},
		{"JaCoCo", ending(".xml"), isJacoco, readJacoco},
		{"clover", ending(".xml"), isClover, readClover},
		{"SimpleCov", exactly("coverage.json", ".resultset.json"), isSimplecov, readSimplecov},
		{"coverage-summary.json", exactly("coverage-summary.json"), startsWith("{"), readSummary},
		{goProfile, ending(".out", ".txt", ".cov", ".coverprofile", ".coverage"), startsWith("mode: "), readProfile},
	}
}

const goProfile = "a profile of Go"

func isSimplecov(head []byte) bool {
	return startsWith("{")(head) &&
		(bytes.Contains(head, []byte(`"coverage"`)) || bytes.Contains(head, []byte("simplecov")))
}

// unreadable are files of coverage tools that cannot be read, by a pattern of their names.
var unreadable = []struct{ pattern, what, advice string }{
	{".coverage", "the data of coverage.py", "add coverage xml, or --cov-report=xml to pytest"},
	{"*.exec", "the data of JaCoCo", "have JaCoCo write its XML report"},
	{"*.profraw", "the data of LLVM", "convert it: llvm-cov export --format=lcov, or cargo llvm-cov --lcov"},
	{"*.profdata", "the data of LLVM", "convert it: llvm-cov export --format=lcov"},
	{"*.gcda", "the data of gcov", "convert it: lcov --capture, or gcovr --lcov"},
	{"*.coverage", "the data of Visual Studio", "convert it: dotnet-coverage merge --output-format cobertura"},
	{"*opencover*.xml", "a report of OpenCover", "have the tool write cobertura"},
	{"*.gcov", "a report of gcov", "convert it: lcov --capture, or gcovr --lcov"},
	{
		".last_run.json",
		"SimpleCov's last percentage",
		"have SimpleCov write its JSON report (simplecov_json_formatter)",
	},
}

// unreadJSON knows JSON of other tools under the name of SimpleCov's.
func unreadJSON(base string, head []byte) Unread {
	switch {
	case base != "coverage.json":
		return Unread{}
	case bytes.Contains(head, []byte(`"executed_lines"`)) || bytes.Contains(head, []byte(`"branch_coverage"`)):
		return Unread{What: "JSON of coverage.py", Advice: "add coverage xml, or --cov-report=xml to pytest"}
	case bytes.Contains(head, []byte("llvm.coverage")):
		return Unread{What: "JSON of LLVM", Advice: "write lcov: llvm-cov export --format=lcov, or cargo llvm-cov --lcov"}
	}
	return Unread{}
}

func exactly(names ...string) func(string) bool {
	return func(base string) bool { return slices.Contains(names, base) }
}

func ending(ends ...string) func(string) bool {
	return func(base string) bool {
		return slices.ContainsFunc(ends, func(end string) bool { return strings.HasSuffix(base, end) })
	}
}

func startsWith(prefix string) func([]byte) bool {
	return func(head []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(head), []byte(prefix)) }
}

// The bounds of looking for reports.
const (
	maxDepth   = 8 // nested folders
	maxEntries = 200_000
	maxReports = 1_000
	headSize   = 4 << 10
)

// hidden are large folders that no tool reports into, and copies of reports for people.
var hidden = []string{"node_modules", ".git", ".runner", ".pnpm-store", "lcov-report"}

// Read reads every report in a folder and below, or a single file, that was written after since; the zero time accepts
// all. It merges them: a line of several reports is covered if one of them covers it. root is the folder of the
// sources. Links are not followed. The error is a *NotFoundError, or a *ReportError: a damaged report is not skipped.
func Read(dir, root string, since time.Time) (Result, error) {
	name := "."
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		dir, name = filepath.Dir(dir), filepath.Base(dir)
	}
	folder, err := os.OpenRoot(dir)
	if err != nil {
		return Result{}, err
	}
	defer folder.Close()
	s := search{folder: folder, since: since}
	if err := s.walk(name); err != nil {
		return Result{}, err
	}
	if len(s.found) == 0 {
		return Result{}, &NotFoundError{Dir: dir, Reports: s.stale, Unread: s.unread}
	}
	m := newMerger(newNames(dir, root, len(s.found) > 1))
	sort.Slice(s.found, func(i, j int) bool { return s.found[i].compare(s.found[j]) < 0 })
	for _, f := range s.found {
		if err := f.read(folder); err != nil {
			return Result{}, err
		}
		m.merge(f)
	}
	result := m.result()
	result.Reports = append(result.Reports, s.stale...)
	for _, u := range s.unread {
		result.Reports = append(result.Reports, Report{Path: u.Path, Format: u.What, Use: UseUnread})
	}
	sort.Slice(result.Reports, func(i, j int) bool { return result.Reports[i].Path < result.Reports[j].Path })
	return result, nil
}

// Part is a folder of reports.
type Part struct {
	Label string // in front of the paths of its reports
	Dir   string
}

// ReadAll reads folders that several runs of the same tool have left, each a part of the tests, and merges them as Read
// does. dir is where each run had its folder: it says of which package a report is.
func ReadAll(parts []Part, dir, root string) (Result, Union, error) {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		dir = filepath.Dir(dir)
	}
	var all []partOf
	none := &NotFoundError{Dir: dir}
	for i, p := range parts {
		part, err := readPart(p.Dir, i, none)
		if err != nil {
			return Result{}, Union{}, err
		}
		all = append(all, part...)
	}
	if len(all) == 0 {
		return Result{}, Union{}, none
	}
	// The formats of one run are told from each other by what was merged before: all runs of a format come first.
	sort.SliceStable(all, func(i, j int) bool {
		a, b := all[i], all[j]
		return cmp.Or(a.compare(b.found), a.run-b.run) < 0
	})
	m := newMerger(names{})
	for _, p := range all {
		m.names = newNames(dir, root, p.several)
		m.merge(p.found)
		last := &m.reports[len(m.reports)-1]
		last.Path = parts[p.run].Label + last.Path
	}
	return m.result(), m.union(), nil
}

// partOf is a report of one of several runs.
type partOf struct {
	found
	run     int
	several bool // the run has several reports
}

func readPart(name string, run int, none *NotFoundError) ([]partOf, error) {
	at := "."
	if info, err := os.Stat(name); err == nil && !info.IsDir() {
		name, at = filepath.Dir(name), filepath.Base(name)
	}
	folder, err := os.OpenRoot(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // this run measured nothing
	}
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	s := search{folder: folder}
	if err := s.walk(at); err != nil {
		return nil, err
	}
	none.Unread = append(none.Unread, s.unread...)
	var all []partOf
	for _, f := range s.found {
		if err := f.read(folder); err != nil {
			return nil, err
		}
		all = append(all, partOf{f, run, len(s.found) > 1})
	}
	return all, nil
}

// search looks for reports.
type search struct {
	folder *os.Root
	since  time.Time
	found  []found
	stale  []Report
	unread []Unread
}

// found is a report.
type found struct {
	path string
	rank int // of its format
	*data
}

// compare orders reports by format and path.
func (f found) compare(g found) int { return cmp.Or(f.rank-g.rank, strings.Compare(f.path, g.path)) }

var errEnough = errors.New("enough")

func (s *search) walk(name string) error {
	entries := 0
	err := fs.WalkDir(s.folder.FS(), name, func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			if at == name {
				return err
			}
			return nil // a folder that cannot be read holds no report of this run
		}
		entries++
		switch {
		case entries > maxEntries || len(s.found) > maxReports:
			return errEnough
		case d.IsDir() && at != "." && (slices.Contains(hidden, d.Name()) || strings.Count(at, "/") >= maxDepth):
			return fs.SkipDir
		case d.Type().IsRegular():
			return s.look(at)
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// look reads a file if it is a report.
func (s *search) look(name string) error {
	base := path.Base(name)
	var start []byte
	for rank, f := range formats() {
		if !f.named(base) {
			continue
		}
		if start == nil {
			start = head(s.folder, name)
		}
		if f.is(start) {
			return s.add(name, rank)
		}
	}
	if u := unreadJSON(base, start); u.What != "" {
		s.unread = append(s.unread, Unread{Path: name, What: u.What, Advice: u.Advice})
		return nil
	}
	for _, u := range unreadable {
		if matched, _ := path.Match(u.pattern, base); matched {
			s.unread = append(s.unread, Unread{Path: name, What: u.what, Advice: u.advice})
			break
		}
	}
	return nil
}

// add takes a report, unless it is stale.
func (s *search) add(name string, rank int) error {
	file, info, err := open(s.folder, name)
	if err != nil {
		return &ReportError{name, err}
	}
	file.Close()
	if freshness.Stale(info.ModTime(), s.since) {
		s.stale = append(s.stale, Report{Path: name, Format: formats()[rank].name, Use: UseStale})
		return nil
	}
	s.found = append(s.found, found{path: name, rank: rank})
	return nil
}

// read reads the report.
func (f *found) read(folder *os.Root) error {
	file, info, err := open(folder, f.path)
	if err != nil {
		return &ReportError{f.path, err}
	}
	defer file.Close()
	f.data = newData()
	format := formats()[f.rank]
	in := bufio.NewReaderSize(io.LimitReader(file, info.Size()), 64<<10)
	if err := format.read(xmlstream.UTF8(in), f.data); err != nil {
		return &ReportError{f.path, fmt.Errorf("as %s: %w", format.name, err)}
	}
	return nil
}

// head is the beginning of a file, nothing if it cannot be read.
func head(folder *os.Root, name string) []byte {
	file, _, err := open(folder, name)
	if err != nil {
		return []byte{}
	}
	defer file.Close()
	text, _ := io.ReadAll(io.LimitReader(xmlstream.UTF8(file), headSize))
	return text
}

// open opens a regular file. It may have been replaced since it was listed: do not wait for the other end of a pipe.
func open(folder *os.Root, name string) (*os.File, fs.FileInfo, error) {
	file, err := folder.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		file.Close()
		return nil, nil, errors.Join(errors.New("it is not a regular file"), err)
	}
	return file, info, nil
}
