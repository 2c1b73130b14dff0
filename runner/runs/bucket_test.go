package runs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/artifacts/s3"
	"github.com/carlin-cicd/runner/artifacts/s3test"
	"github.com/carlin-cicd/runner/runner/record"
)

func open(t *testing.T, b s3test.Bucket) *s3.Store {
	t.Helper()
	b.Setenv(t)
	config, err := awsconfig.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s, err := s3.New(t.Context(), config, b.Name, "prefix", s3.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The newest 20 of 100,000 runs of a branch are one request away, those of a repository two; the failed ones, and a run
// by its id, a few.
func TestRequestsForTheNewestOf100000(t *testing.T) {
	const most = 5
	b := s3test.Buckets(t)[2]
	proxy := s3test.NewProxy(t, b.Endpoint)
	s := open(t, b.At(proxy))
	for _, folder := range append(Folders("main"), Folders("")...) {
		fillPages(t, s, folder, 100_000)
	}
	failed := func(e record.Entry) bool { return e.State == record.Failing }
	for _, tt := range []struct {
		name, branch string
		most         int
		ask          func(folders []string) ([]record.Entry, error)
	}{
		{"20 newest of a branch", "main", 1, func(folders []string) ([]record.Entry, error) {
			l, err := Newest(t.Context(), s, folders, 20, nil)
			return l.Runs, err
		}},
		{"20 newest of the repository", "", 2, func(folders []string) ([]record.Entry, error) {
			l, err := Newest(t.Context(), s, folders, 20, nil)
			return l.Runs, err
		}},
		{"20 newest that failed", "main", most, func(folders []string) ([]record.Entry, error) {
			l, err := Newest(t.Context(), s, folders, 20, failed)
			return l.Runs, err
		}},
		{"one by its id", "main", most, func(folders []string) ([]record.Entry, error) {
			found, err := Find(t.Context(), s, folders, id(4321))
			if len(found) != 1 {
				err = errors.Join(err, fmt.Errorf("found %d", len(found)))
			}
			return make([]record.Entry, 20), err
		}},
	} {
		proxy.ClearSeen()
		got, err := tt.ask(Folders(tt.branch))
		if err != nil || len(got) != 20 {
			t.Errorf("%s: %d runs, %v", tt.name, len(got), err)
		}
		n := len(proxy.Seen())
		t.Logf("%s: %d requests %v", tt.name, n, proxy.Count())
		if n > tt.most {
			t.Errorf("%s: %d requests, more than %d: %v", tt.name, n, tt.most, proxy.Seen())
		}
	}
	proxy.ClearSeen()
	if _, err := Add(t.Context(), s, Folders("main")[0], running(100_001), nil); err != nil || len(proxy.Seen()) != 2 {
		t.Errorf("to add a run: %v, %v", proxy.Count(), err)
	}
}

// fillPages stores an index of runs 1 to n.
func fillPages(t *testing.T, s Store, folder string, n int) {
	t.Helper()
	head := Head{Version: version}
	for ; n > 0 && len(head.Runs) < 2*PageSize-1; n-- {
		head.Runs = append(head.Runs, ended(n))
	}
	head.note(head.Runs[0])
	first := 1
	for ; first <= n; first += PageSize {
		last := min(first+PageSize-1, n)
		p := page{Version: version}
		for i := last; i >= first; i-- {
			p.Runs = append(p.Runs, ended(i))
		}
		head.Pages = append(head.Pages, Page{id(first), id(last)})
		if _, err := put(t.Context(), s, keys.RunIndexPage(folder, len(head.Pages)), p, ""); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := put(t.Context(), s, keys.RunIndexHead(folder), head, ""); err != nil {
		t.Fatal(err)
	}
}

func TestWritersOfABucket(t *testing.T) {
	for _, b := range s3test.Buckets(t) {
		t.Run(b.Server, func(t *testing.T) {
			var turn sync.Mutex
			s := open(t, b)
			fill(t, s, 2*PageSize, ended)
			var wg sync.WaitGroup
			const writers = 5
			for w := range writers {
				wg.Go(func() {
					var one Store = s
					if strings.HasPrefix(b.Server, "moto") { // it looks at a condition and stores in two steps
						one = inTurns{s, &turn}
					}
					for _, e := range []record.Entry{running(2*PageSize + 1 + w), ended(2*PageSize + 1 + w)} {
						if _, err := Add(t.Context(), one, main, e, nil); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			for _, e := range complete(t, s, 1, 2*PageSize+writers) {
				if e.State == record.Running {
					t.Errorf("the end of run %s is lost", e.RunID)
				}
			}
		})
	}
}

// A response that is lost leaves it open whether the head was stored. The run is in it once, all the same.
func TestALostResponse(t *testing.T) {
	b := s3test.Buckets(t)[2]
	proxy := s3test.NewProxy(t, b.Endpoint)
	s := open(t, b.At(proxy))
	add(t, s, ended(1))
	proxy.Add(s3test.Rule{Operation: "PutObject", Fault: s3test.ResetResponse(-1), Times: 1})
	add(t, s, ended(2))
	complete(t, s, 1, 2)
}

type inTurns struct {
	*s3.Store
	turn *sync.Mutex
}

func (s inTurns) Swap(ctx context.Context, o artifacts.Object, tag string) (string, error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	return s.Store.Swap(ctx, o, tag)
}
