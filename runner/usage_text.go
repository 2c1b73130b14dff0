package runner

import (
	"fmt"
	"strings"

	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/sizing/fargate"
	"github.com/carlin-cicd/runner/runner/units"
)

// text is the cost in words.
func costText(c *record.Cost) string {
	terms := []string{c.Region, c.Architecture, c.Capacity}
	if c.Estimated {
		terms = append(terms, "estimated")
	}
	text := fmt.Sprintf("%s for %s of %s (%s)", fargate.Dollars(c.Dollars), units.Duration(record.Duration(c.Seconds)), c.Size, strings.Join(terms, ", "))
	if c.Would {
		text += ", were it on Fargate"
	}
	return text
}

// text is the usage in words, with the size that would have fit.
func usageText(u *record.Usage) string {
	text := fmt.Sprintf("peak %s of memory", units.Size(u.PeakMemory))
	switch {
	case u.MemoryLimit > 0:
		text = fmt.Sprintf("peak %s of %s of memory", units.Size(u.PeakMemory), units.Size(u.MemoryLimit))
	case u.Source == process.SourceRusage: // without a cgroup of our own the kernel keeps no account of all processes together
		text = "largest process " + units.Size(u.PeakMemory)
	}
	text += fmt.Sprintf(", %.1f s of CPU", u.CPUSeconds)
	if u.DiskGrowth >= worthTelling {
		text += fmt.Sprintf(", %s more of the disk", units.Size(u.DiskGrowth))
	}
	if u.Fargate != "" {
		text += "; " + adviceText(u)
	}
	return text
}

// worthTelling is how much a disk has to fill for a word about it, in bytes.
const worthTelling = 1 << 30

// advice is the size that would have fit, in words; "" if there is none.
func adviceText(u *record.Usage) string {
	if u.Fargate == "" {
		return ""
	}
	text := "Fargate: " + u.Fargate + " would fit"
	if len(u.Reasons) > 0 {
		text += " (" + strings.Join(u.Reasons, "; ") + ")"
	}
	return text
}
