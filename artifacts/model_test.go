package artifacts_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/keys"
)

// The model runs the real Publish of two publishers, A and B, against a bucket in memory that answers one request at a
// time, in every order that makes a difference, and with either of them killed before any request. After each request
// a reader must find the old set, the new one or, without versions, none; in the end, and after another publisher, the
// bucket must have what the manifests say and nothing else.
//
// Orders are enumerated by running again with other choices, and pruned by sleep sets: of two requests that commute,
// those of other objects and reads, both orders are one. Time passes when no request is in progress; and once,
// at any point, for a publisher that waits for a lock.

var (
	modelRef      = artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}
	modelContents = map[string]artifactstest.Files{
		"old": {"x": "old", "gone": "old"}, "A": {"x": "A", "a": "A"}, "B": {"x": "B", "b": "B"}, "last": {"x": "last"},
	}
)

// modelCase is where the publishers begin, and what they want.
type modelCase struct {
	versioned, old, firstWins, mirror bool
	broken                            func(b *bucket) // breaks the protocol; nil for none
}

func (c modelCase) String() string {
	words := []string{"a new set", "in a bucket without versions"}
	if c.old {
		words[0] = "a set that is there"
	}
	if c.versioned {
		words[1] = "in a versioned bucket"
	}
	if c.firstWins {
		words = append(words, "the first wins")
	}
	if c.mirror {
		words = append(words, "with a mirror")
	}
	return strings.Join(words, ", ")
}

func TestEveryOrderOfTwoPublishersAndACrash(t *testing.T) {
	dirs := modelDirs(t)
	for _, versioned := range []bool{false, true} {
		for _, c := range []modelCase{{}, {old: true}, {firstWins: true}, {mirror: true}, {old: true, mirror: true}} {
			c.versioned = versioned
			t.Run(c.String(), func(t *testing.T) {
				t.Parallel()
				most := orders(t, 400)
				runs, problem := explore(t, c, dirs, most)
				all := runs < most
				if problem == "" && !all {
					runs, problem = sample(t, c, dirs, most)
				}
				if problem != "" {
					t.Errorf("order %d: %s", runs, problem)
				}
				t.Logf("all orders: %v (%d)", all, runs)
			})
		}
	}
}

// A model that finds nothing wrong with a broken protocol proves nothing.
func TestTheModelFindsBrokenProtocols(t *testing.T) {
	dirs := modelDirs(t)
	for what, c := range map[string]modelCase{
		"a lock that never excludes":                        {broken: func(b *bucket) { b.openLocks = true }},
		"a lock that counts as seen whoever has had it":     {broken: func(b *bucket) { b.alwaysAsSeen = true }},
		"reads beside a lock that has been held":            {old: true, broken: func(b *bucket) { b.alwaysNew = true }},
		"a record that replaces that of the other":          {broken: func(b *bucket) { b.ignoreTag = "~pending.json" }},
		"no record of what may be touched":                  {broken: func(b *bucket) { b.drop = "put manifests/builds/main/" + artifactstest.SHA1 + "~pending.json" }},
		"a manifest that stays while its files are changed": {old: true, broken: func(b *bucket) { b.drop = "delete manifests/builds/main/" + artifactstest.SHA1 + ".json" }},
		"obsolete files that stay":                          {old: true, broken: func(b *bucket) { b.drop = "delete builds/main/" + artifactstest.SHA1 + "/gone" }},
		"no version in the manifest":                        {old: true, versioned: true, broken: func(b *bucket) { b.hideVersions = true }},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			most := orders(t, 3000)
			runs, problem := sample(t, c, dirs, most)
			if problem == "" {
				runs, problem = explore(t, c, dirs, most)
			}
			if problem == "" {
				t.Errorf("%d orders, and nothing found", runs)
			}
			t.Logf("order %d: %s", runs, problem)
		})
	}
}

func modelDirs(t *testing.T) map[string]string {
	dirs := map[string]string{}
	for name, f := range modelContents {
		dirs[name] = f.Dir(t)
	}
	return dirs
}

// model is one order.
type model struct {
	t *testing.T
	modelCase
	dirs map[string]string

	bucket  *bucket
	random  *rand.Rand // chooses; nil to enumerate
	path    *[]*choice
	depth   int
	crashed string
	ticked  bool
	seen    []string // names of the contents that the set has had
	trace   []string
}

const tick = 1500 * time.Millisecond // longer than between two looks at a lock, shorter than between two heartbeats

func (m *model) run() (problem string) {
	m.bucket = newBucket(m.versioned)
	if m.old {
		m.alone("old")
	}
	m.bucket.breakBy(m.broken)
	m.seen = nil
	results := map[string]chan error{"A": make(chan error, 1), "B": make(chan error, 1)}
	for name, result := range results {
		s := m.bucket.client(name)
		go func() { result <- m.publish(s, name) }()
	}
	ended := map[string]error{}
	for len(ended) < len(results) {
		synctest.Wait()
		for name, result := range results {
			select {
			case err := <-result:
				if ended[name] = err; err == nil {
					ended[name] = errPublished
				}
			default:
			}
		}
		if len(ended) == len(results) {
			break
		}
		if pruned := m.step(ended); pruned {
			m.drain(results, ended)
			return ""
		}
		if problem = m.check(); problem != "" {
			m.drain(results, ended)
			return problem + "\n" + strings.Join(m.trace, "\n")
		}
	}
	if problem = m.checkEnd(ended); problem != "" {
		problem += "\n" + strings.Join(m.trace, "\n")
	}
	return problem
}

var errPublished = errors.New("published")

// drain ends an order early.
func (m *model) drain(results map[string]chan error, ended map[string]error) {
	for name := range results {
		m.bucket.crash(name)
	}
	for name, result := range results {
		if ended[name] == nil {
			<-result
		}
	}
}

func (m *model) publish(s *client, name string) error {
	ctx := context.Background()
	set := artifacts.Set{Kind: "builds", Ref: modelRef, RunID: name, Dir: m.dirs[name]}
	if m.mirror {
		set.Mirror = "latest"
	}
	if m.firstWins {
		set.FirstWins = func(context.Context, artifacts.Manifest) bool { return true }
	}
	set.Prepared = artifacts.Prepare(ctx, s, set)
	_, err := artifacts.Publish(ctx, s, set)
	return errors.Join(err, set.Prepared.Close())
}

// alone publishes without anybody else.
func (m *model) alone(name string) {
	m.bucket.free = true
	defer func() { m.bucket.free = false }()
	first := m.firstWins
	m.firstWins = false
	artifactstest.Must(m.t, m.publish(m.bucket.client(name), name))
	m.firstWins = first
}

// step carries out one request, kills a publisher, or lets time pass. It reports true if what follows need not be seen.
func (m *model) step(ended map[string]error) (pruned bool) {
	enabled := m.bucket.waiting()
	if len(enabled) == 0 {
		time.Sleep(tick)
		return false
	}
	if m.crashed == "" && !m.ticked && ended["A"] == nil { // B is like A
		enabled = append(enabled, "crash A")
	}
	for _, name := range []string{"A", "B"} {
		idle := !slices.ContainsFunc(enabled, func(id string) bool { return strings.HasPrefix(id, name+" ") })
		if idle && !m.ticked && ended[name] == nil && m.crashed == "" {
			enabled = append(enabled, "tick")
		}
	}
	taken := m.choose(enabled)
	m.trace = append(m.trace, taken)
	name, isCrash := strings.CutPrefix(taken, "crash ")
	switch {
	case taken == "":
		return true
	case taken == "tick":
		m.ticked = true
		time.Sleep(tick)
	case isCrash:
		m.crashed = name
		m.bucket.crash(name)
	default:
		m.bucket.serve(taken)
	}
	return false
}

// check is what holds after every request.
func (m *model) check() string {
	name, problem := m.bucket.content(keys.Manifest("builds", modelRef), keys.Set("builds", modelRef))
	if problem == "" && name == "" && m.versioned && (m.old || len(m.seen) > 0) {
		problem = "the old set is gone before the new one is there"
	}
	if name != "" && !slices.Contains(m.seen, name) {
		m.seen = append(m.seen, name)
	}
	if problem == "" && m.firstWins && len(m.seen) > 1 {
		problem = fmt.Sprintf("the first set was replaced: %v", m.seen)
	}
	if problem == "" && m.mirror {
		_, problem = m.bucket.content(keys.MirrorManifest("builds", "main"), keys.Mirror("builds", "main"))
	}
	if problem == "" && m.versioned && m.bucket.has(keys.LatestManifest("builds", "main")) && name == "" {
		problem = "the newest set does not exist"
	}
	return problem
}

// checkEnd is what holds when both publishers have ended, and after another one.
func (m *model) checkEnd(ended map[string]error) string {
	var exists *artifacts.ExistsError
	for name, err := range ended {
		refused := m.firstWins && errors.As(err, &exists)
		if name != m.crashed && !errors.Is(err, errPublished) && !refused {
			return fmt.Sprintf("%s was not killed, and fails: %v", name, err)
		}
	}
	published := slices.Sorted(maps.Keys(maps.Collect(func(yield func(string, bool) bool) {
		for name, err := range ended {
			if errors.Is(err, errPublished) && !yield(name, true) {
				return
			}
		}
	})))
	name, problem := m.bucket.content(keys.Manifest("builds", modelRef), keys.Set("builds", modelRef))
	switch {
	case problem != "":
		return problem
	case m.crashed == "" && !slices.Contains(published, name):
		return fmt.Sprintf("%v were published, and the set is %q", published, name)
	case m.crashed == "":
		mirror, _ := m.bucket.content(keys.MirrorManifest("builds", "main"), keys.Mirror("builds", "main"))
		if problem := m.onlyHas(name, mirror); problem != "" { // each has its last publisher
			return problem
		}
	}
	m.firstWins = false
	m.alone("last")
	return m.onlyHas("last", "last")
}

// onlyHas reports what the bucket has beside one content of the set, one of the mirror, and their records.
func (m *model) onlyHas(name, mirror string) string {
	want := []string{keys.Manifest("builds", modelRef), keys.LatestManifest("builds", "main")}
	objects := modelContents[name].Under(keys.Set("builds", modelRef))
	if m.mirror {
		want = append(want, keys.MirrorManifest("builds", "main"))
		maps.Copy(objects, modelContents[mirror].Under(keys.Mirror("builds", "main")))
	}
	for key, text := range objects {
		want = append(want, key)
		if got := m.bucket.text(key); got != text {
			return fmt.Sprintf("%s has %q, not %q", key, got, text)
		}
	}
	slices.Sort(want)
	if got := m.bucket.keys(); !slices.Equal(got, want) {
		return fmt.Sprintf("the bucket has\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	return ""
}
