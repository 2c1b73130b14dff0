package steps

import (
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/carlin-cicd/runner/steps/coverage"
	"github.com/carlin-cicd/runner/steps/results"
)

// Quarantine is a test whose failure does not fail the step, for a while.
type Quarantine struct {
	Test   string    // its name, or a glob: * for any characters, ? for one
	Until  time.Time // the first moment at which it counts again: midnight UTC after the day that is written
	Reason string
}

// Expired reports whether its failures count again.
func (q Quarantine) Expired(now time.Time) bool { return !now.Before(q.Until) }

// LastDay is the day that is written, as in 2026-12-31.
func (q Quarantine) LastDay() string { return q.Until.AddDate(0, 0, -1).Format(time.DateOnly) }

// Matches reports whether the test is meant: by its name alone, or as logs and summaries have it, after its class or file.
func (q Quarantine) Matches(c results.Case) bool {
	for _, name := range []string{c.Name, c.Class + " › " + c.Name, c.File + " › " + c.Name} {
		if name == q.Test || glob(q.Test, name) {
			return true
		}
	}
	return false
}

// glob matches without the meaning that slashes and brackets have in paths: names of tests are full of them.
func glob(pattern, name string) bool {
	p, n := []rune(pattern), []rune(name)
	star, from := -1, 0 // the last * and where in the name its text ends so far
	i, j := 0, 0
	for j < len(n) {
		switch {
		case i < len(p) && p[i] == '*':
			star, from = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == n[j]):
			i++
			j++
		case star >= 0:
			from++
			i, j = star+1, from
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}

func (d *decoder) quarantine(n ast.Node, to *[]Quarantine) error {
	*to = []Quarantine{}
	return d.sequence(n, "quarantine", func(n ast.Node) error {
		var q Quarantine
		err := d.mapping(n, "quarantine", fields{
			"test": func(n ast.Node) (err error) {
				if q.Test, err = d.scalar(n, "test"); err == nil && strings.Trim(q.Test, "*? ") == "" {
					err = d.errorf(n, "write the name of a test, or a part of it with *", "test cannot be %q: it would be every test", q.Test)
				}
				return err
			},
			"until": func(n ast.Node) error {
				text, err := d.scalar(n, "until")
				if err != nil {
					return err
				}
				day, err := time.Parse(time.DateOnly, text)
				if err != nil {
					return d.errorf(n, "write a day of the calendar such as 2026-12-31", "until cannot be %q", text)
				}
				q.Until = day.AddDate(0, 0, 1)
				return nil
			},
			"reason": func(n ast.Node) (err error) {
				q.Reason, err = d.scalar(n, "reason")
				return err
			},
		})
		if err == nil && (q.Test == "" || q.Until.IsZero()) {
			err = d.errorf(n, `write { test: "basket › adds up", until: 2026-12-31, reason: "…" }`, "a quarantine needs a test and the day on which it ends")
		}
		*to = append(*to, q)
		return err
	})
}

// Coverage says where the coverage of a step is found, and what it must not fall under.
type Coverage struct {
	Path string // a folder, relative to the step's directory; empty for that of the artifact called coverage
	coverage.Floor
}

func (d *decoder) coverage(n ast.Node, c *Coverage) error {
	*c = Coverage{}
	return d.mapping(n, "coverage", fields{
		"path":    func(n ast.Node) error { return d.localPath(n, "path", &c.Path) },
		"minimum": func(n ast.Node) error { return d.percent(n, "minimum", &c.Minimum) },
		"drop":    func(n ast.Node) error { return d.percent(n, "drop", &c.Drop) },
	})
}

func (d *decoder) percent(n ast.Node, what string, to *float64) error {
	text, err := d.scalar(n, what)
	if err != nil {
		return err
	}
	if *to, err = strconv.ParseFloat(text, 64); err != nil || !(*to >= 0 && *to <= 100) {
		return d.errorf(n, "write a number from 0 to 100, without a percent sign", "%s cannot be %q", what, text)
	}
	return nil
}
