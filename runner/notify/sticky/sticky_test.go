package sticky

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/folder"
	"github.com/carlin-cicd/runner/runner/record"
)

// board is a service with posts.
type board struct {
	mu     sync.Mutex
	posts  map[string]string
	made   int
	failed int           // further creations to fail
	delay  time.Duration // at most, before and after a change
}

func (b *board) pause() {
	if b.delay > 0 {
		time.Sleep(rand.N(b.delay))
	}
}

func text(items []record.Shown) string {
	var names []string
	for _, i := range items {
		names = append(names, i.Run.Step+"="+string(i.Run.State))
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func (b *board) Create(_ context.Context, items []record.Shown) (string, error) {
	b.pause()
	b.mu.Lock()
	if b.failed > 0 {
		b.failed--
		b.mu.Unlock()
		return "", errors.New("refused")
	}
	b.made++
	id := fmt.Sprint(b.made)
	b.posts[id] = text(items)
	b.mu.Unlock()
	b.pause()
	return id, nil
}

func (b *board) Update(_ context.Context, id string, items []record.Shown) error {
	b.pause()
	b.mu.Lock()
	if _, ok := b.posts[id]; !ok {
		b.mu.Unlock()
		return ErrGone
	}
	b.posts[id] = text(items)
	b.mu.Unlock()
	b.pause()
	return nil
}

func run(id int, step string, state record.State) record.Shown {
	return record.Shown{Run: record.Entry{RunID: fmt.Sprintf("%03d", id), Step: step, SHA: "abc", State: state}}
}

func store(t *testing.T) Store {
	t.Helper()
	s, err := folder.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRunsThatEndAtOnceShareOnePost(t *testing.T) {
	for round := range 8 {
		b := &board{posts: map[string]string{}, delay: 20 * time.Millisecond}
		s := Shared{Store: store(t), Key: "runs/main/abc/slack.json", Post: b}
		var all sync.WaitGroup
		var want []string
		for i := range 8 {
			state := record.Passed
			if i%3 == 0 {
				state = record.Failing
			}
			want = append(want, fmt.Sprintf("step%d=%s", i, state))
			all.Go(func() {
				if _, err := s.Show(t.Context(), run(i, fmt.Sprintf("step%d", i), state), state == record.Failing); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if b.made != 1 || b.posts["1"] != strings.Join(want, " ") {
			t.Fatalf("round %d: %d posts: %q", round, b.made, b.posts)
		}
	}
}

func TestWhatIsNotWorthAPostWaitsForOne(t *testing.T) {
	b := &board{posts: map[string]string{}}
	s := Shared{Store: store(t), Key: "k.json", Post: b}
	show := func(i record.Shown, worthwhile bool) string {
		t.Helper()
		id, err := s.Show(t.Context(), i, worthwhile)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	if id := show(run(1, "build", record.Passed), false); id != "" || b.made != 0 {
		t.Errorf("a post %q was made", id)
	}
	if id := show(run(2, "test", record.Failing), true); id != "1" || b.posts["1"] != "build=passed test=failed" {
		t.Errorf("the post %q is %q", id, b.posts)
	}
	if show(run(3, "test", record.Passed), false); b.made != 1 || b.posts["1"] != "build=passed test=passed" {
		t.Errorf("after another run of the step it is %q", b.posts)
	}
	if show(run(2, "test", record.Failing), false); b.posts["1"] != "build=passed test=passed" {
		t.Errorf("an older run replaced a newer one: %q", b.posts)
	}
	other := run(4, "test", record.Failing)
	other.Run.SHA = "def"
	if show(other, false); b.made != 1 || b.posts["1"] != "test=failed" {
		t.Errorf("of another commit it says %q", b.posts)
	}
	delete(b.posts, "1")
	if id := show(run(5, "build", record.Passed), false); id != "2" || b.posts["2"] != "build=passed" {
		t.Errorf("a post that was deleted: %q, %q", id, b.posts)
	}
}

func TestACreationThatFailedIsLeftToTheNextRun(t *testing.T) {
	b := &board{posts: map[string]string{}, failed: 1}
	s := Shared{Store: store(t), Key: "k.json", Post: b}
	if _, err := s.Show(t.Context(), run(1, "build", record.Failing), true); err == nil {
		t.Error("there is no error")
	}
	if id, err := s.Show(t.Context(), run(2, "test", record.Passed), false); id != "1" || err != nil ||
		b.posts["1"] != "build=failed test=passed" {
		t.Errorf("the post %q is %q, %v", id, b.posts, err)
	}
}

// A run that dies with the claim keeps others waiting for as long as its requests might last, and no longer.
func TestTheClaimOfADeadRunIsTakenOver(t *testing.T) {
	dir := store(t)
	synctest.Test(t, func(t *testing.T) {
		b := &board{posts: map[string]string{}}
		s := Shared{Store: dir, Key: "k.json", Post: b, Now: time.Now}
		if _, err := s.merge(t.Context(), run(1, "build", record.Failing), true); err != nil { // and no more
			t.Fatal(err)
		}
		began := time.Now()
		id, err := s.Show(t.Context(), run(2, "test", record.Failing), true)
		if err != nil || id != "1" || b.posts["1"] != "build=failed test=failed" || time.Since(began) < Claim-time.Second {
			t.Errorf("after %s the post %q is %q, %v", time.Since(began), id, b.posts, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), Claim/2)
		defer cancel()
		s.Key = "other.json"
		if _, err := s.merge(t.Context(), run(1, "build", record.Failing), true); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Show(ctx, run(2, "test", record.Failing), true); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("without the time for it: %v", err)
		}
	})
}

func TestAStateThatCannotBeReadBeginsAnew(t *testing.T) {
	dir := store(t)
	for _, body := range []string{"", "{", `{"id":"../../x","items":[]}`, `[]`} {
		_, tag, _ := dir.Load(t.Context(), "k.json")
		if _, err := dir.Swap(t.Context(), artifacts.Object{
			Key: "k.json", Body: strings.NewReader(body), Size: int64(len(body)), Type: "application/json",
		}, tag); err != nil {
			t.Fatal(err)
		}
		b := &board{posts: map[string]string{}}
		if id, err := (Shared{Store: dir, Key: "k.json", Post: b}).Show(t.Context(), run(1, "a", record.Failing), true); id != "1" || err != nil {
			t.Errorf("%q: %q, %v", body, id, err)
		}
	}
}
