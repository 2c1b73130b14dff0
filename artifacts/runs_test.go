package artifacts_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"testing"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/keys"
)

func TestRuns(t *testing.T) {
	store, dir := newStore(t)
	number := "20261123"
	stored := artifactstest.Files{}
	for _, key := range []string{
		keys.Run(artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}, "test", "", "01b"), keys.Run(artifacts.Ref{Branch: "main", SHA: artifactstest.SHA2}, "test", "", "01a"), keys.Run(artifacts.Ref{Branch: "main", SHA: number}, "test", "", "01c"),
		keys.Run(artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}, "test", "staging", "01d"), keys.Run(artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}, "build", "", "01e"), keys.Run(artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}, "a/b", "", "01i"),
		keys.Run(artifacts.Ref{Branch: "main/next", SHA: artifactstest.SHA1}, "test", "", "01f"), keys.Run(artifacts.Ref{Branch: "main/" + artifactstest.SHA3, SHA: artifactstest.SHA1}, "test", "", "01g"), keys.Run(artifacts.Ref{Branch: "mainly", SHA: artifactstest.SHA1}, "test", "", "01h"),
	} {
		stored[key+"/finished.json"] = "{}"
		stored[key+"/started.json"], stored[key+"/junit/finished.json"] = "{}", "{}"
	}
	stored[keys.Run(artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}, "test", "", "01z")+"/started.json"] = "{}" // under way, or killed
	stored.Add(t, dir)
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
		"of a branch that looks like a commit":  {"main/" + artifactstest.SHA3, "test", "", 10, []string{"01g"}},
		"of none":                               {"elsewhere", "test", "", 10, nil},
	} {
		t.Run(name, func(t *testing.T) {
			runs, all, err := artifacts.Runs(t.Context(), store, c.branch, c.step, c.environment, c.most)
			artifactstest.Must(t, err)
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
	if _, _, err := artifacts.Runs(t.Context(), store, "a..b", "test", "", 1); err == nil {
		t.Error("no branch is called that")
	}
}

// endless lists more records than anybody would look through.
type endless struct{ listed *int }

func (e endless) List(_ context.Context, prefix string) iter.Seq2[artifacts.Entry, error] {
	return func(yield func(artifacts.Entry, error) bool) {
		for *e.listed = 0; yield(artifacts.Entry{Key: fmt.Sprintf("%s%s/test/%08d/finished.json", prefix, artifactstest.SHA1, *e.listed)}, nil); *e.listed++ {
		}
	}
}

func TestRunsSearchIsLimited(t *testing.T) {
	listed := 0
	runs, all, err := artifacts.Runs(t.Context(), endless{&listed}, "main", "test", "", 3)
	artifactstest.Must(t, err)
	if all || len(runs) != 3 || listed != 100_000 || runs[0].ID != "00099999" {
		t.Errorf("%d listed, all %v, %v", listed, all, runs)
	}
}
