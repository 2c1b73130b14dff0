package artifacts

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

// Severity is what a finding means for a run.
type Severity string

// The severities, from no problem to one that makes a run fail.
const (
	OK      Severity = "ok"
	Warning Severity = "warning"
	Failure Severity = "failure"
)

// Finding is a result of checking a set-up before it is used.
type Finding struct {
	Subject  string // what was checked, e.g. "artifacts"
	Problem  string // what was found, good or bad
	Advice   string // what to do about it; empty without a problem
	Severity Severity
}

// Examiner is a store that can check itself before it is used.
type Examiner interface {
	Examine(ctx context.Context) []Finding
}

// Probe stores, reads and deletes an object below the records of runs.
func Probe(ctx context.Context, s Store) error {
	want := struct{ Probe string }{rand.Text()}
	key := keys.Probe(want.Probe)
	if err := PutJSON(ctx, s, key, want); err != nil {
		return err
	}
	got := want
	got.Probe = ""
	err := GetJSON(ctx, s, key, &got)
	if err == nil && got != want {
		err = &CorruptError{key, want.Probe, got.Probe}
	}
	// It is deleted even if it cannot be read.
	return errors.Join(err, s.Delete(context.WithoutCancel(ctx), key))
}
