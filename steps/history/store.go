package history

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts/retry"

	"github.com/carlin-cicd/runner/artifacts"
)

// timeout bounds reading a history, and storing it while other runs store theirs.
const timeout = 15 * time.Second

// CorruptError is for a stored history that cannot be read. An empty one replaces it.
type CorruptError struct {
	Key    string
	Reason string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("the history of tests in %s cannot be read and begins anew: %s", e.Key, e.Reason)
}

// Hint says what to do about it.
func (e *CorruptError) Hint() string {
	return "nothing, if this is the first time; else see what else writes there"
}

// Load returns the history that is stored under a key. If there is none, it begins with that of the first other key
// that has one, or empty. With a *CorruptError it is empty and valid; with any other error it is nil. It takes at most
// 15 s.
func Load(ctx context.Context, s artifacts.Swapper, key string, others ...string) (*History, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for i, from := range append([]string{key}, others...) {
		body, tag, err := s.Load(ctx, from)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		h, err := decode(body)
		if i == 0 {
			h.tag = tag
		}
		h.keys = append([]string{key}, others...)
		if err != nil {
			err = &CorruptError{from, err.Error()}
		}
		return h, err
	}
	return &History{keys: append([]string{key}, others...)}, nil
}

// Save stores the history to which a run was added. If another run was stored in the meantime, this run is added to its
// history. It takes at most 15 s.
func (h *History) Save(ctx context.Context, s artifacts.Swapper, run Run, sample *Sample) error {
	ctx, cancel := context.WithTimeoutCause(
		ctx,
		timeout,
		errors.New("others are storing theirs all the time, or the store is slow"),
	)
	defer cancel()
	policy := retry.Policy{First: 25 * time.Millisecond, Longest: 800 * time.Millisecond, Retryable: isRetryable}
	attempt := 0
	err := retry.Do(ctx, policy, func() error {
		if attempt++; attempt > 1 {
			if err := h.reload(ctx, s, run, sample); err != nil {
				return err
			}
		}
		if !h.changed {
			return nil
		}
		return h.swap(ctx, s)
	})
	if err != nil {
		return fmt.Errorf("%w%s", err, causeText(ctx))
	}
	return nil
}

// reload adds the run to what is stored by now. That may hold the run already, if only the response of the last attempt
// was lost; then nothing changes.
func (h *History) reload(ctx context.Context, s artifacts.Swapper, run Run, sample *Sample) error {
	fresh, err := Load(ctx, s, h.keys[0], h.keys[1:]...)
	var corrupt *CorruptError
	if err != nil && !errors.As(err, &corrupt) {
		return err
	}
	fresh.Add(run, sample)
	*h = *fresh
	return nil
}

func (h *History) swap(ctx context.Context, s artifacts.Swapper) error {
	body, err := h.encode()
	if err != nil {
		return err
	}
	tag, err := s.Swap(ctx, artifacts.Object{
		Key:          h.keys[0],
		Body:         bytes.NewReader(body),
		Size:         int64(len(body)),
		Type:         "application/gzip",
		CacheControl: "no-cache",
	}, h.tag)
	if err == nil {
		h.tag, h.changed = tag, false
	}
	return err
}

// isRetryable reports whether a write may succeed later. One that lost a race against another writer may.
func isRetryable(err error) bool {
	var r interface{ Retryable() bool }
	return errors.Is(err, fs.ErrExist) || errors.As(err, &r) && r.Retryable()
}

func causeText(ctx context.Context) string {
	if cause := context.Cause(ctx); cause != nil {
		return ": " + cause.Error()
	}
	return ""
}

// document is a history as it is stored, in JSON and compressed.
type document struct {
	Version int          `json:"version"`
	Runs    []Run        `json:"runs"`
	Tests   map[key]test `json:"tests"`
}

const (
	version    = 1
	maxTypical = 1 << 40 // milliseconds: more than any test takes
)

// encode writes a history within its bounds: if need be, the names and times of tests that only ever passed go first,
// then those of the others, and then tests.
func (h *History) encode() ([]byte, error) {
	for tests, described := maxTests, maxTests; ; {
		text, err := json.Marshal(document{version, h.runs, h.tests})
		if err != nil {
			return nil, err
		}
		body, err := compress(text)
		if err != nil {
			return nil, err
		}
		if len(body) <= maxBytes && len(text) <= maxDecoded || tests == 0 {
			return body, nil
		}
		if described > 0 {
			described = min(described, len(h.tests)) * 3 / 4
		} else {
			tests = tests * 3 / 4
		}
		h.prune(tests, described)
	}
}

// compress returns what is stored for a text.
func compress(text []byte) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(text); err != nil {
		return nil, err
	}
	err := z.Close()
	return b.Bytes(), err
}

// maxDecoded bounds what a stored history takes when it is read, in bytes.
const maxDecoded = 8 << 20

// decode reads what encode has written. With an error it is empty.
func decode(body []byte) (*History, error) {
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return &History{}, err
	}
	text, err := io.ReadAll(io.LimitReader(z, maxDecoded+1))
	if err != nil {
		return &History{}, err
	}
	if len(text) > maxDecoded {
		return &History{}, fmt.Errorf("it is larger than %d bytes", maxDecoded)
	}
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		return &History{}, err
	}
	if err := d.check(); err != nil {
		return &History{}, err
	}
	return &History{runs: d.Runs, tests: d.Tests}, nil
}

// check finds what the rest of the package relies on.
func (d document) check() error {
	if d.Version != version {
		return fmt.Errorf("its version is %d, not %d", d.Version, version)
	}
	if len(d.Runs) > maxRuns || len(d.Tests) > maxTests {
		return fmt.Errorf("there are %d runs and %d tests in it, which are too many", len(d.Runs), len(d.Tests))
	}
	for i, r := range d.Runs {
		if i > 0 && byTime(d.Runs[i-1], r) >= 0 {
			return fmt.Errorf("run %q is not in its place", r.ID)
		}
	}
	for _, t := range d.Tests {
		if len(t.Outcomes) != len(d.Runs) || strings.Trim(t.Outcomes, outcomes) != "" {
			return fmt.Errorf("a test has the outcomes %q in %d runs", cut(t.Outcomes, 2*maxRuns), len(d.Runs))
		}
		if !validTimes(t.Times, len(d.Runs)) {
			return fmt.Errorf("a test has the times %q in %d runs", cut(t.Times, 2*timeSize*maxRuns), len(d.Runs))
		}
		if t.Typical < 0 || t.Typical > maxTypical {
			return fmt.Errorf("a test takes %d ms", t.Typical)
		}
	}
	return nil
}
