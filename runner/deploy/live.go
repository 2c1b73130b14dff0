package deploy

import (
	"time"

	"github.com/carlin-cicd/runner/runner/record"
)

// Live returns what is live in the places that the step changes, as far as the run knows. Call it when the run has
// ended; at is that time.
func (d *Deployment) Live(at time.Time) []record.LiveRevision {
	if d == nil {
		return nil
	}
	var all []record.LiveRevision
	for _, t := range d.targets {
		if live := t.ledger.Live; live != nil {
			all = append(all, record.LiveRevision{
				Environment: d.Config.Environment, Scope: t.scope, Since: at.UTC(), FoundBy: d.ID, Revision: *live,
			})
		}
	}
	return all
}
