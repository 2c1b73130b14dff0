// Package present turns the record of a run into what people and machines read: the summary in a terminal, Markdown,
// the messages for Slack and GitHub, metrics and trace attributes. Package page below it writes the report.
//
// A record is redacted before it gets here, and each output escapes it for its own syntax. The functions read nothing
// else: no store, no environment, no clock.
package present

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/sizing/fargate"
	"github.com/carlin-cicd/runner/runner/units"
	"github.com/carlin-cicd/runner/steps/coverage"
	"github.com/carlin-cicd/runner/steps/results"
)

// TestCounts returns counts of tests in one line: "211 passed, 1 of them flaky, 2 failed, 1 skipped, 214 in all".
func TestCounts(c results.Counts) string {
	text := fmt.Sprintf("%d passed", Passed(c))
	for _, part := range []struct {
		n    int
		what string
	}{
		{c.Flaky, "of them flaky"},
		{c.Failed, "failed"},
		{c.Errored, "errored"},
		{c.Skipped, "skipped"},
		{c.Quarantined, "quarantined"},
	} {
		if part.n > 0 {
			text += fmt.Sprintf(", %d %s", part.n, part.what)
		}
	}
	return fmt.Sprintf("%s, %d in all", text, c.Total)
}

// Passed returns the number of tests that passed, flaky ones among them.
func Passed(c results.Counts) int { return c.Total - c.Failed - c.Errored - c.Skipped - c.Quarantined }

// TestName returns a test's name with its class, its project and its file:
// "price › adds the tax [firefox]  (src/price.test.ts)".
func TestName(c results.Case) string {
	name := classAndName(c)
	if c.File != "" {
		name += "  (" + c.File + ")"
	}
	return name
}

func classAndName(c results.Case) string {
	name := c.Name
	if c.Class != "" && c.Class != c.File && !strings.Contains(name, c.Class) {
		name = c.Class + " › " + name
	}
	return name + Project(c)
}

// Project returns what a test ran on behind its name: " [firefox]"; "" if that is unknown.
func Project(c results.Case) string {
	if c.Project == "" || strings.Contains(c.Name, "["+c.Project+"]") {
		return ""
	}
	return " [" + c.Project + "]"
}

// CoverageLine returns coverage in one line: "80.0 % of lines (-1.20), 50.0 % of branches (±0) against 0123456 of
// main".
func CoverageLine(c *record.Coverage) string {
	var parts []string
	for _, f := range []struct {
		figure coverage.Figure
		what   string
		change func(coverage.Change) float64
	}{
		{c.Lines, "lines", func(c coverage.Change) float64 { return c.Lines }},
		{c.Branches, "branches", func(c coverage.Change) float64 { return c.Branches }},
	} {
		if f.figure.Total <= 0 {
			continue
		}
		text := f.figure.String() + " of " + f.what
		if c.Change != nil {
			if by := f.change(*c.Change); by == 0 {
				text += " (±0)"
			} else {
				text += fmt.Sprintf(" (%+.2f)", by)
			}
		}
		parts = append(parts, text)
	}
	text := strings.Join(parts, ", ")
	if c.Against != nil {
		text += " against " + Baseline(c.Against)
	}
	return text
}

// Baseline names the run that coverage is compared with: "0123456 of main".
func Baseline(b *record.CoverageBaseline) string { return ShortSHA(b.SHA) + " of " + b.Branch }

// ArtifactLine returns how much was published: "2 files, 1.5 MiB".
func ArtifactLine(a record.Artifact) string {
	return units.Count(a.Files, "file") + ", " + units.Size(a.Bytes)
}

// minDiskGrowth is how much a command has to fill of a disk to be mentioned, in bytes.
const minDiskGrowth = 1 << 30

// UsageLine returns what the commands used, and the size that would have fit:
// "peak 1.0 GiB of 2.0 GiB of memory, 12.3 s of CPU; Fargate: 0.5 vCPU, 2 GB would fit".
func UsageLine(u *record.Usage) string {
	text := fmt.Sprintf("peak %s of memory", units.Size(u.PeakMemory))
	switch {
	case u.MemoryLimit > 0:
		text = fmt.Sprintf("peak %s of %s of memory", units.Size(u.PeakMemory), units.Size(u.MemoryLimit))
	case u.Source == record.SourceRusage: // the kernel counts no group of processes together without a cgroup
		text = "largest process " + units.Size(u.PeakMemory)
	}
	text += fmt.Sprintf(", %.1f s of CPU", u.CPUSeconds)
	if u.DiskGrowth >= minDiskGrowth {
		text += fmt.Sprintf(", %s more of the disk", units.Size(u.DiskGrowth))
	}
	if size := FittingSize(u); size != "" {
		text += "; " + size
	}
	return text
}

// FittingSize returns the smallest size that would have fit, "" if there is none: "Fargate: 0.5 vCPU, 2 GB would fit".
func FittingSize(u *record.Usage) string {
	if u.Fargate == "" {
		return ""
	}
	text := "Fargate: " + u.Fargate + " would fit"
	if u.Runs > 1 {
		text += fmt.Sprintf(" the last %d runs", u.Runs)
	}
	if len(u.Reasons) > 0 {
		text += " (" + strings.Join(u.Reasons, "; ") + ")"
	}
	return text
}

// CostLine returns the cost: "$0.0012 for 1m15s of 1 vCPU, 2 GB (eu-central-1, x86, on demand)".
func CostLine(c *record.Cost) string {
	terms := []string{c.Region, c.Architecture, c.Capacity}
	if c.Estimated {
		terms = append(terms, "estimated")
	}
	text := fmt.Sprintf("%s for %s of %s (%s)", fargate.Dollars(c.Dollars), units.Duration(record.Duration(c.Seconds)),
		c.Size, strings.Join(terms, ", "))
	if c.Would {
		text += ", if it ran on Fargate"
	}
	return text
}

// RollbackLine returns how a stack was restored after a run that failed, "" if it was not tried:
// "reapplied: UPDATE_COMPLETE"; of several stacks each with its name. Emphasize marks what calls for action; nil leaves it as it is.
func RollbackLine(d *record.Delivery, emphasize func(string) string) string {
	if d == nil {
		return ""
	}
	if len(d.Stacks) < 2 {
		return rollbackLine(d.Rollback, d.Problem, emphasize)
	}
	var lines []string
	for _, s := range d.Stacks {
		if line := rollbackLine(s.Rollback, s.Problem, emphasize); line != "" {
			lines = append(lines, s.Stack+" "+line)
		}
	}
	return strings.Join(lines, ", ")
}

func rollbackLine(r *record.Rollback, problem string, emphasize func(string) string) string {
	if r == nil {
		return ""
	}
	text := fmt.Sprintf("%s: %s", r.Action, r.Status)
	if problem != "" {
		not := "not restored: "
		if emphasize != nil {
			not = emphasize(not)
		}
		text += "; " + not + problem
	}
	return text
}

// ShortSHA returns the first seven digits of a commit.
func ShortSHA(sha string) string { return sha[:min(len(sha), 7)] }

// ReportURL returns the file:// or s3:// URL of a run's report, from the store's location and the key of its records.
func ReportURL(place, key string) string {
	if bucket, ok := strings.CutPrefix(place, "s3://"); ok {
		return "s3://" + bucket + "/" + (&url.URL{Path: key + "/report.html"}).EscapedPath()
	}
	path := filepath.Join(place, filepath.FromSlash(key), "report.html")
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(path)}).String()
}
