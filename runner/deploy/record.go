package deploy

import (
	"strconv"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/deploy/stack"
	"github.com/carlin-cicd/runner/runner/needs"
	"github.com/carlin-cicd/runner/runner/record"
)

// deploymentRecord is deployments/<environment>/<scope>/<run-id>.json: the stack before the run, and what became of
// it. It is written before anything changes, and again at the end.
type deploymentRecord struct {
	record.Identity
	Committed time.Time         `json:"commit_time,omitzero"`
	Fence     int64             `json:"fence"` // of the lock
	Forced    bool              `json:"forced,omitempty"`
	Builds    map[string]string `json:"builds,omitempty" redact:"-"` // SHA-256 of what was fetched, by kind
	Replaced  *record.Revision  `json:"replaced,omitempty"`          // what was live before
	// Before is redacted by itself when the snapshot is taken: what the command masks later must not alter it.
	Before   *stack.Snapshot `json:"before,omitempty" redact:"-"`
	Started  time.Time       `json:"started_at"`
	Updated  time.Time       `json:"updated_at,omitzero"` // when the first operation on the stack began; of several stacks only
	Ended    time.Time       `json:"finished_at,omitzero"`
	Seconds  float64         `json:"duration_seconds,omitempty"`
	ExitCode *int            `json:"exit_code,omitempty"`
	Reason   record.Reason   `json:"reason,omitempty"`
	Output   string          `json:"output,omitempty"` // the end of it
	ClosedBy string          `json:"closed_by,omitempty" redact:"-"`
	Undoes   string          `json:"undoes,omitempty" redact:"-"` // the run that a rollback undid
	UndoneBy string          `json:"undone_by,omitempty" redact:"-"`
	record.Delivery
}

// revision returns what this run brings.
func (d *Deployment) revision() record.Revision {
	v := record.Revision{RunID: d.ID, SHA: d.Ref.SHA, Branch: d.Ref.Branch, At: time.Now().UTC()}
	if text, err := d.Git(d.Stop.Work, d.Config.Workspace, nil, "show", "-s", "--format=%ct", d.Ref.SHA); err == nil {
		if n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64); err == nil {
			v.Committed = time.Unix(n, 0).UTC()
		}
	}
	d.builds = nil
	kinds := d.step.Fetch
	if len(kinds) == 0 {
		kinds = []string{"builds"}
	}
	for _, kind := range kinds {
		if m, err := needs.Manifest(d.Stop.Work, d.Session, kind); err == nil {
			if v.Builds == nil {
				v.Builds = map[string]string{}
			}
			v.Builds[kind], v.Built = m.Digest(), m.Created
			d.builds = append(d.builds, m)
		}
	}
	return v
}
