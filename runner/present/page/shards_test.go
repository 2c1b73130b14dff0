package page

import (
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/runner/record"
)

func TestShardsOnThePage(t *testing.T) {
	p := failing()
	p.Root = "../../../../../"
	p.Shards = []record.Shard{
		{Shard: 1, Key: "runs/main/a/test~shards/of-3/1/01", Passed: true, Seconds: 10, Files: 4, Tests: 40},
		{Shard: 2, Key: "runs/main/a/test~shards/of-3/2/02", Reason: record.Failure, ExitCode: 3, Seconds: 20, Files: 5, Tests: 41, Failed: 2},
		{Shard: 3, Missing: true},
	}
	page := write(t, p)
	for _, want := range []string{
		`<h2 id="shards">Shards</h2>`, `<li><a href="#shards">Shards</a></li>`, "3 shards, 1 of them missing",
		`<a href="../../../../../runs/main/a/test~shards/of-3/2/02/report.html">report of shard 2</a>`,
		`<tr class="failed"><td class="n">3</td><td>missing: it left no result</td>`,
		`failed (failure, exit 3)`, `41 tests, 2 failed`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	if page := write(t, failing()); strings.Contains(page, `id="shards"`) {
		t.Error("a run that was not divided has shards")
	}
}
