package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/folder"
)

// The variables that make the test binary a process which saves or restores, and dies at its n-th step.
const (
	victimStore = "CACHE_TEST_STORE"
	victimDir   = "CACHE_TEST_DIR"
	victimKey   = "CACHE_TEST_KEY"
	victimSteps = "CACHE_TEST_STEPS"
	victimJob   = "CACHE_TEST_JOB" // save or restore
)

func TestMain(m *testing.M) {
	if os.Getenv(victimStore) != "" {
		os.Exit(victim())
	}
	os.Exit(m.Run())
}

func victim() int {
	steps, _ := strconv.ParseInt(os.Getenv(victimSteps), 10, 64)
	store, err := folder.New(os.Getenv(victimStore))
	if err != nil {
		return 3
	}
	mortal := &mortalStore{Store: store, left: steps}
	c := &Cache{Store: mortal, Name: "deps", Branch: "main", Main: "main", Platform: "linux-arm64"}
	paths, key := []Path{{os.Getenv(victimDir), "a/deps"}}, NewKey(os.Getenv(victimKey))
	if os.Getenv(victimJob) == "restore" {
		_, err = c.Restore(context.Background(), key, paths, []string{"a/deps"})
	} else {
		_, err = c.Save(context.Background(), nil, SaveOptions{Key: key, Paths: paths, Declared: []string{"a/deps"}})
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	status, _ := os.ReadFile("/proc/self/status")
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	peak, _, _ = strings.Cut(peak, " kB")
	fmt.Println("peak", strings.TrimSpace(peak))
	return 0
}

// mortalStore kills its process at a step: before a request, in the middle of a body, after a request.
type mortalStore struct {
	Store
	left int64
}

func (m *mortalStore) step() {
	if atomic.AddInt64(&m.left, -1) == 0 {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

func (m *mortalStore) Put(ctx context.Context, o artifacts.Object) (string, error) {
	m.step()
	o.Body = &mortalBody{o.Body, m}
	version, err := m.Store.Put(ctx, o)
	m.step()
	return version, err
}

func (m *mortalStore) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	m.step()
	r, err := m.Store.Get(ctx, key)
	m.step()
	return r, err
}

type mortalBody struct {
	io.ReadSeeker
	m *mortalStore
}

func (b *mortalBody) Read(p []byte) (int, error) {
	n, err := b.ReadSeeker.Read(p[:min(len(p), 300_000)])
	if n > 0 {
		b.m.step()
	}
	return n, err
}

// die runs the test binary as a victim and reports whether it was killed.
func die(t *testing.T, job, store, dir, key string, steps int) bool {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victimStore+"="+store, victimDir+"="+dir, victimKey+"="+key,
		victimSteps+"="+strconv.Itoa(steps), victimJob+"="+job)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return true
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return false
}

func TestKilledSavesLeaveAWholeEntryOrNone(t *testing.T) {
	c := newCache(t)
	store := c.Store.(*folder.Store).Locate("")
	old, young := newProject(t), newProject(t)
	write(t, old.path("which"), []byte("old"))
	old.save(c, "old", nil)
	for i := range 6 {
		write(t, young.path(fmt.Sprintf("f%d", i)), random(uint64(i), 900_000))
	}
	before := describe(t, young.path())
	moments, killed := 0, 0
	for steps := 1; ; steps++ {
		key := "young" + strconv.Itoa(steps)
		dead := die(t, "save", store, young.dir, key, steps)
		moments++
		r := newProject(t)
		got := r.restore(c, key)
		switch {
		case !got.Hit || len(got.Problems) > 0:
			t.Fatalf("killed at step %d: %+v", steps, got)
		case got.Exact:
			if d := differences(before, describe(t, r.path())); d != "" {
				t.Fatalf("killed at step %d: %s", steps, d)
			}
		case !dead:
			t.Fatal("a save that was not killed left no entry")
		}
		if !dead {
			break
		}
		killed++
		// The next save is not troubled by what is left. It is removed again, so that the next round stores everything.
		if steps%6 == 1 {
			young.save(c, key, nil)
			if r := newProject(t).restore(c, key); !r.Exact {
				t.Fatalf("killed at step %d, then saved: %+v", steps, r)
			}
		}
	}
	if killed < 20 {
		t.Errorf("only %d of %d saves were killed", killed, moments)
	}
}

func TestKilledRestoresLeaveNothingOrAll(t *testing.T) {
	c := newCache(t)
	store := c.Store.(*folder.Store).Locate("")
	p := newProject(t)
	for i := range 30 {
		write(t, p.path(fmt.Sprintf("f%d", i)), random(uint64(i), 900_000))
	}
	p.save(c, "k", nil)
	before := describe(t, p.path())
	q := newProject(t)
	write(t, q.path("mine"), []byte("was here"))
	mine := describe(t, q.path())
	killed := 0
	for steps := 1; die(t, "restore", store, q.dir, "k", steps); steps++ {
		killed++
		if d := differences(mine, describe(t, q.path())); d != "" {
			t.Fatalf("killed at step %d: %s", steps, d)
		}
	}
	if d := differences(before, describe(t, q.path())); d != "" {
		t.Error(d)
	}
	if left, _ := filepath.Glob(filepath.Join(q.dir, "a", tempPrefix+"*")); len(left) > 0 {
		t.Errorf("killed restores left %v", left)
	}
	if killed < 20 {
		t.Errorf("only %d restores were killed", killed)
	}
}

func TestTwoWritersOfOneKeyLeaveOneEntry(t *testing.T) {
	c := newCache(t)
	var group sync.WaitGroup
	var first atomic.Int64
	for w := range 4 {
		p := newProject(t)
		for i := range 50 {
			write(t, p.path(fmt.Sprintf("f%d", i)), random(uint64(w%2*1000+i), 20_000))
		}
		group.Go(func() {
			s, err := c.Save(context.Background(), nil, p.options("k"))
			if err != nil {
				t.Error(err)
			}
			if !s.Existed {
				first.Add(1)
			}
		})
	}
	group.Wait()
	if first.Load() != 1 {
		t.Errorf("%d writers say that the entry is theirs", first.Load())
	}
	q := newProject(t)
	if r := q.restore(c, "k"); !r.Exact || r.Entry.Files != 50 {
		t.Errorf("restored %+v", r)
	}
}

// objects returns the files of a store below cache/, records and blocks.
func objects(t *testing.T, c *Cache) (records, blocks []string) {
	t.Helper()
	root := c.Store.(*folder.Store).Locate("")
	for name := range artifactstest.Read(t, root) {
		if strings.Contains(name, "~/entries/") {
			records = append(records, filepath.Join(root, name))
		} else {
			blocks = append(blocks, filepath.Join(root, name))
		}
	}
	return records, blocks
}

func TestDamageIsAMissAndHeals(t *testing.T) {
	damages := map[string]func(text []byte) []byte{
		"a bit flipped": func(b []byte) []byte { b[len(b)/2] ^= 4; return b },
		"half of it":    func(b []byte) []byte { return b[:len(b)/2] },
		"nothing of it": func([]byte) []byte { return nil },
		"more of it":    func(b []byte) []byte { return append(b, "more"...) },
		"gone":          func([]byte) []byte { return []byte("GONE") },
	}
	template, p := newCache(t), newProject(t)
	p.variety()
	before := describe(t, p.path())
	p.save(template, "k", nil)
	whole := template.Store.(*folder.Store).Locate("")
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			records, blocks := objects(t, template)
			for _, file := range append(records, blocks...) {
				c := newCache(t)
				store := c.Store.(*folder.Store).Locate("")
				artifactstest.Must(t, os.CopyFS(store, os.DirFS(whole)))
				text, err := os.ReadFile(file)
				artifactstest.Must(t, err)
				file = filepath.Join(store, strings.TrimPrefix(file, whole))
				if broken := damage(text); string(broken) == "GONE" {
					artifactstest.Must(t, os.Remove(file))
				} else {
					artifactstest.Must(t, os.WriteFile(file, broken, 0o644))
				}
				q := newProject(t)
				write(t, q.path("mine"), []byte("was here"))
				mine := describe(t, q.path())
				r := q.restore(c, "k")
				if r.Hit && name == "more of it" && strings.Contains(file, "/blocks/") {
					continue // what follows a block is not read
				}
				if r.Hit {
					t.Fatalf("%s was restored although %s is damaged", r.Entry.Key, file)
				}
				if d := differences(mine, describe(t, q.path())); d != "" {
					t.Errorf("a miss changed the path: %s", d)
				}
				p.save(c, "k", r)
				if r := q.restore(c, "k"); !r.Exact {
					t.Fatalf("the entry was not saved again: %+v", r)
				}
				if d := differences(before, describe(t, q.path())); d != "" {
					t.Error(d)
				}
			}
		})
	}
}

func TestAFullDiskLeavesThePathAsItWas(t *testing.T) {
	c, p := newCache(t), newProject(t)
	for i := range 20 {
		write(t, p.path(fmt.Sprintf("f%d", i)), random(uint64(i), 500_000))
	}
	p.save(c, "k", nil)
	small := project{t, artifactstest.MountTmpfs(t, "4m")}
	write(t, small.path("mine"), []byte("was here"))
	mine := describe(t, small.path())
	r := small.restore(c, "k")
	if r.Hit || len(r.Problems) != 1 || !errors.Is(r.Problems[0], syscall.ENOSPC) {
		t.Fatalf("restored %+v", r)
	}
	if d := differences(mine, describe(t, small.path())); d != "" {
		t.Error(d)
	}
	full, err := folder.New(artifactstest.MountTmpfs(t, "4m"))
	artifactstest.Must(t, err)
	defer full.Close()
	broken := *c
	broken.Store = full
	if _, err := broken.Save(t.Context(), nil, p.options("k")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("saved to a full disk: %v", err)
	}
	if r := newProject(t).restore(&broken, "k"); r.Hit || len(r.Problems) > 0 {
		t.Errorf("restored from a full disk: %+v", r)
	}
}

func TestAFailingStoreIsAMiss(t *testing.T) {
	c, p := newCache(t), newProject(t)
	write(t, p.path("a"), random(1, 100_000))
	p.save(c, "k", nil)
	fails := errors.New("the store is down")
	for _, op := range []string{"get", "list"} {
		broken := *c
		broken.Store = &failing{c.Store, op, fails}
		r, err := broken.Restore(t.Context(), NewKey("other"), newProject(t).paths(), []string{"a/deps"})
		if err != nil || r.Hit || len(r.Problems) == 0 || !errors.Is(r.Problems[0], fails) {
			t.Errorf("%s: %+v, %v", op, r, err)
		}
	}
	broken := *c
	broken.Store = &failing{c.Store, "put", fails}
	if _, err := broken.Save(t.Context(), nil, p.options("other")); !errors.Is(err, fails) {
		t.Errorf("saved: %v", err)
	}
}

// failing is a store of which one operation fails.
type failing struct {
	Store
	op  string
	err error
}

func (f *failing) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	if f.op == "get" {
		return nil, f.err
	}
	return f.Store.Get(ctx, key)
}

func (f *failing) Put(ctx context.Context, o artifacts.Object) (string, error) {
	if f.op == "put" {
		return "", f.err
	}
	return f.Store.Put(ctx, o)
}

func (f *failing) List(ctx context.Context, prefix string) iter.Seq2[artifacts.Entry, error] {
	if f.op == "list" {
		return func(yield func(artifacts.Entry, error) bool) { yield(artifacts.Entry{}, f.err) }
	}
	return f.Store.List(ctx, prefix)
}
