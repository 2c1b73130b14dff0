package runner

import (
	"fmt"
	"strings"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/report"
)

// pageDelivery tells what became of the environment; nil if the run was not to change one, or did not get so far.
func (r *run) pageDelivery() *report.Delivery {
	d, ended := r.delivery.Details(), r.delivery.Delivery()
	if d == nil {
		return nil
	}
	clean := r.Redactor.String
	page := &report.Delivery{Dropped: d.Dropped}
	for _, holder := range d.Waited {
		page.Waited = append(page.Waited, clean(holder))
	}
	for _, e := range d.Events {
		e.Resource, e.Reason = clean(e.Resource), clean(e.Reason)
		page.Events = append(page.Events, e)
	}
	if ended == nil {
		return page
	}
	page.Outcome = outcomeText(*ended, *d)
	fact := func(name, value, to string) {
		if value != "" {
			page.Facts = append(page.Facts, report.Fact{Name: name, Value: clean(value), Link: to})
		}
	}
	fact("stack before", d.Before, "")
	fact("stack now", ended.Status, "")
	if was := d.Replaced; was != nil {
		fact("live before", fmt.Sprintf("%.12s of %s, run %s", was.SHA, was.Branch, was.RunID), "")
	}
	if back := ended.Rollback; back != nil {
		fact("way back", wayBack(*back), "")
		for _, failed := range back.Failures {
			fact("in the way", strings.TrimSuffix(fmt.Sprintf("%s (%s) %s: %s", failed.Name, failed.Type, failed.Status, failed.Reason), ": "), "")
		}
	}
	fact("problem", ended.Problem, "")
	fact("what to do", ended.Advice, "")
	if d.Forced {
		fact("forced", "over a newer commit, if there was one", "")
	}
	fact("record", d.Key, r.fromPage(d.Key))
	return page
}

// outcomeText is the outcome of a delivery as a sentence.
func outcomeText(ended record.Delivery, d record.Deployment) string {
	what := "the environment"
	if d.HasStack {
		what = "the stack"
	}
	switch ended.Outcome {
	case record.Delivered:
		return "It passed, and is live."
	case record.RolledBack:
		return "It failed, and the stack is what it was before."
	case record.RollbackFailed:
		return "It failed, and the stack could not be brought back."
	case record.LeftAsIs:
		return "It failed, and " + what + " was left as it is."
	case record.Interrupted:
		return "It was cut short: " + what + " may be half-way, or still on its way."
	case record.IsRollback:
		return "The stack is what run " + d.Undoes + " had found."
	}
	return "It had not ended when this was written."
}

// wayBack says how a stack was brought back, and what is known of the result.
func wayBack(b record.Rollback) string {
	text := string(b.Action)
	if said, ok := map[record.Action]string{
		record.Untouched: "nothing had changed", record.ByItself: "by CloudFormation itself", record.Continued: "CloudFormation's rollback was stuck, and went through when it was tried again",
		record.Resumed: "an update that had failed was rolled back", record.Reapplied: "the snapshot was applied over it", record.Removed: "it was not there before, and is not there now",
		record.FirstCreate: "none: it was not there before", record.Gone: "none: it was deleted", record.Superseded: "none: somebody else has changed it since",
		record.Stuck: "none: CloudFormation cannot do it without help", record.Failed: "it was refused, or led elsewhere",
	}[b.Action]; ok {
		text = said
	}
	if b.Proven {
		text += "; compared with the snapshot, and the same"
	}
	for _, list := range []struct {
		what  string
		names []string
	}{{"it differs in", b.Differences}, {"hidden, so not compared:", b.Unproven}, {"kept as they are now:", b.Kept}} {
		if len(list.names) > 0 {
			text += "; " + list.what + " " + strings.Join(list.names, ", ")
		}
	}
	return text
}
