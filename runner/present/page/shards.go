package page

import (
	"fmt"

	"github.com/carlin-cicd/runner/runner/present"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/units"
)

// shards shows the parts of a run that was divided, each with its own report.
func (w *writer) shards(run record.Run) {
	if len(run.Shards) == 0 {
		return
	}
	w.section("shards", "Shards")
	w.put("<p>%s</p>\n", present.BalanceLine(run))
	w.startTable("shards", "shards", column{title: "shard", class: "n"}, column{title: "state"}, column{title: "tests"},
		column{title: "files"}, column{title: "took", class: "n"}, column{title: "share of the slowest", hidden: true}, column{title: "report"})
	slowest := 0.0
	for _, s := range run.Shards {
		slowest = max(slowest, s.Seconds)
	}
	for _, s := range run.Shards {
		w.put("<tr%s><td class=\"n\">%d</td><td>%s</td>", classIf(!s.Passed, "failed"), s.Shard, clip(present.ShardState(s), maxName))
		w.put("<td>%s</td><td>%s</td>", present.ShardTests(s), present.ShardFiles(s))
		if s.Missing {
			w.raw("<td></td><td></td><td></td></tr>\n")
			continue
		}
		w.put("<td class=\"n\">%s</td><td class=\"plotted\">", units.Duration(record.Duration(s.Seconds)))
		if slowest > 0 {
			w.bar("accent", 0, 100*s.Seconds/slowest)
		}
		w.put("</td><td>%s</td></tr>\n", shardReport(run, s))
	}
	w.endTable()
	w.raw("</section>\n")
}

// shardReport leads to the report of a shard, "" if its place is not known.
func shardReport(run record.Run, s record.Shard) markup {
	if run.Root == "" || s.Key == "" {
		return ""
	}
	return link(storeLink(run, s.Key+"/report.html"), fmt.Sprintf("report of shard %d", s.Shard))
}
