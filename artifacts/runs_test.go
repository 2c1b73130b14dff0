package artifacts

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"testing"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

func TestRuns(t *testing.T) {
	store, dir := newStore(t)
	number := "20261123"
	stored := files{}
	for _, key := range []string{
		keys.Run(Ref{Branch: "main", SHA: sha1}, "test", "", "01b"), keys.Run(Ref{Branch: "main", SHA: sha2}, "test", "", "01a"), keys.Run(Ref{Branch: "main", SHA: number}, "test", "", "01c"),
		keys.Run(Ref{Branch: "main", SHA: sha1}, "test", "staging", "01d"), keys.Run(Ref{Branch: "main", SHA: sha1}, "build", "", "01e"), keys.Run(Ref{Branch: "main", SHA: sha1}, "a/b", "", "01i"),
		keys.Run(Ref{Branch: "main/next", SHA: sha1}, "test", "", "01f"), keys.Run(Ref{Branch: "main/" + sha3, SHA: sha1}, "test", "", "01g"), keys.Run(Ref{Branch: "mainly", SHA: sha1}, "test", "", "01h"),
	} {
		stored[key+"/finished.json"] = "{}"
		stored[key+"/started.json"], stored[key+"/junit/finished.json"] = "{}", "{}"
	}
	stored[keys.Run(Ref{Branch: "main", SHA: sha1}, "test", "", "01z")+"/started.json"] = "{}" // under way, or killed
	stored.add(t, dir)
	for name, c := range map[string]struct {
		branch, step, environment string
		most                      int
		want                      []string
	}{
		"the newest first, whatever the commit": {"main", "test", "", 10, []string{"01c", "01b", "01a"}},
		"not more than asked for":               {"main", "test", "", 2, []string{"01c", "01b"}},
		"of an environment":                     {"main", "test", "staging", 10, []string{"01d"}},
		"of another step":                       {"main", "build", "", 10, []string{"01e"}},
		"of a step with a slash in its name":    {"main", "a/b", "", 10, []string{"01i"}},
		"of a branch below":                     {"main/next", "test", "", 10, []string{"01f"}},
		"of a branch that looks like a commit":  {"main/" + sha3, "test", "", 10, []string{"01g"}},
		"of none":                               {"elsewhere", "test", "", 10, nil},
	} {
		t.Run(name, func(t *testing.T) {
			runs, all, err := Runs(t.Context(), store, c.branch, c.step, c.environment, c.most)
			must(t, err)
			var ids []string
			for _, r := range runs {
				ids = append(ids, r.ID)
				if r.Branch != c.branch || r.Key != keys.Run(r.Ref, c.step, c.environment, r.ID)+"/finished.json" {
					t.Errorf("%+v", r)
				}
			}
			if !slices.Equal(ids, c.want) || !all {
				t.Errorf("got %v, all %v", ids, all)
			}
		})
	}
	if _, _, err := Runs(t.Context(), store, "a..b", "test", "", 1); err == nil {
		t.Error("no branch is called that")
	}
}

// endless lists more records than anybody would look through.
type endless struct{ listed *int }

func (e endless) List(_ context.Context, prefix string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for *e.listed = 0; yield(Entry{Key: fmt.Sprintf("%s%s/test/%08d/finished.json", prefix, sha1, *e.listed)}, nil); *e.listed++ {
		}
	}
}

func TestRunsAreLookedForWithinBounds(t *testing.T) {
	listed := 0
	runs, all, err := Runs(t.Context(), endless{&listed}, "main", "test", "", 3)
	must(t, err)
	if all || len(runs) != 3 || listed != maxListed || runs[0].ID != fmt.Sprintf("%08d", maxListed-1) {
		t.Errorf("%d listed, all %v, %v", listed, all, runs)
	}
}
