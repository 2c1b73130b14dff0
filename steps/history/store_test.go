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
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/folder"
	"github.com/carlin-cicd/runner/steps/results"
)

// shelf is a Swapper in memory.
type shelf struct {
	mu      sync.Mutex
	objects map[string]string
	version int
	tags    map[string]string
	lose    int // so many answers of writes that have happened
	fail    error
}

func newShelf() *shelf { return &shelf{objects: map[string]string{}, tags: map[string]string{}} }

type passingError struct{}

func (passingError) Error() string   { return "connection reset" }
func (passingError) Retryable() bool { return true }

func (s *shelf) Load(_ context.Context, key string) ([]byte, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return nil, "", s.fail
	}
	body, ok := s.objects[key]
	if !ok {
		return nil, "", fs.ErrNotExist
	}
	return []byte(body), s.tags[key], nil
}

func (s *shelf) Swap(ctx context.Context, o artifacts.Object, tag string) (string, error) {
	body, err := io.ReadAll(o.Body)
	if err != nil || int64(len(body)) != o.Size {
		return "", fmt.Errorf("%d bytes of %d: %w", len(body), o.Size, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case s.fail != nil:
		return "", s.fail
	case s.tags[o.Key] != tag:
		return "", fs.ErrExist
	}
	s.version++
	s.objects[o.Key], s.tags[o.Key] = string(body), fmt.Sprint(s.version)
	if s.lose > 0 {
		s.lose--
		return "", passingError{}
	}
	return s.tags[o.Key], nil
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func load(t testing.TB, s artifacts.Swapper, key string, others ...string) *History {
	t.Helper()
	h, err := Load(t.Context(), s, key, others...)
	must(t, err)
	return h
}

// update is what a run does.
func update(ctx context.Context, s artifacts.Swapper, run Run, sample *Sample, key string, others ...string) error {
	h, err := Load(ctx, s, key, others...)
	if err != nil {
		return err
	}
	h.Add(run, sample)
	return h.Save(ctx, s, run, sample)
}

func TestConcurrentRunsLoseNothing(t *testing.T) {
	const runs = 12
	folder, err := folder.New(t.TempDir())
	must(t, err)
	for name, s := range map[string]artifacts.Swapper{"in memory": newShelf(), "in a folder": folder} {
		t.Run(name, func(t *testing.T) {
			var all sync.WaitGroup
			for i := range runs {
				all.Go(func() {
					if err := update(t.Context(), s, at(i), sampleOf(rune(".~F"[i%3])), "k"); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			want := historyOf(strings.Repeat(".~F", runs/3))
			got := load(t, s, "k")
			for k, w := range want.tests { // the estimate follows the order of arrival
				g := got.tests[k]
				g.Typical = w.Typical
				got.tests[k] = g
			}
			if !reflect.DeepEqual(got.runs, want.runs) || !reflect.DeepEqual(got.tests, want.tests) {
				t.Errorf("%v, want %v", got.tests, want.tests)
			}
		})
	}
}

func TestAnAnswerThatIsLostAddsNothingTwice(t *testing.T) {
	s := newShelf()
	s.lose = 2
	must(t, update(t.Context(), s, at(0), sampleOf(passed), "k"))
	must(t, update(t.Context(), s, at(0), sampleOf(passed), "k"))
	if h := load(t, s, "k"); len(h.runs) != 1 || s.version != 1 {
		t.Errorf("%d runs by %d writes", len(h.runs), s.version)
	}
}

func TestABranchBeginsWithTheHistoryOfAnother(t *testing.T) {
	s := newShelf()
	must(t, update(t.Context(), s, at(0), sampleOf(failed), "main"))
	before := s.objects["main"]
	must(t, update(t.Context(), s, at(1), sampleOf(failed), "feature", "none", "main"))
	must(t, update(t.Context(), s, at(2), sampleOf(failed), "feature", "none", "main"))
	if h := load(t, s, "feature"); len(h.runs) != 3 {
		t.Errorf("%d runs", len(h.runs))
	}
	if s.objects["main"] != before {
		t.Error("a branch changed the history of another")
	}
}

func zipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, text)
	_ = z.Close()
	return b.String()
}

func TestWhatIsNoHistoryBeginsAnew(t *testing.T) {
	for name, body := range map[string]string{
		"nothing":                   "",
		"something else":            "hello",
		"a part of one":             zipped(`{"version":1,"runs":[],"tests":{}}`)[:20],
		"other JSON":                zipped(`[1]`),
		"another version":           zipped(`{"version":2}`),
		"a row of another length":   zipped(`{"version":1,"runs":[{"id":"a"}],"tests":{"AAAAAAAA":{"o":".."}}}`),
		"an unknown outcome":        zipped(`{"version":1,"runs":[{"id":"a"}],"tests":{"AAAAAAAA":{"o":"x"}}}`),
		"times of other runs":       zipped(`{"version":1,"runs":[{"id":"a"}],"tests":{"AAAAAAAA":{"o":".","t":"00--"}}}`),
		"a time that is none":       zipped(`{"version":1,"runs":[{"id":"a"}],"tests":{"AAAAAAAA":{"o":".","t":"é"}}}`),
		"a key that is none":        zipped(`{"version":1,"runs":[{"id":"a"}],"tests":{"AAAA":{"o":"."}}}`),
		"a duration that overflows": zipped(`{"version":1,"runs":[{"id":"a"}],"tests":{"AAAAAAAA":{"o":".","ms":9223372036854775807}}}`),
		"runs in no order":          zipped(`{"version":1,"runs":[{"id":"b"},{"id":"a"}]}`),
		"too many runs":             zipped(`{"version":1,"runs":[` + strings.Repeat(`{},`, maxRuns) + `{}]}`),
		"more than anybody stores":  zipped(strings.Repeat(" ", maxDecoded+1)),
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf()
			s.objects["k"], s.tags["k"] = body, "foreign"
			h, err := Load(t.Context(), s, "k")
			var corrupt *CorruptError
			if !errors.As(err, &corrupt) || h == nil || corrupt.Key != "k" {
				t.Fatalf("%v, %v", h, err)
			}
			h.Add(at(0), sampleOf(failed))
			must(t, h.Save(t.Context(), s, at(0), sampleOf(failed)))
			if h := load(t, s, "k"); len(h.runs) != 1 {
				t.Errorf("%d runs", len(h.runs))
			}
		})
	}
}

func TestAStoreThatRefusesIsNotAskedAgain(t *testing.T) {
	s := newShelf()
	h := load(t, s, "k")
	s.fail = fs.ErrPermission
	h.Add(at(0), sampleOf(passed))
	if err := h.Save(t.Context(), s, at(0), sampleOf(passed)); !errors.Is(err, fs.ErrPermission) {
		t.Error(err)
	}
	if h, err := Load(t.Context(), s, "k"); h != nil || !errors.Is(err, fs.ErrPermission) {
		t.Error(h, err)
	}
}

func TestAStoreThatFailsAllTheTimeIsGivenUp(t *testing.T) {
	s := newShelf()
	h := load(t, s, "k")
	s.fail = passingError{}
	h.Add(at(0), sampleOf(passed))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := h.Save(ctx, s, at(0), sampleOf(passed)); !errors.As(err, new(passingError)) {
		t.Error(err)
	}
}

// many is a run of n tests, one in a hundred of them flaky or failing.
func many(n, seed int) *Sample {
	s := NewSample("/workspace", nil)
	for i := range n {
		c := results.Case{
			File: fmt.Sprintf(
				"/workspace/src/module%d/file.test.ts",
				i/20,
			),
			Class:    "a class of tests",
			Name:     fmt.Sprintf("does the thing number %d well", i),
			Status:   results.Passed,
			Duration: time.Duration(i*7919%3000) * time.Millisecond / 10,
		}
		if i%100 == 0 && (i/100+seed)%3 == 0 {
			c.Status = results.Failed
		}
		s.Add(c)
	}
	return s
}

func TestAFullTableFitsItsBounds(t *testing.T) {
	h := &History{}
	for i := range maxRuns + 2 {
		h.Add(at(i), many(maxTests, i))
	}
	body, err := h.encode()
	must(t, err)
	t.Logf("%d tests of %d runs take %d bytes", len(h.tests), len(h.runs), len(body))
	if len(body) > maxBytes {
		t.Errorf("%d bytes", len(body))
	}
	back, err := decode(body)
	must(t, err)
	if !reflect.DeepEqual(back.tests, h.tests) || !reflect.DeepEqual(back.runs, h.runs) {
		t.Error("it is read otherwise than it was written")
	}
}

// A row with random times and a long name compresses badly.
func TestOfTooManyNamesAndTimesThoseOfTellingTestsAreKept(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	h := &History{}
	h.Add(at(0), many(maxTests, 1))
	var name [maxName / 2]byte
	for k, row := range h.tests {
		for i := range name {
			name[i] = "abcdefghijklmnopqrstuvwxyz0123456789_-"[rnd.IntN(38)]
		}
		row.Name = string(name[:])
		h.tests[k] = row
	}
	body, err := h.encode()
	must(t, err)
	back, err := decode(body)
	must(t, err)
	described := 0
	for k, row := range back.tests {
		if row.Name != "" && row.Times != "" {
			described++
		}
		if row.telling() && row.Name == "" {
			t.Fatalf("%v failed and has no name", k)
		}
	}
	if len(body) > maxBytes || len(back.tests) != maxTests || described < maxTests/4 || described == maxTests {
		t.Errorf("%d bytes, %d tests, %d of them with names and times", len(body), len(back.tests), described)
	}
}

// What version 0.2.0 has stored has no times, and names of failed tests only.
func TestAHistoryOfAnOlderVersionIsContinued(t *testing.T) {
	k, err := keyOf("", test1).MarshalText()
	must(t, err)
	s := newShelf()
	s.objects["k"], s.tags["k"] = zipped(fmt.Sprintf(`{"version":1,"runs":[{"id":"run000","sha":"a","branch":"main","at":"2026-03-01T12:00:00Z"},
		{"id":"run001","sha":"b","branch":"main","at":"2026-03-01T13:00:00Z"}],"tests":{"%s":{"o":".-","ms":20},"AAAAAAAA":{"o":".."}}}`, k)), "1"
	must(t, update(t.Context(), s, at(2), sampleOf(skipped), "k"))
	h := load(t, s, "k")
	found := h.Find("a.test.js › a › adds")
	if len(found) != 1 || found[0].Name == "" || !reflect.DeepEqual(found[0].Outcomes, []Outcome{Passed, Missing, Skipped}) ||
		!reflect.DeepEqual(found[0].Times, []time.Duration{-1, -1, -1}) {
		t.Errorf("it is read as %+v", found)
	}
	if old := h.Find("AAAAAAAA"); len(old) != 1 || old[0].Name != "" || old[0].Latest() != Missing {
		t.Errorf("a test that is gone is read as %+v", old)
	}
	// An older version reads what this one writes: outcomes that it knows, and nothing that it must understand.
	z, err := gzip.NewReader(strings.NewReader(s.objects["k"]))
	must(t, err)
	var d struct {
		Version int
		Tests   map[string]struct{ O string }
	}
	must(t, json.NewDecoder(z).Decode(&d))
	for k, row := range d.Tests {
		if d.Version != 1 || len(row.O) != 3 || strings.Trim(row.O, "-.~F") != "" {
			t.Errorf("%s: %+v", k, row)
		}
	}
}

func FuzzDecode(f *testing.F) {
	body, err := historyOf(".~F-").encode()
	must(f, err)
	z, err := gzip.NewReader(bytes.NewReader(body))
	must(f, err)
	text, err := io.ReadAll(z)
	must(f, err)
	f.Add(string(text))
	f.Add(`{"version":1,"runs":[{"id":"a"}],"tests":{"AAAAAAAA":{"o":"F","since":{}}}}`)
	f.Add(`{"version":1,"runs":[{"id":"a"}],"tests":{"AAAAAAAA":{"o":"-","t":"##","name":"adds"}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		h, err := decode([]byte(zipped(text)))
		if err != nil && (len(h.runs) > 0 || len(h.tests) > 0) {
			t.Fatal("it is not empty")
		}
		run := at(0)
		h.Add(run, sampleOf(failed))
		h.Note(test1, "", run.ID).Text("main")
		h.Lists()
		h.Find("adds")
		h.Baseline(run.ID)
		body, err := h.encode()
		must(t, err)
		if _, err := decode(body); err != nil {
			t.Fatalf("what was added to cannot be read: %v", err)
		}
	})
}

func BenchmarkUpdate(b *testing.B) {
	s := newShelf()
	for i := range maxRuns {
		must(b, update(b.Context(), s, at(i), many(maxTests, i), "k"))
	}
	b.ReportMetric(float64(len(s.objects["k"])), "stored-bytes")
	sample := many(maxTests, 1)
	n := maxRuns
	b.ReportAllocs()
	for b.Loop() {
		n++
		must(b, update(b.Context(), s, at(n), sample, "k"))
	}
}

func BenchmarkSample(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		many(maxTests, 1)
	}
}
