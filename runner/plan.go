package runner

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/deploy/carlin"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/source"
	"github.com/carlin-cicd/runner/runner/terminal"
	"github.com/carlin-cicd/runner/runner/units"
	"github.com/carlin-cicd/runner/steps"
)

// printPlan prints what the run would do, redacted. It prints the names of variables, never their values.
func (r *run) printPlan(w io.Writer) {
	row := func(name, value, origin string) {
		if value == "" {
			return
		}
		if origin != "" {
			origin = "  (" + terminal.Escape(origin) + ")"
		}
		fmt.Fprintf(w, "%-12s %s%s\n", name, terminal.Escape(r.Redactor.String(value)), origin)
	}
	s := r.step
	row("step", s.Name, "")
	row("command", s.Command.String(), s.Origin["command"])
	row("verify", s.Verify.String(), s.Origin["verify"])
	for _, h := range hookLists(s) {
		row(h.name, h.text(), s.Origin[h.name])
	}
	row("directory", units.Path(r.directory()), s.Origin["directory"])
	row("branch", r.Ref.Branch, "")
	row("commit", r.Ref.SHA, r.commitNote())
	row("deadline", s.Timeout.String(), s.Origin["timeout"])
	row("stopping", fmt.Sprintf("%s grace of a budget of %s", r.Config.Grace, r.Config.StopBudget), "")
	if s.Retry.Attempts > 0 {
		row("retry", fmt.Sprintf("%d more on %s", s.Retry.Attempts, strings.Join(s.Retry.On, ", ")), s.Origin["retry"])
	}
	row("source", r.origin(), "")
	if setup := r.steps.Setup(); r.AwaitsCheckout() {
		row("setup", setup.Command.String(), setup.Origin+", if the lockfile is not the image's")
	}
	row("variables", strings.Join(r.env.Names(), " "), "names only")
	row("inputs", r.plannedInputs(), "")
	var references []string
	for _, name := range r.env.Names() {
		if ref, ok := r.env.References[name]; ok {
			references = append(references, name+" from "+string(ref.Kind))
		}
	}
	row("secrets", strings.Join(references, ", "), "")
	if s.Lock == steps.LockStack {
		row("stack", cmp.Or(carlin.StackName(s, r.Config), "unknown, so it cannot be rolled back: set STACK_NAME"), "")
	}
	row("guards", strings.Join(guards(s), "; "), "")
	row("reports", strings.Join(s.Reports, ", "), s.Origin["reports"])
	row("rerun", rerunText(s.Rerun), s.Origin["rerun"])
	for _, q := range s.Quarantine {
		row("quarantine", quarantineText(q, r.Began), s.Origin["quarantine"])
	}
	row("coverage", floorText(s.Coverage), s.Origin["coverage"])
	for _, c := range s.Caches {
		row("cache", cacheText(c), s.Origin["cache"])
	}
	for _, one := range s.Services {
		row("service", serviceText(one), s.Origin["services"])
	}
	for _, a := range s.Artifacts {
		row("artifact", r.destination(a), s.Origin["artifacts"])
	}
	row("record", units.Path(r.Place+"/"+r.runKey()), "")
}

func rerunText(r steps.Rerun) string {
	if r.IsZero() {
		return ""
	}
	return fmt.Sprintf(
		"%s, up to %s if at most %s failed",
		r.Command,
		units.Count(r.Attempts, "time"),
		units.Count(r.AtMost, "test"),
	)
}

func floorText(c steps.Coverage) string {
	var parts []string
	if c.Path != "" {
		parts = append(parts, "in "+c.Path)
	}
	if c.Minimum > 0 {
		parts = append(parts, fmt.Sprintf("at least %g %% of lines", c.Minimum))
	}
	if c.Drop > 0 {
		parts = append(parts, fmt.Sprintf("at most %g points under the branch's last run that passed", c.Drop))
	}
	return strings.Join(parts, ", ")
}

func (r *run) commitNote() string {
	switch {
	case r.AwaitsSwitch():
		return fmt.Sprintf("the clone, at %.12s, is brought to it", r.Head)
	case r.Dirty:
		return "the workspace has changes that are not in it"
	}
	return ""
}

func guards(s steps.Step) []string {
	var all []string
	if len(s.Required) > 0 {
		all = append(all, "set: "+strings.Join(s.Required, ", "))
	}
	if len(s.Needs) > 0 {
		all = append(all, "passed for this commit: "+strings.Join(s.Needs, ", "))
	}
	if len(s.Fetch) > 0 {
		all = append(all, "fetched and verified: "+strings.Join(s.Fetch, ", "))
	}
	if s.Lock != "" {
		all = append(
			all,
			fmt.Sprintf("one at a time for its %s, waiting up to %s", s.Lock, s.Wait),
			"no newer commit is live",
		)
	}
	return all
}

func (r *run) destination(a steps.Artifact) string {
	text := fmt.Sprintf(
		"%s: %s/ → %s/%s/ (when: %s)",
		a.Name,
		a.Path,
		units.Path(r.Place),
		keys.Set(a.Name, r.Ref),
		a.When,
	)
	if a.Mirror != "" {
		text += ", mirrored to " + keys.Mirror(a.Name, r.Ref.Branch) + "/"
	}
	return text
}

// PrintSteps lists the steps of a workspace, each with the origin of its settings. note returns a remark on a step by
// its name.
func PrintSteps(w io.Writer, c config.Config, note func(name string) string) error {
	catalogue, err := config.LoadSteps(c)
	if err != nil {
		return outcome.Refused(err)
	}
	for i, s := range catalogue.All() {
		if i > 0 {
			fmt.Fprintln(w)
		}
		title := s.Name
		if text := note(s.Name); text != "" {
			title += "  (" + text + ")"
		}
		fmt.Fprintln(w, terminal.Escape(title))
		row := func(name, value string) {
			if value != "" {
				fmt.Fprintf(w, "  %-12s %s  (%s)\n", name, terminal.Escape(value), terminal.Escape(s.Origin[name]))
			}
		}
		row("command", s.Command.String())
		if s.Directory != "." {
			row("directory", s.Directory)
		}
		if s.Timeout > 0 {
			row("timeout", s.Timeout.String())
		}
		row("required", strings.Join(s.Required, ", "))
		row("needs", strings.Join(s.Needs, ", "))
		row("fetch", strings.Join(s.Fetch, ", "))
		row("reports", strings.Join(s.Reports, ", "))
		for _, a := range s.Artifacts {
			row("artifacts", fmt.Sprintf("%s/ as %s, when %s", a.Path, a.Name, a.When))
		}
		for _, c := range s.Caches {
			row("cache", cacheText(c))
		}
		for _, one := range s.Services {
			row("services", serviceText(one))
		}
		row("verify", s.Verify.String())
		for _, h := range hookLists(s) {
			row(h.name, h.text())
		}
		row("rerun", rerunText(s.Rerun))
		for _, q := range s.Quarantine {
			row("quarantine", quarantineText(q, time.Now()))
		}
		row("coverage", floorText(s.Coverage))
	}
	return nil
}

// cacheText describes a cache.
func cacheText(c steps.Cache) string {
	if c.IsOfTools() {
		return "served to " + strings.Join(tools(c), ", ")
	}
	key := "the commit"
	if len(c.Key) > 0 {
		key = strings.Join(c.Key, ", ")
	}
	return fmt.Sprintf("%s: %s, by %s, saved on %s", c.Name, strings.Join(c.Paths, ", "), key, c.Save)
}

// origin returns the repository's URL without credentials.
func (r *run) origin() string {
	if r.Config.Repository == "" {
		return ""
	}
	address, err := source.PublicURL(r.Config.Repository)
	if err != nil {
		return "refused: " + err.Error()
	}
	return address
}

// quarantineText describes a quarantine.
func quarantineText(q steps.Quarantine, now time.Time) string {
	text := fmt.Sprintf("%s until %s", q.Test, q.LastDay())
	if q.Expired(now) {
		text += ", which is over"
	}
	if q.Reason != "" {
		text += " (" + q.Reason + ")"
	}
	return text
}
