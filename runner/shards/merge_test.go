package shards

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	stores "github.com/carlin-cicd/runner/artifacts/folder"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/steps/history"
	"github.com/carlin-cicd/runner/steps/results"
)

var testRef = artifacts.Ref{Branch: "main", SHA: strings.Repeat("a", 40)}

func placeOf(n int) Place { return Place{Ref: testRef, Step: "test", Group: "g", Of: n} }

func store(tb testing.TB) artifacts.Store {
	tb.Helper()
	s, err := stores.New(tb.TempDir())
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// partFor is what a shard found in some files: every fifth test fails, every seventh is flaky, every ninth skipped.
func partFor(place Place, shard int, files []int) Part {
	p := Part{
		Format: Format, Shard: shard, Of: place.Of, Listed: "l", Times: "t", Files: len(files),
		Sample: history.NewSample("/w", nil), Took: history.FileTimes{},
	}
	p.Run = record.Run{Passed: true, Reason: record.Success}
	p.Run.RunID = fmt.Sprintf("01run%02d", shard)
	p.Key = place.Run(shard, p.Run.RunID)
	t := &record.Tests{Reports: []string{"junit.xml"}}
	for _, i := range files {
		c := results.Case{
			ID: fmt.Sprintf("%016d", i), Name: fmt.Sprint("test ", i), File: fmt.Sprintf("src/%03d.test.ts", i), Report: "junit.xml",
			Status: results.Passed, Duration: time.Duration(i) * time.Millisecond,
		}
		t.Total++
		switch {
		case i%5 == 0:
			c.Status = results.Failed
			t.Failed++
			t.Failures = append(t.Failures, record.FailedTest{Case: c})
			p.Run.Passed, p.Run.Reason, p.Run.ExitCode, p.Run.Error = false, record.Failure, 3, "the command exited with 3"
		case i%7 == 0:
			c.Flaky = true
			t.Counts.Flaky++
			t.Flaky = append(t.Flaky, c)
		case i%9 == 0:
			c.Status = results.Skipped
			t.Skipped++
		}
		p.Sample.Add(c)
		p.Took[c.File] = int64(i)
		t.Slowest = append(t.Slowest, c)
	}
	slices.SortFunc(t.Slowest, func(a, b results.Case) int { return int(b.Duration - a.Duration) })
	t.Slowest = t.Slowest[:min(len(t.Slowest), maxSlowest)]
	p.Run.Tests = t
	return p
}

// withoutReports removes what names the shard.
func withoutReports(r results.Results) results.Results {
	r.Reports = nil
	for _, list := range [][]results.Case{r.Failures, r.FlakyCases, r.Slowest} {
		for i := range list {
			list[i].Report = ""
		}
	}
	return r
}

// However the tests are divided, and in whatever order the parts come: the merged result is that of one run.
func TestAnyDivisionMergesToTheSame(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	all := make([]int, 60)
	for i := range all {
		all[i] = i + 1
	}
	whole := partFor(placeOf(1), 1, all)
	want := withoutReports(*Results([]Part{whole}))
	wantSample, wantTook := Sample([]Part{whole}, "/w", nil)
	for range 200 {
		n := 1 + random.IntN(12)
		place := placeOf(n)
		shares := make([][]int, n)
		for _, i := range all {
			at := random.IntN(n)
			shares[at] = append(shares[at], i)
		}
		var parts []Part
		for i, share := range shares {
			parts = append(parts, partFor(place, i+1, share))
		}
		random.Shuffle(n, func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		if got := withoutReports(*Results(parts)); !reflect.DeepEqual(got, want) {
			t.Fatalf("%d shards: got %+v\nwant %+v", n, got, want)
		}
		sample, took := Sample(parts, "/w", nil)
		got, _ := json.Marshal(sample)
		expected, _ := json.Marshal(wantSample)
		if string(got) != string(expected) || !reflect.DeepEqual(took, wantTook) {
			t.Fatalf("%d shards have another history", n)
		}
		if o := outcome.Of(Verdict(parts, nil, n)); o.ExitCode != 3 || o.Reason != record.Failure {
			t.Fatalf("%+v", o)
		}
	}
}

func TestVerdictsNameTheShards(t *testing.T) {
	place := placeOf(4)
	good := func(n int) Part { return partFor(place, n, []int{n}) }
	bad := func(n int) Part { return partFor(place, n, []int{5}) }
	other := good(3)
	other.Listed = "x"
	early := good(4)
	early.Times = "x"
	for name, c := range map[string]struct {
		parts   []Part
		missing []int
		want    string
		code    int
	}{
		"all passed":         {[]Part{good(1), good(2), good(3), good(4)}, nil, "", 0},
		"one failed":         {[]Part{good(1), bad(2), good(3), good(4)}, nil, "shard 2 of 4 failed: the command exited with 3", 3},
		"two failed":         {[]Part{bad(4), bad(2), good(3), good(1)}, nil, "shards 2 and 4 of 4 failed; shard 2: the command exited with 3", 3},
		"one died":           {[]Part{good(1), good(2), good(4)}, []int{3}, "shard 3 of 4 left no result: its task was killed", 1},
		"two died, one fail": {[]Part{good(1), bad(2)}, []int{3, 4}, "shards 3 and 4 of 4 left no result: its task was killed before it could store one, or did not start; shard 2 failed", 1},
		"all died":           {nil, []int{1, 2, 3, 4}, "shards 1, 2, 3 and 4 of 4 left no result", 1},
		"another list":       {[]Part{good(1), good(2), other, good(4)}, nil, "shards 1 and 3 divided different test files", 1},
		"other times":        {[]Part{good(1), good(2), good(3), early}, nil, "shards 1 and 4 divided different times", 1},
	} {
		err := Verdict(c.parts, c.missing, 4)
		if o := outcome.Of(err); (err == nil) != (c.want == "") || err != nil && !strings.HasPrefix(err.Error(), c.want) || o.ExitCode != c.code ||
			o.Retryable != (len(c.missing) > 0) {
			t.Errorf("%s: %v, %+v", name, err, o)
		}
	}
}

func TestNoFileIsNoSuccess(t *testing.T) {
	place := placeOf(2)
	empty := []Part{partFor(place, 1, nil), partFor(place, 2, nil)}
	if err := Empty(empty, false); err == nil {
		t.Error("an empty list passes")
	}
	if err := Empty(empty, true); err != nil {
		t.Error(err)
	}
	if err := Empty([]Part{partFor(place, 1, []int{1}), partFor(place, 2, nil)}, false); err != nil {
		t.Error(err)
	}
}

// Shards that end at the same time: exactly one merges, once all parts are there.
func TestExactlyOneShardMerges(t *testing.T) {
	for round := range 20 {
		const n = 8
		place, s := placeOf(n), store(t)
		var mu sync.Mutex
		var merging []string
		var side sync.WaitGroup
		for i := 1; i <= n; i++ {
			side.Go(func() {
				part := partFor(place, i, []int{i})
				if err := place.Store(t.Context(), s, part); err != nil {
					t.Error(err)
					return
				}
				state, err := place.Look(t.Context(), s)
				if err != nil || !state.Complete() {
					return
				}
				mine, err := place.Claim(t.Context(), s, state, Claim{RunID: fmt.Sprint("merged", i), By: part.Run.RunID})
				if err != nil {
					t.Error(err)
				}
				if mine {
					mu.Lock()
					merging = append(merging, part.Run.RunID)
					mu.Unlock()
				}
			})
		}
		side.Wait()
		if len(merging) != 1 {
			t.Fatalf("round %d: %v merge", round, merging)
		}
	}
}

// A merger that died is taken over under the id of its record; a merge that is done is not done again.
func TestAMergeIsTakenOver(t *testing.T) {
	place, s, ctx := placeOf(2), store(t), t.Context()
	for i := 1; i <= 2; i++ {
		if err := place.Store(ctx, s, partFor(place, i, []int{i})); err != nil {
			t.Fatal(err)
		}
	}
	state, err := place.Look(ctx, s)
	if err != nil || !state.Complete() {
		t.Fatal(state, err)
	}
	if mine, err := place.Claim(ctx, s, state, Claim{RunID: "died", By: "01run02"}); err != nil || !mine {
		t.Fatal(mine, err)
	}
	claim, err := place.TakeOver(ctx, s, state, Claim{RunID: "later", By: "later"})
	if err != nil || claim.RunID != "died" {
		t.Errorf("%+v, %v", claim, err)
	}
	if _, done, err := place.Done(ctx, s, state); done || err != nil {
		t.Errorf("a merge that died is done, %v", err)
	}
	if err := place.Finish(ctx, s, Merged{Parts: state.Parts, RunID: "died", Passed: true}); err != nil {
		t.Fatal(err)
	}
	m, done, err := place.Done(ctx, s, state)
	if err != nil || !done || m.RunID != "died" || m.Of != 2 {
		t.Errorf("%+v %v %v", m, done, err)
	}
	// A shard that is run again makes it another merge.
	again := partFor(place, 2, []int{2})
	again.Run.RunID = "01run99"
	again.Key = place.Run(2, again.Run.RunID)
	if err := place.Store(ctx, s, again); err != nil {
		t.Fatal(err)
	}
	state, err = place.Look(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	if _, done, _ := place.Done(ctx, s, state); done {
		t.Error("the merge of an older part counts for a newer one")
	}
}

// The newest part of a shard counts, whichever is stored last: one that was believed dead may end after all.
func TestTheNewestPartOfAShardCounts(t *testing.T) {
	place, s, ctx := placeOf(2), store(t), t.Context()
	newer := partFor(place, 1, []int{1})
	older := partFor(place, 1, []int{5})
	older.Run.RunID = "01run00"
	older.Key = place.Run(1, older.Run.RunID)
	for _, p := range []Part{newer, older} {
		if err := place.Store(ctx, s, p); err != nil {
			t.Fatal(err)
		}
	}
	state, err := place.Look(ctx, s)
	if err != nil || state.Latest[1].RunID != newer.Run.RunID || !slices.Equal(state.Missing, []int{2}) || state.Complete() {
		t.Errorf("%+v, %v", state, err)
	}
	parts, missing, err := place.Load(ctx, s, state, "/w", nil)
	if err != nil || len(parts) != 1 || !slices.Equal(missing, []int{2}) || parts[0].Run.Tests.Total != 1 || !parts[0].Run.Passed {
		t.Errorf("%+v %v %v", parts, missing, err)
	}
}

// A part that the step's retry: allows to run again is not the last word.
func TestAPartThatMayBeRunAgainIsNotMerged(t *testing.T) {
	place, s := placeOf(1), store(t)
	part := partFor(place, 1, []int{1})
	part.Run.Passed, part.Run.Allowed = false, true
	if err := place.Store(t.Context(), s, part); err != nil {
		t.Fatal(err)
	}
	if state, err := place.Look(t.Context(), s); err != nil || state.Complete() || len(state.Missing) > 0 {
		t.Errorf("%+v, %v", state, err)
	}
}

func TestDamagedPartsAreMissing(t *testing.T) {
	place, s, ctx := placeOf(3), store(t), t.Context()
	for i := 1; i <= 3; i++ {
		if err := place.Store(ctx, s, partFor(place, i, []int{i})); err != nil {
			t.Fatal(err)
		}
	}
	for key, text := range map[string]string{
		partKey(place.Run(1, "01run01")):   `{"format": 1, "shard": 2, "of": 3}`,
		sampleKey(place.Run(2, "01run02")): "no gzip",
		place.newest(3):                    `{"format": 1, "run_id": "../../x", "final": true}`,
	} {
		o := artifacts.Object{Key: key, Body: strings.NewReader(text), Size: int64(len(text))}
		if _, err := s.Put(ctx, o); err != nil {
			t.Fatal(err)
		}
	}
	state, err := place.Look(ctx, s)
	if err != nil || !slices.Equal(state.Missing, []int{3}) {
		t.Errorf("%+v, %v", state, err)
	}
	if parts, missing, err := place.Load(ctx, s, state, "/w", nil); err != nil || len(parts) > 0 || !slices.Equal(missing, []int{1, 2, 3}) {
		t.Errorf("%v %v %v", parts, missing, err)
	}
}

// All shards go by the times that the first one has found, whatever is stored meanwhile; those of a plan by their digest.
func TestAllShardsGoByTheSameTimes(t *testing.T) {
	s, ctx := store(t), t.Context()
	swapper := s.(artifacts.Swapper)
	save := func(id string, ms int64) {
		t.Helper()
		if err := history.SaveFileTimes(ctx, swapper, id, history.FileTimes{"a": ms}, "tests/main/times-test.json.gz"); err != nil {
			t.Fatal(err)
		}
	}
	from := []string{"tests/feature/times-test.json.gz", "tests/main/times-test.json.gz"}
	save("1", 100)
	digest, err := PinPlan(ctx, s, testRef, "build", from)
	if err != nil || digest == "" {
		t.Fatal(digest, err)
	}
	place := placeOf(4)
	var side sync.WaitGroup
	found := make([]history.FileTimes, 4)
	for i := range found {
		side.Go(func() {
			var err error
			if found[i], err = place.Times(ctx, s, "build", "", from); err != nil {
				t.Error(err)
			}
		})
	}
	side.Wait()
	save("2", 900)
	later, err := place.Times(ctx, s, "build", "", from)
	if err != nil {
		t.Fatal(err)
	}
	planned, err := place.Times(ctx, s, "build", digest, from)
	if err != nil {
		t.Fatal(err)
	}
	for _, times := range append(found, later, planned) {
		if times["a"] != 100 {
			t.Errorf("a shard goes by %v", times)
		}
	}
	if _, err := place.Times(ctx, s, "build", "0123456789abcdef", from); err == nil {
		t.Error("the times of a plan that are not there count as none")
	}
}

func TestIndexes(t *testing.T) {
	for text, want := range map[string]bool{
		"1/1": true, "2/4": true, "40/40": true, "0/4": false, "5/4": false, "1/41": false, "+1/4": false, "01/4": false, "1": false,
		"1/": false, "a/b": false, "": false, "1/2/3": false, " 1/2": false,
	} {
		if _, ok := ParseIndex(text); ok != want {
			t.Errorf("%q: %v", text, ok)
		}
	}
	for text, want := range map[string]bool{"of-4": true, "a_b.c-9": true, "": false, "../x": false, "a/b": false, ".x": false} {
		if IsGroup(text) != want {
			t.Errorf("%q is a group: %v", text, !want)
		}
	}
}

// brokenStore cannot be read.
type brokenStore struct{ artifacts.Store }

var errBroken = errors.New("broken")

func (brokenStore) Load(context.Context, string) ([]byte, string, error) { return nil, "", errBroken }

func (brokenStore) Swap(context.Context, artifacts.Object, string) (string, error) {
	return "", errBroken
}

func TestAPartThatCannotBeStoredIsAnError(t *testing.T) {
	if err := placeOf(1).Store(t.Context(), brokenStore{store(t)}, partFor(placeOf(1), 1, []int{1})); !errors.Is(err, errBroken) {
		t.Error(err)
	}
}
