package artifacts_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/artifactstest"
)

func TestRecords(t *testing.T) {
	s, _ := newStore(t)
	type record struct{ A string }
	artifactstest.Must(t, artifacts.PutJSON(t.Context(), s, "runs/x.json", record{"<&>\u2028"}))
	if raw := artifactstest.Get(t, s, "runs/x.json"); !strings.Contains(raw, "<&>") {
		t.Errorf("people would read %s", raw)
	}
	var got record
	artifactstest.Must(t, artifacts.GetJSON(t.Context(), s, "runs/x.json", &got))
	artifactstest.Must(t, artifacts.CreateJSON(t.Context(), s, "runs/y.json", record{"first"}))
	if err := artifacts.CreateJSON(t.Context(), s, "runs/y.json", record{"second"}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("the second one: %v", err)
	}
	var kept record
	if artifactstest.Must(t, artifacts.GetJSON(t.Context(), s, "runs/y.json", &kept)); kept != (record{"first"}) {
		t.Errorf("kept is %+v", kept)
	}
	if got.A != "<&>\u2028" {
		t.Errorf("got %q", got.A)
	}
	artifactstest.Put(t, s, artifactstest.Object("half", `{"A": "`))
	var corrupt *artifacts.CorruptError
	if err := artifacts.GetJSON(t.Context(), s, "half", &got); !errors.As(err, &corrupt) {
		t.Error(err)
	}
	if err := artifacts.GetJSON(t.Context(), s, "nowhere", &got); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
