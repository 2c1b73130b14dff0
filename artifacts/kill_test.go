package artifacts_test

import (
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/folder"
	"github.com/carlin-cicd/runner/artifacts/keys"
)

func TestKilledPublishersLeaveOldNewOrNone(t *testing.T) {
	contents := map[string]artifactstest.Files{"a": artifactstest.Many(40, "a"), "b": artifactstest.Many(30, "b")}
	contents["b"]["only/in/b"] = "b"
	contents["b"]["lib/00"+".html"] = "b"
	top := t.TempDir()
	dirs := map[string]string{}
	for name, f := range contents {
		dirs[name] = filepath.Join(top, name)
		f.Write(t, dirs[name])
	}
	store := filepath.Join(top, "store")

	cmd, says := artifactstest.StartPublisher(t, store, dirs["a"])
	began := time.Now()
	artifactstest.Expect(t, says, "end\n")
	whole := time.Since(began) // not to the exit, which the race detector takes its time for
	artifactstest.Must(t, cmd.Wait())

	ref := artifacts.Ref{Branch: "main", SHA: artifactstest.SHA1}
	seen := map[string]int{}
	for i := range 40 {
		name := []string{"b", "a"}[i%2]
		cmd, _ := artifactstest.StartPublisher(t, store, dirs[name])
		time.Sleep(time.Duration(rand.Int64N(int64(whole))))
		cmd.Process.Kill()
		cmd.Wait()

		// A reader of the folder sees one of three states.
		s, err := folder.New(store)
		artifactstest.Must(t, err)
		set, mirror := artifactstest.SetState(
			t,
			s,
			"coverage",
			ref,
			contents,
		), artifactstest.MirrorState(
			t,
			s,
			"coverage",
			"main",
			contents,
		)
		seen["set "+set]++
		seen["mirror "+mirror]++
		if t.Failed() {
			t.Fatalf("round %d", i)
		}
		if i%4 == 3 { // the other rounds pile up on what the last ones left
			other := []string{"a", "b"}[i/4%2]
			artifactstest.Publish(t, s, artifactstest.CoverageSet("main", artifactstest.SHA1, dirs[other]))
			got := artifactstest.Read(t, store)
			want := contents[other].Under(keys.Set("coverage", ref))
			for k, v := range contents[other].Under(keys.Mirror("coverage", "main")) {
				want[k] = v
			}
			artifactstest.Equal(t, "after repair", got.Without("manifests/"), want)
			if n := len(got) - len(want); n != 3 {
				t.Errorf("%d records, want the manifest, the newest set's and the mirror's", n)
			}
		}
		artifactstest.Must(t, s.Close())
	}
	t.Log(seen)
}
