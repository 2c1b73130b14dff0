package runner

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/folder"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/overview"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/runner/runs"
)

// indexedRun returns a run with a store, and what it logs.
func indexedRun(t *testing.T) (*run, *folder.Store, func() string) {
	t.Helper()
	r := endedRun(t, t.TempDir(), ".", map[string]string{"USER": "ana"})
	s, err := folder.New(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	r.Store = s
	return r, s, func() string {
		r.sink.Flush()
		return r.in.Stdout.(*strings.Builder).String()
	}
}

func indexOf(t *testing.T, s *folder.Store, branch string) []record.Entry {
	t.Helper()
	list, err := runs.Newest(t.Context(), s, runs.Folders(branch), 10, nil)
	if err != nil {
		t.Fatal(err)
	}
	return list.Runs
}

func TestTheEndOfARunIsListedWhateverItsStartIsDoing(t *testing.T) {
	r, s, logged := indexedRun(t)
	r.Redactor.Add(redact.Secret{Name: "TOKEN", Value: "hunter2-hunter2"})
	r.Config.Actor = "hunter2-hunter2"
	r.indexStart(r.startedRecord())
	r.indexEnd(r.buildRecord(outcome.Of(errors.New("hunter2-hunter2 is wrong"))))
	r.awaitIndex()
	for _, branch := range []string{"main", ""} {
		all := indexOf(t, s, branch)
		if len(all) != 1 || all[0].State != record.Failing || strings.Contains(all[0].Cause+all[0].Actor, "hunter2") || all[0].Cause == "" {
			t.Errorf("the index of %q has %+v", branch, all)
		}
		if _, err := s.Get(t.Context(), overview.Key(branch)); err != nil {
			t.Error(err)
		}
	}
	if text := logged(); strings.Contains(text, "index") {
		t.Errorf("the log says %s", text)
	}
}

// counting counts the heads of indexes that are stored.
type counting struct {
	*folder.Store
	heads atomic.Int32
}

func (c *counting) Swap(ctx context.Context, o artifacts.Object, tag string) (string, error) {
	if strings.HasSuffix(o.Key, "head.json.gz") {
		c.heads.Add(1)
	}
	return c.Store.Swap(ctx, o, tag)
}

func TestARunOfAMomentIsListedOnce(t *testing.T) {
	for _, c := range []struct {
		began time.Time
		heads int32 // of the branch and of the repository
	}{{time.Now().Add(time.Hour), 2}, {time.Now().Add(-momentaryRun), 4}} {
		r, s, _ := indexedRun(t)
		store := &counting{Store: s}
		r.Store, r.Began = store, c.began
		r.indexStart(r.startedRecord())
		if c.heads == 4 {
			for store.heads.Load() < 2 { // it is listed as running
				time.Sleep(time.Millisecond)
			}
		} else {
			time.Sleep(50 * time.Millisecond)
		}
		r.indexEnd(r.buildRecord(outcome.Of(nil)))
		r.awaitIndex()
		if n := store.heads.Load(); n != c.heads {
			t.Errorf("%d heads are stored, not %d", n, c.heads)
		}
	}
}

// deaf is a store whose conditional writes do not return before their context ends.
type deaf struct{ *folder.Store }

func (d deaf) Swap(ctx context.Context, _ artifacts.Object, _ string) (string, error) {
	<-ctx.Done()
	return "", ctx.Err()
}

func TestAStoreThatDoesNotAnswerHoldsUpNoEnd(t *testing.T) {
	r, s, logged := indexedRun(t)
	r.Store, r.indexing.patience = deaf{s}, time.Millisecond
	r.indexStart(r.startedRecord())
	r.indexEnd(r.buildRecord(outcome.Of(nil)))
	r.awaitIndex()
	if text := logged(); !strings.Contains(text, "the index of runs is incomplete") {
		t.Errorf("the log says %s", text)
	}
}

// denying refuses to store what shows the protected branches or the repository, as the roles of branches do.
type denying struct{ *folder.Store }

func (d denying) Swap(ctx context.Context, o artifacts.Object, tag string) (string, error) {
	if strings.HasPrefix(o.Key, keys.RunIndexProtected) {
		return "", &artifacts.StoreError{Op: "put", Key: o.Key, Err: fs.ErrPermission, Denied: true}
	}
	return d.Store.Swap(ctx, o, tag)
}

func (d denying) Put(ctx context.Context, o artifacts.Object) (string, error) {
	if o.Key == keys.RunIndexRepository {
		return "", &artifacts.StoreError{Op: "put", Key: o.Key, Err: fs.ErrPermission, Denied: true}
	}
	return d.Store.Put(ctx, o)
}

func TestABranchNeedNotWriteThePageOfTheRepository(t *testing.T) {
	r, s, logged := indexedRun(t)
	r.Store, r.Config.Artifacts, r.Config.Protected = denying{s}, "s3://bucket", "*"
	r.indexEnd(r.buildRecord(outcome.Of(nil)))
	r.awaitIndex()
	if text := logged(); strings.Contains(text, "index") {
		t.Errorf("the log says %s", text)
	}
	if len(indexOf(t, s, "")) != 1 {
		t.Error("the run is not listed in the index of the repository")
	}
}

func TestWhereARunIsListed(t *testing.T) {
	r := endedRun(t, t.TempDir(), ".", nil)
	r.Config.Artifacts, r.Config.MainBranch = "s3://bucket", "main"
	if got := r.repositoryIndex(); got != keys.RunIndexProtected {
		t.Error(got)
	}
	r.Ref.Branch = "feature/x"
	if got := r.repositoryIndex(); got != keys.RunIndexOthers {
		t.Error(got)
	}
}

// Without a pipeline in runner.yaml, the cluster's own says what waits for an approval.
func TestWhatTheClustersPipelineWaitsFor(t *testing.T) {
	r, _, _ := indexedRun(t)
	r.Config.MainBranch, r.Config.Event = "main", "push"
	r.Config.Environments, r.Config.Approvals = []string{"staging", "production"}, []string{"production"}
	for _, c := range []struct {
		step, environment, want string
		failed                  bool
	}{
		{"test", "", "", false},
		{"deploy", "staging", "production after deploy@staging", false},
		{"deploy", "staging", "", true},
		{"migrate", "staging", "", false},
		{"deploy", "production", "", false},
		{"deploy", "elsewhere", "", false},
	} {
		got := ""
		if a := r.awaits(record.Run{Passed: !c.failed, Identity: record.Identity{Step: c.step, Environment: c.environment}}); a != nil {
			got = a.Environment + " after " + strings.Join(a.Steps, ", ")
		}
		if got != c.want {
			t.Errorf("%s of %q: %q", c.step, c.environment, got)
		}
	}
	tested := record.Run{Passed: true, Identity: record.Identity{Step: "test"}}
	r.Config.Approvals = []string{"staging"}
	if a := r.awaits(tested); a == nil || a.Environment != "staging" || strings.Join(a.Steps, " ") != "build test" {
		t.Errorf("%+v", a)
	}
	r.Config.Event = "schedule"
	if a := r.awaits(tested); a != nil {
		t.Errorf("a schedule waits for %+v", a)
	}
	r.Config.Event, r.Ref.Branch = "push", "feature/x"
	if a := r.awaits(tested); a != nil {
		t.Errorf("a branch waits for %+v", a)
	}
}
