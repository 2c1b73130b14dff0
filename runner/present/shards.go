package present

import (
	"fmt"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/terminal"
	"github.com/carlin-cicd/runner/runner/units"
)

// BalanceLine returns how evenly the shards of a run took their time: "4 shards, 12.1s each on average; the slowest,
// shard 3, took 4.5 % longer". It is "" for a run that was not divided.
func BalanceLine(run record.Run) string {
	if len(run.Shards) == 0 {
		return ""
	}
	text := units.Count(len(run.Shards), "shard")
	if missing := missingShards(run.Shards); missing > 0 {
		return text + fmt.Sprintf(", %d of them missing", missing)
	}
	if b := run.Balance; b != nil {
		text += fmt.Sprintf(", %s each on average; the slowest, shard %d, took %s, %.1f %% more",
			units.Duration(record.Duration(b.Mean)), b.Shard, units.Duration(record.Duration(b.Slowest)), b.Over)
	}
	return text
}

func missingShards(shards []record.Shard) (n int) {
	for _, s := range shards {
		if s.Missing {
			n++
		}
	}
	return n
}

// ShardState returns how a shard ended: "passed", "failed (failure, exit 1)" or "missing".
func ShardState(s record.Shard) string {
	switch {
	case s.Missing:
		return "missing: it left no result"
	case s.Passed:
		return "passed"
	}
	return fmt.Sprintf("failed (%s, exit %d)", s.Reason, s.ExitCode)
}

// ShardTests returns the tests of a shard: "40 tests, 2 failed".
func ShardTests(s record.Shard) string {
	switch {
	case s.Missing:
		return ""
	case s.Files == 0:
		return "no file was left for it"
	}
	text := units.Count(s.Tests, "test")
	if s.Failed > 0 {
		text += fmt.Sprintf(", %d failed", s.Failed)
	}
	return text
}

// ShardFiles returns the files of a shard, and the time that they took before: "12 files, 40s before".
func ShardFiles(s record.Shard) string {
	if s.Missing {
		return ""
	}
	text := units.Count(s.Files, "file")
	if s.Expected > 0 {
		text += ", " + units.Duration(record.Duration(s.Expected)) + " before"
	}
	return text
}

// shardTook is how long a shard took; "" if that is not known.
func shardTook(s record.Shard) string {
	if s.Missing {
		return ""
	}
	return units.Duration(record.Duration(s.Seconds))
}

// shards says how evenly they took their time, and names those that did not pass.
func (s *summary) shards(run record.Run) {
	s.row("shards", terminal.Escape(BalanceLine(run)))
	shown := 0
	for _, one := range run.Shards {
		if one.Passed {
			continue
		}
		if shown++; shown > terminalTests {
			continue
		}
		line := fmt.Sprintf("shard %d: %s", one.Shard, ShardState(one))
		if tests := ShardTests(one); tests != "" {
			line += ", " + tests + " in " + shardTook(one)
		}
		s.print("    %s %s\n", s.paint(red, "✗"), terminal.Escape(line))
		if one.Key != "" {
			s.print("      %s\n", s.path(run.Place+"/"+one.Key+"/report.html"))
		}
	}
	if shown > terminalTests {
		s.print("    and %d more\n", shown-terminalTests)
	}
}

// shards is a table of them.
func (d *document) shards(run record.Run) {
	if len(run.Shards) == 0 {
		return
	}
	d.print("\n#### Shards\n\n%s\n", codeSpan(BalanceLine(run)))
	if d.shown == 0 {
		return
	}
	d.print("\n| shard | state | tests | files | took | record |\n|---|---|---|---|---|---|\n")
	for _, one := range run.Shards {
		mark, at := "✅", ""
		if !one.Passed {
			mark = "❌"
		}
		if one.Key != "" {
			at = cell(units.PathFrom(d.directory, run.Place+"/"+one.Key))
		}
		d.print("| %d | %s %s | %s | %s | %s | %s |\n",
			one.Shard, mark, codeSpan(ShardState(one)), ShardTests(one), ShardFiles(one), shardTook(one), at)
	}
}
