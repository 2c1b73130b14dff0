package runner

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/report"
	"github.com/carlin-cicd/runner/steps"
)

// stackStory is what was told of a stack while the run went on: by whoever follows its events, and by whoever brings it back.
type stackStory struct {
	mu      sync.Mutex
	events  []record.StackEvent
	dropped int
}

// maxStackStory is how many events are kept, the newest; the log has them all.
const maxStackStory = 200

func (s *stackStory) add(e record.StackEvent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.events) == maxStackStory {
		s.events = slices.Delete(s.events, 0, 1)
		s.dropped++
	}
	s.events = append(s.events, e)
}

func (s *stackStory) all() (events []record.StackEvent, dropped int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events), s.dropped
}

// pageDelivery tells what became of the environment; nil if the run was not to change one, or did not get so far.
func (r *run) pageDelivery() *report.Delivery {
	d := &r.delivery
	if r.step.Lock == "" || d.record == nil && len(d.waited) == 0 {
		return nil
	}
	clean := r.Redactor.String
	page := &report.Delivery{}
	for _, holder := range d.waited {
		page.Waited = append(page.Waited, clean(holder))
	}
	page.Events, page.Dropped = d.told.all()
	for i, e := range page.Events {
		page.Events[i].Reason, page.Events[i].Resource = clean(e.Reason), clean(e.Resource)
	}
	if d.record == nil {
		return page
	}
	page.Outcome = r.outcomeText()
	fact := func(name, value, to string) {
		if value != "" {
			page.Facts = append(page.Facts, report.Fact{Name: name, Value: clean(value), Link: to})
		}
	}
	if d.record.Before != nil {
		fact("stack before", d.record.Before.Status, "")
	}
	fact("stack now", d.record.Status, "")
	if was := d.record.Replaced; was != nil {
		fact("live before", fmt.Sprintf("%.12s of %s, run %s", was.SHA, was.Branch, was.RunID), "")
	}
	if back := d.record.Rollback; back != nil {
		fact("way back", wayBack(*back), "")
		for _, failed := range back.Failures {
			fact("in the way", strings.TrimSuffix(fmt.Sprintf("%s (%s) %s: %s", failed.Name, failed.Type, failed.Status, failed.Reason), ": "), "")
		}
	}
	fact("problem", d.record.Problem, "")
	fact("what to do", d.record.Advice, "")
	if d.record.Forced {
		fact("forced", "over a newer commit, if there was one", "")
	}
	key := keys.Deployment(r.Config.Environment, d.scope, r.ID)
	fact("record", key, r.fromPage(key))
	return page
}

// outcomeText is the outcome of a delivery as a sentence.
func (r *run) outcomeText() string {
	what := "the stack"
	if r.step.Lock == steps.LockEnvironment || r.delivery.stack == nil {
		what = "the environment"
	}
	switch r.delivery.record.Outcome {
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
		return "The stack is what run " + r.delivery.record.Undoes + " had found."
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
