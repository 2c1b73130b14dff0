package runner

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/deploy/stack"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/redact"
)

// deployment is deployments/<environment>/<stack>/<run-id>.json: the stack before the run, and what became of it. It is
// written before anything changes, and again at the end.
type deployment struct {
	record.Identity
	Committed time.Time         `json:"commit_time,omitzero"`
	Fence     int64             `json:"fence"` // of the lock
	Forced    bool              `json:"forced,omitempty"`
	Builds    map[string]string `json:"builds,omitempty" redact:"-"` // SHA-256 of what was fetched, by kind
	Replaced  *revision         `json:"replaced,omitempty"`          // what was live before
	Before    *stack.Snapshot   `json:"before,omitempty" redact:"-"` // redacted before the command runs: see snapshot
	Started   time.Time         `json:"started_at"`
	Ended     time.Time         `json:"finished_at,omitzero"`
	Seconds   float64           `json:"duration_seconds,omitempty"`
	ExitCode  *int              `json:"exit_code,omitempty"`
	Reason    record.Reason     `json:"reason,omitempty"`
	Output    string            `json:"output,omitempty"` // the end of it
	ClosedBy  string            `json:"closed_by,omitempty" redact:"-"`
	Undoes    string            `json:"undoes,omitempty" redact:"-"` // the run that a rollback took back
	UndoneBy  string            `json:"undone_by,omitempty" redact:"-"`
	record.Delivery
}

func (d *delivery) outcome() *record.Delivery {
	if d.record == nil {
		return nil
	}
	return &d.record.Delivery
}

// revision is a commit in an environment.
type revision = record.Revision

// ledger is live.json beside the records: what is live, and what has begun and not ended. It is written only over what was
// read, so that whoever has lost the lock cannot write over those who have it now.
type ledger struct {
	Live    *revision `json:"live,omitempty"`
	Pending *revision `json:"pending,omitempty"`

	key, tag string
}

// load reads the ledger; without one it is empty.
func (l *ledger) load(ctx context.Context, store artifacts.Store, environment, scope string) error {
	*l = ledger{key: keys.Live(environment, scope)}
	swapper, ok := store.(artifacts.Swapper)
	if !ok {
		return fmt.Errorf("%s cannot be read: the store has no locks", l.key)
	}
	body, tag, err := swapper.Load(ctx, l.key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	l.tag = tag
	if err := json.Unmarshal(body, l); err != nil {
		return &artifacts.CorruptError{Path: l.key, Want: "a record of what is live", Got: err.Error()}
	}
	return nil
}

// save writes the ledger. An answer that was lost is found out by looking.
func (l *ledger) save(ctx context.Context, store artifacts.Store) error {
	swapper := store.(artifacts.Swapper) // load has seen to that
	body, err := json.MarshalIndent(l, "", " ")
	if err != nil {
		return err
	}
	tag, err := swapper.Swap(ctx, artifacts.Object{
		Key: l.key, Body: bytes.NewReader(body), Size: int64(len(body)), Type: "application/json", CacheControl: "no-cache",
	}, l.tag)
	if err != nil {
		if there, now, lookErr := swapper.Load(ctx, l.key); lookErr == nil && bytes.Equal(there, body) {
			tag, err = now, nil
		}
	}
	if err == nil {
		l.tag = tag
	}
	return err
}

// revision is what this run brings.
func (r *run) revision() revision {
	v := revision{RunID: r.ID, SHA: r.Ref.SHA, Branch: r.Ref.Branch, At: time.Now().UTC()}
	if text, err := r.Git(r.Stop.Work, r.Config.Workspace, nil, "show", "-s", "--format=%ct", r.Ref.SHA); err == nil {
		if n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64); err == nil {
			v.Committed = time.Unix(n, 0).UTC()
		}
	}
	for _, kind := range r.builds() {
		if m, err := artifacts.ReadManifest(r.Stop.Work, r.Store, kind, r.Ref); err == nil {
			if v.Builds == nil {
				v.Builds = map[string]string{}
			}
			v.Builds[kind], v.Built = digestOf(m), m.Created
		}
	}
	return v
}

// builds are the kinds of artifacts that are deployed.
func (r *run) builds() []string {
	if len(r.step.Fetch) > 0 {
		return r.step.Fetch
	}
	return []string{"builds"}
}

// digestOf is the same for two sets whose files are the same, wherever and whenever they were stored.
func digestOf(m artifacts.Manifest) string {
	h := sha256.New()
	for _, f := range m.Files {
		fmt.Fprintf(h, "%s\x00%s\x00%s\n", f.Path, f.SHA256, f.Mode)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// putDelivery stores the record, redacted.
func (r *run) putDelivery(ctx context.Context) error {
	text, err := json.MarshalIndent(redact.Value(r.Redactor, *r.delivery.record), "", " ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	_, err = r.Store.Put(ctx, artifacts.Object{
		Key: keys.Deployment(r.Config.Environment, r.delivery.scope, r.ID), Body: bytes.NewReader(text), Size: int64(len(text)),
		Type: "application/json", CacheControl: "no-cache",
	})
	return err
}
