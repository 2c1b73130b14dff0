package history

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/retry"
	"github.com/carlin-cicd/runner/steps/results"
)

// FileTimes is how long the test files of a step take, in milliseconds, by what reports call them: the file, for go
// test the package, for tools that name no files the class.
type FileTimes map[string]int64

const (
	maxTimes    = 20_000 // files
	maxUnseen   = 20     // runs after which a file that was in none of them is forgotten
	longestTime = 1 << 31
)

// Digest identifies the times. It does not depend on anything but them.
func (t FileTimes) Digest() string { return digest(t.Encode()) }

// Encode writes the times in the one form that has their digest.
func (t FileTimes) Encode() []byte {
	text, err := json.Marshal(t) // sorts the names
	if err != nil {
		panic(err) // there is nothing that JSON cannot have
	}
	return text
}

// DecodeFileTimes reads what Encode has written.
func DecodeFileTimes(text []byte) (FileTimes, error) {
	var t FileTimes
	if err := json.Unmarshal(text, &t); err != nil {
		return nil, err
	}
	for name, ms := range t {
		if ms < 0 || ms > longestTime {
			return nil, fmt.Errorf("%q takes %d ms", cut(name, maxName), ms)
		}
	}
	return t, nil
}

// Finder returns the time of a file that is named relative to the step's folder, or of a package of Go. Some tools name
// files relative to a folder of theirs, and pytest names modules and classes.
func (t FileTimes) Finder() func(name string) (ms int64, known bool) {
	modules := map[string]int64{}
	for class, ms := range t {
		if strings.Contains(class, "/") {
			continue
		}
		for at := class; ; at = at[:strings.LastIndexByte(at, '.')] {
			modules[at] += ms
			if !strings.Contains(at, ".") {
				break
			}
		}
	}
	return func(name string) (int64, bool) {
		name = path.Clean(name)
		for at := name; ; {
			if ms, known := t[at]; known {
				return ms, true
			}
			_, rest, more := strings.Cut(at, "/")
			if !more {
				break
			}
			at = rest
		}
		if module, ok := strings.CutSuffix(name, ".py"); ok {
			ms, known := modules[strings.ReplaceAll(module, "/", ".")]
			return ms, known
		}
		return 0, false
	}
}

// TimeSample measures the files of one run.
type TimeSample struct {
	root   string
	clean  func(string) string
	suites map[suiteKey]*suiteTimes
}

type suiteKey struct {
	report string
	number uint64
}

// suiteTimes are those of the cases of a suite, by file. A suite of one file has its own time, with what it loads.
type suiteTimes struct {
	own   time.Duration
	files map[string]time.Duration
}

// NewTimeSample returns an empty sample, see NewSample.
func NewTimeSample(root string, clean func(string) string) *TimeSample {
	if clean == nil {
		clean = func(s string) string { return s }
	}
	return &TimeSample{root: filepath.ToSlash(root), clean: clean, suites: map[suiteKey]*suiteTimes{}}
}

// Add adds a case as results.Options.Visit has it.
func (s *TimeSample) Add(c results.Case) {
	name := cmp.Or(local(s.root, c.File), c.Class, c.Suite)
	if name == "" || c.Status == results.Skipped && c.Duration == 0 {
		return
	}
	k := suiteKey{c.Report, c.Around.Number}
	of := s.suites[k]
	if of == nil {
		if len(s.suites) >= maxSeen {
			return
		}
		of = &suiteTimes{own: c.Around.Duration, files: map[string]time.Duration{}}
		s.suites[k] = of
	}
	if _, known := of.files[name]; known || len(of.files) < maxTimes {
		of.files[name] += c.Duration
	}
}

// Times returns what was measured: no file takes no time.
func (s *TimeSample) Times() FileTimes {
	sum := map[string]time.Duration{}
	for _, of := range s.suites {
		for name, d := range of.files {
			if len(of.files) == 1 && of.own > 0 {
				d = of.own
			}
			sum[name] += d
		}
	}
	times := make(FileTimes, min(len(sum), maxTimes))
	for name, d := range sum {
		name = s.clean(name)
		times[name] += min(max((d+time.Millisecond/2).Milliseconds(), 1), longestTime)
	}
	return times.bounded()
}

// Add adds what another sample measured.
func (t FileTimes) Add(other FileTimes) {
	for name, ms := range other {
		t[name] = min(t[name]+ms, longestTime)
	}
}

// bounded keeps the slowest files.
func (t FileTimes) bounded() FileTimes {
	if len(t) <= maxTimes {
		return t
	}
	names := make([]string, 0, len(t))
	for name := range t {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(t[b], t[a]), strings.Compare(a, b)) })
	for _, name := range names[maxTimes:] {
		delete(t, name)
	}
	return t
}

// timeRow is a file as it is stored.
type timeRow struct {
	Milliseconds int64 `json:"ms"`
	Unseen       int   `json:"unseen,omitempty"` // runs since the last one that had it
}

// timeTable is the stored times of a branch.
type timeTable struct {
	Version int                `json:"version"`
	Runs    []string           `json:"runs"` // ids of the newest runs that are in it
	Files   map[string]timeRow `json:"files"`
}

// add moves each time half-way to that of a run. It reports false if the run is in the table.
func (t *timeTable) add(runID string, run FileTimes) bool {
	if slices.Contains(t.Runs, runID) {
		return false
	}
	t.Runs = append(t.Runs, runID)
	t.Runs = t.Runs[max(len(t.Runs)-maxRuns, 0):]
	for name, row := range t.Files {
		if _, seen := run[name]; !seen {
			if row.Unseen++; row.Unseen > maxUnseen {
				delete(t.Files, name)
				continue
			}
			t.Files[name] = row
		}
	}
	for name, ms := range run {
		if row, known := t.Files[name]; known {
			ms = (row.Milliseconds + ms + 1) / 2
		}
		if _, known := t.Files[name]; known || len(t.Files) < maxTimes {
			t.Files[name] = timeRow{Milliseconds: ms}
		}
	}
	return true
}

// LoadFileTimes returns the times that are stored under the first key that has some; none if none has.
func LoadFileTimes(ctx context.Context, s artifacts.Swapper, at ...string) (FileTimes, error) {
	for _, key := range at {
		table, _, err := loadTimes(ctx, s, key)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		times := make(FileTimes, len(table.Files))
		for name, row := range table.Files {
			times[name] = row.Milliseconds
		}
		return times, nil
	}
	return FileTimes{}, nil
}

// SaveFileTimes adds the times of a run to those under a key, which begin with those under the first other key that has
// some. It takes at most 15 s.
func SaveFileTimes(ctx context.Context, s artifacts.Swapper, runID string, run FileTimes, key string, others ...string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errors.New("the store is slow, or others write all the time"))
	defer cancel()
	policy := retry.Policy{First: 25 * time.Millisecond, Longest: 800 * time.Millisecond, Retryable: isRetryable}
	err := retry.Do(ctx, policy, func() error {
		table, tag, err := loadTimes(ctx, s, key)
		var corrupt *CorruptError
		switch {
		case errors.Is(err, fs.ErrNotExist):
			for _, other := range others {
				if table, _, err = loadTimes(ctx, s, other); err == nil {
					break
				}
			}
			tag = ""
		case err != nil && !errors.As(err, &corrupt):
			return err
		}
		if table.Files == nil {
			table = timeTable{Version: version, Files: map[string]timeRow{}}
		}
		if !table.add(runID, run) {
			return nil
		}
		body, err := table.encode()
		if err != nil {
			return err
		}
		_, err = s.Swap(ctx, artifacts.Object{
			Key: key, Body: bytes.NewReader(body), Size: int64(len(body)), Type: "application/gzip", CacheControl: "no-cache",
		}, tag)
		return err
	})
	if err != nil {
		return fmt.Errorf("%w%s", err, causeText(ctx))
	}
	return nil
}

func (t timeTable) encode() ([]byte, error) {
	text, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	return compress(text)
}

// loadTimes reads a table. With a *CorruptError the tag is valid.
func loadTimes(ctx context.Context, s artifacts.Swapper, key string) (t timeTable, tag string, err error) {
	body, tag, err := s.Load(ctx, key)
	if err != nil {
		return t, "", err
	}
	corrupt := func(err error) (timeTable, string, error) { return timeTable{}, tag, &CorruptError{key, err.Error()} }
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return corrupt(err)
	}
	text, err := io.ReadAll(io.LimitReader(z, maxDecoded+1))
	if err != nil {
		return corrupt(err)
	}
	if err := json.Unmarshal(text, &t); err != nil {
		return corrupt(err)
	}
	if t.Version != version || len(t.Files) > maxTimes {
		return corrupt(fmt.Errorf("it has version %d and %d files", t.Version, len(t.Files)))
	}
	for name, row := range t.Files {
		if row.Milliseconds < 0 || row.Milliseconds > longestTime {
			return corrupt(fmt.Errorf("%q takes %d ms", cut(name, maxName), row.Milliseconds))
		}
	}
	return t, tag, nil
}

// digest is the beginning of a SHA-256 in hexadecimal.
func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}
