package runs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/folder"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/record"
)

const testSHA = "0123456789abcdef0123456789abcdef01234567"

var epoch = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

func id(n int) string { return fmt.Sprintf("01kb%022d", n) }

func running(n int) record.Entry {
	at := epoch.Add(time.Duration(n) * time.Minute)
	return record.Entry{
		RunID: id(n), Step: "test", Branch: "main", SHA: testSHA, State: record.Running, Started: at,
		Deadline: at.Add(time.Hour),
	}
}

func ended(n int) record.Entry {
	e := running(n)
	e.State, e.Ended, e.Deadline = record.Passed, e.Started.Add(30*time.Second), time.Time{}
	if n%7 == 0 {
		e.State, e.Reason, e.Cause = record.Failing, record.Failure, "exit code 2"
	}
	return e
}

// memory is a store in memory. Before is called ahead of each operation.
type memory struct {
	mu      sync.Mutex
	objects map[string][]byte
	tags    map[string]int
	count   int
	before  func(op, key string) error
}

func newMemory() *memory { return &memory{objects: map[string][]byte{}, tags: map[string]int{}} }

func (m *memory) hook(op, key string) error {
	if m.before != nil {
		return m.before(op, key)
	}
	return nil
}

func (m *memory) Load(_ context.Context, key string) ([]byte, string, error) {
	if err := m.hook("load", key); err != nil {
		return nil, "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	body, ok := m.objects[key]
	if !ok {
		return nil, "", fs.ErrNotExist
	}
	return body, strconv.Itoa(m.tags[key]), nil
}

func (m *memory) Swap(_ context.Context, o artifacts.Object, tag string) (string, error) {
	if err := m.hook("swap", o.Key); err != nil {
		return "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if now, ok := m.tags[o.Key]; ok != (tag != "") || ok && strconv.Itoa(now) != tag {
		return "", fs.ErrExist
	}
	body, err := io.ReadAll(o.Body)
	if err != nil {
		return "", err
	}
	m.count++
	m.objects[o.Key], m.tags[o.Key] = body, m.count
	return strconv.Itoa(m.count), nil
}

var main = keys.RunIndex("main")

func add(t *testing.T, s Store, e record.Entry) {
	t.Helper()
	if _, err := Add(t.Context(), s, main, e, nil); err != nil {
		t.Fatal(err)
	}
}

func newest(t *testing.T, s Store, limit int) []record.Entry {
	t.Helper()
	list, err := Newest(t.Context(), s, []string{main}, limit, nil)
	if err != nil {
		t.Fatal(err)
	}
	return list.Runs
}

// fill stores a head that is full, so that the next run moves a page.
func fill(t *testing.T, s Store, last int, entry func(int) record.Entry) {
	t.Helper()
	head := Head{Version: version}
	for n := last - 2*PageSize + 1; n <= last; n++ {
		head.add(entry(n))
	}
	if _, err := put(t.Context(), s, keys.RunIndexHead(main), head, ""); err != nil {
		t.Fatal(err)
	}
}

// complete fails if a run between two numbers is missing, is there twice, or is not in its order.
func complete(t *testing.T, s Store, first, last int) []record.Entry {
	t.Helper()
	all := newest(t, s, 1<<20)
	want := last
	for _, e := range all {
		if e.RunID != id(want) {
			t.Fatalf("run %s is in the place of %s, of %d", e.RunID, id(want), len(all))
		}
		want--
	}
	if want != first-1 {
		t.Fatalf("the oldest run is %d, not %d", want+1, first)
	}
	return all
}

func TestARunIsListedWhenItStartsAndWhenItEnds(t *testing.T) {
	s := newMemory()
	add(t, s, running(1))
	add(t, s, running(2))
	add(t, s, ended(1))
	add(t, s, running(1)) // the start comes late, and says less
	got := newest(t, s, 20)
	if len(got) != 2 || got[0].State != record.Running || got[1].State != record.Passed {
		t.Errorf("got %+v", got)
	}
	if now := got[0].Deadline.Add(time.Second); got[0].StateAt(now) != record.Lost || got[1].StateAt(now) != record.Passed {
		t.Error("a run that is running after its deadline is not lost")
	}
}

// A writer may die before any of its operations. What others wrote is there after the next one, whatever it left.
func TestAWriterThatDiesLosesNothing(t *testing.T) {
	dead := errors.New("killed")
	for at := 1; ; at++ {
		s := newMemory()
		fill(t, s, 2*PageSize, ended)
		n := 0
		s.before = func(string, string) error {
			if n++; n >= at {
				return dead
			}
			return nil
		}
		_, err := Add(t.Context(), s, main, ended(2*PageSize+1), nil)
		if err == nil {
			if at < 4 {
				t.Fatalf("a page is moved in %d operations", at)
			}
			return
		}
		s.before = nil
		complete(t, s, 1, 2*PageSize)
		add(t, s, ended(2*PageSize+1))
		complete(t, s, 1, 2*PageSize+1)
	}
}

// Each operation of one writer can come before all of another's. Both move a page, and one ends a run that is moved.
func TestOfTwoWritersNoneLosesWhatTheOtherWrote(t *testing.T) {
	for at := 1; ; at++ {
		s := newMemory()
		fill(t, s, 2*PageSize, running)
		n, met := 0, false
		s.before = func(string, string) error {
			if n++; n == at {
				met = true
				s.before = nil
				add(t, s, ended(1))
				add(t, s, ended(2*PageSize+2))
				add(t, s, ended(2))
			}
			return nil
		}
		add(t, s, ended(2*PageSize+1))
		s.before = nil
		if !met {
			return
		}
		all := complete(t, s, 1, 2*PageSize+2)
		for _, i := range []int{0, 1, len(all) - 2, len(all) - 1} {
			if all[i].State == record.Running {
				t.Errorf("before operation %d: the end of run %s is lost", at, all[i].RunID)
			}
		}
	}
}

func TestManyWritersAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	const writers, each = 6, 4
	first, err := folder.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	fill(t, first, 2*PageSize, ended)
	var wg sync.WaitGroup
	for w := range writers {
		s, err := folder.New(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		wg.Go(func() {
			for i := range each {
				n := 2*PageSize + 1 + w*each + i
				for _, e := range []record.Entry{running(n), ended(n)} {
					if _, err := Add(t.Context(), s, main, e, nil); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	for _, e := range complete(t, first, 1, 2*PageSize+writers*each) {
		if e.State == record.Running {
			t.Errorf("the end of run %s is lost", e.RunID)
		}
	}
}

func TestAHeadThatCannotBeReadIsReplacedWithoutLosingPages(t *testing.T) {
	s := newMemory()
	fillPages(t, s, main, 4*PageSize)
	s.objects[keys.RunIndexHead(main)] = []byte("no gzip")
	add(t, s, ended(4*PageSize+1))
	head, err := Load(t.Context(), s, main)
	if err != nil || len(head.Runs) != 1 {
		t.Fatalf("%d runs, %v", len(head.Runs), err)
	}
	for pages := 1; pages <= 3; pages++ { // each page that is moved finds one of the former pages
		for len(head.Runs) < 2*PageSize {
			head.add(ended(4*PageSize + pages*2*PageSize + len(head.Runs)))
		}
		if _, err := put(t.Context(), s, keys.RunIndexHead(main), head, head.tag); err != nil {
			t.Fatal(err)
		}
		add(t, s, ended(9000+pages))
		if head, err = Load(t.Context(), s, main); err != nil {
			t.Fatal(err)
		}
	}
	found := map[string]bool{}
	for _, e := range newest(t, s, 1<<20) {
		found[e.RunID] = true
	}
	for n := 1; n <= 2*PageSize+1; n++ { // the rest was in the head
		if !found[id(n)] {
			t.Fatalf("run %d is lost", n)
		}
	}
	// One of a newer runner stays.
	head.Version = version + 1
	if _, err := put(t.Context(), s, keys.RunIndexHead(main), head, head.tag); err != nil {
		t.Fatal(err)
	}
	var corrupt *CorruptError
	if _, err := Add(t.Context(), s, main, ended(9999), nil); !errors.As(err, &corrupt) || !corrupt.Newer {
		t.Errorf("the error is %v", err)
	}
}

func TestLiveIsWhatTheLastRunFound(t *testing.T) {
	s := newMemory()
	at := func(by, revision int) []record.LiveRevision {
		return []record.LiveRevision{{
			Environment: "production", Scope: "shop", Since: epoch.Add(time.Duration(by) * time.Hour), FoundBy: id(by),
			Revision: record.Revision{RunID: id(revision), SHA: testSHA, Branch: "main", At: epoch.Add(time.Duration(revision) * time.Minute)},
		}}
	}
	for _, step := range []struct{ by, revision, wantRevision, wantHours int }{
		{1, 1, 1, 0}, // the first that is known
		{2, 1, 1, 0}, // a deploy that was refused: nothing changes
		{4, 4, 4, 4},
		{3, 3, 4, 4}, // it was slow to write
		{5, 4, 4, 4}, // a deploy that was stopped is recorded before its end
		{5, 1, 1, 5}, // and had been rolled back
	} {
		head, err := Add(t.Context(), s, main, ended(step.by), at(step.by, step.revision))
		if err != nil {
			t.Fatal(err)
		}
		got := head.Live
		since := epoch.Add(time.Duration(step.wantHours) * time.Hour)
		if step.wantHours == 0 {
			since = epoch.Add(time.Minute)
		}
		if len(got) != 1 || got[0].RunID != id(step.wantRevision) || !got[0].Since.Equal(since) {
			t.Errorf("after run %d: %+v", step.by, got)
		}
	}
}

func TestBranchesAreBounded(t *testing.T) {
	s := newMemory()
	var full Head
	for n := 1; n <= maxBranches+5; n++ {
		e := ended(n)
		e.Branch = fmt.Sprintf("b%d", n)
		full.add(e)
	}
	full.Version = version
	if _, err := put(t.Context(), s, keys.RunIndexHead(main), full, ""); err != nil {
		t.Fatal(err)
	}
	again := ended(maxBranches + 6)
	again.Branch = "b100"
	add(t, s, again)
	head, err := Load(t.Context(), s, main)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, b := range head.Branches {
		names[b.Name] = true
	}
	if len(head.Branches) != maxBranches || len(names) != maxBranches || head.Branches[0].Name != "b100" {
		t.Errorf("%d branches, the first is %+v", len(head.Branches), head.Branches[0])
	}
	if !slices.IsSortedFunc(head.Runs, record.Newer) {
		t.Error("the runs are not sorted")
	}
}

func FuzzDecode(f *testing.F) {
	s := newMemory()
	if _, err := Add(f.Context(), s, main, ended(7), nil); err != nil {
		f.Fatal(err)
	}
	f.Add(s.objects[keys.RunIndexHead(main)])
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		s := newMemory()
		s.objects[keys.RunIndexHead(main)], s.tags[keys.RunIndexHead(main)] = body, 1
		_, err := Add(t.Context(), s, main, ended(1), nil)
		var corrupt *CorruptError
		if err != nil && !errors.As(err, &corrupt) {
			t.Error(err)
		}
	})
}

// Of two indexes the quiet one has old runs in its head, which are not newer than those in the pages of the busy one.
func TestNewestOfTwoIndexes(t *testing.T) {
	s := newMemory()
	quiet, busy := Folders("")[0], Folders("")[1]
	fillPages(t, s, busy, 1000)
	for _, n := range []int{7, 14, 21} {
		e := ended(n)
		e.Branch, e.RunID = "quiet", e.RunID[:len(e.RunID)-1]+"q"
		if _, err := Add(t.Context(), s, quiet, e, nil); err != nil {
			t.Fatal(err)
		}
	}
	failed := func(e record.Entry) bool { return e.State == record.Failing }
	inHeads := 0
	for n := 1000; n > 1000-2*PageSize+1; n-- {
		if n%7 == 0 {
			inHeads++
		}
	}
	list, err := Newest(t.Context(), s, Folders(""), inHeads+2, failed)
	if err != nil || len(list.Runs) != inHeads+2 || !list.Older {
		t.Fatalf("%d runs, %v", len(list.Runs), err)
	}
	for _, e := range list.Runs {
		if e.Branch == "quiet" {
			t.Errorf("%s is among the newest", e.RunID)
		}
	}
	if len(list.Branches) != 2 || list.Branches[0].Name != "main" {
		t.Errorf("the branches are %+v", list.Branches)
	}
}

// BenchmarkAdd adds runs to a head with as many as it has on average.
func BenchmarkAdd(b *testing.B) {
	s := newMemory()
	head := Head{Version: version}
	for n := 1; n <= PageSize*3/2; n++ {
		head.add(ended(n))
	}
	if _, err := put(b.Context(), s, keys.RunIndexHead(main), head, ""); err != nil {
		b.Fatal(err)
	}
	for n := 1000; b.Loop(); n++ {
		if _, err := Add(b.Context(), s, main, ended(n), nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(s.objects[keys.RunIndexHead(main)])), "head-bytes")
}
