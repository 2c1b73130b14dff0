package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/redact"
)

// ledger is live.json beside the records: the live revision, and the one that began and did not end. It is written only
// over what was read, so that a run that lost the lock cannot overwrite what its successor wrote.
type ledger struct {
	Live    *record.Revision `json:"live,omitempty"`
	Pending *record.Revision `json:"pending,omitempty"`

	key, tag string
}

// load reads the ledger; without one it is empty.
func (l *ledger) load(ctx context.Context, store artifacts.Store, environment, scope string) error {
	*l = ledger{key: keys.Live(environment, scope)}
	swapper, ok := store.(artifacts.Swapper)
	if !ok {
		return fmt.Errorf("%s cannot be read: the store does not support locks", l.key)
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

// save writes the ledger, redacted. If the answer to the write was lost, a look at the object decides.
func (l *ledger) save(ctx context.Context, store artifacts.Store, r *redact.Redactor) error {
	swapper := store.(artifacts.Swapper) // checked by load
	body, err := json.MarshalIndent(redact.Value(r, *l), "", " ")
	if err != nil {
		return err
	}
	tag, err := swapper.Swap(ctx, artifacts.Object{
		Key:          l.key,
		Body:         bytes.NewReader(body),
		Size:         int64(len(body)),
		Type:         "application/json",
		CacheControl: "no-cache",
	}, l.tag)
	if err != nil {
		if stored, now, loadErr := swapper.Load(ctx, l.key); loadErr == nil && bytes.Equal(stored, body) {
			tag, err = now, nil
		}
	}
	if err == nil {
		l.tag = tag
	}
	return err
}

func (t *target) loadLedger() error {
	if err := t.ledger.load(t.run.Stop.Work, t.run.Store, t.run.Config.Environment, t.scope); err != nil {
		return outcome.ArtifactsError{Err: err}
	}
	return nil
}
