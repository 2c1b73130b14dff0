package compare

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/folder"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/steps/coverage"
)

func TestWhatDiffers(t *testing.T) {
	a := Run{
		Run: record.Run{
			Seconds: 60, Coverage: &record.Coverage{Summary: coverage.Summary{}, LinePercent: 80},
			Artifacts: []record.Artifact{{Name: "builds", Bytes: 10, Digest: "x"}, {Name: "gone", Bytes: 1}},
		},
		Tests: map[string]Test{
			"1": {"passes", "passed", time.Second}, "2": {"breaks", "passed", time.Second},
			"3": {"mended", "failed", time.Second}, "4": {"red", "errored", time.Second},
			"5": {"removed", "passed", 0}, "6": {"slow", "passed", time.Second}, "7": {"a little slower", "passed", time.Millisecond},
		},
	}
	b := Run{
		Run: record.Run{
			Seconds: 75.5, Coverage: &record.Coverage{LinePercent: 78.5},
			Artifacts: []record.Artifact{{Name: "builds", Bytes: 10, Digest: "x"}, {Name: "new", Bytes: 2}},
		},
		Tests: map[string]Test{
			"1": {"passes", "passed", time.Second}, "2": {"breaks", "failed", time.Second},
			"3": {"mended", "passed", time.Second}, "4": {"red", "failed", time.Second},
			"6": {"slow", "passed", 3 * time.Second}, "7": {"a little slower", "passed", time.Second},
			"8": {"added", "passed", 0}, "9": {"added red", "failed", 0},
		},
	}
	down := -1.5
	want := Difference{
		NewlyFailing: []string{"breaks", "added red"}, Fixed: []string{"mended"}, StillFailing: []string{"red"},
		Added: 2, Removed: []string{"removed"}, Slower: []Slower{{"slow", 1, 3}}, Seconds: 15.5, Coverage: &down,
		Artifacts: []ArtifactSizes{
			{Name: "builds", Before: 10, After: 10, Same: true}, {Name: "gone", Before: 1, After: -1}, {Name: "new", Before: -1, After: 2},
		},
		TestsKnown: true,
	}
	if got := Runs(a, b); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	a.Tests = nil
	if got := Runs(a, b); got.TestsKnown || got.NewlyFailing != nil {
		t.Errorf("without reports: %+v", got)
	}
}

func TestReportsOfTheStore(t *testing.T) {
	s, err := folder.New(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	put := func(key, text string) {
		if _, err := s.Put(t.Context(), artifacts.Object{Key: key, Body: strings.NewReader(text), Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
	}
	put("runs/main/1/test/r/junit/a/junit.xml", `<testsuite name="s" tests="2" failures="1"><testcase name="one" time="1.5"/><testcase name="two"><failure message="no"/></testcase></testsuite>`)
	put("runs/main/1/test/r/junit/rerun-1/a/junit.xml", `<testsuite name="s" tests="1"><testcase name="two"/></testsuite>`)
	got, err := Tests(t.Context(), s, "runs/main/1/test/r")
	if err != nil || len(got) != 2 {
		t.Fatalf("%v, %v", got, err)
	}
	for _, one := range got {
		if one.Status != "passed" {
			t.Errorf("%+v", one)
		}
	}
	if got, err := Tests(t.Context(), s, "runs/main/2/test/r"); got != nil || err != nil {
		t.Errorf("without reports: %v, %v", got, err)
	}
}
