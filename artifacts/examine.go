package artifacts

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

// Severity says what a finding means for a run.
type Severity string

// The severities, from what is as it should be to what will make a run fail.
const (
	OK      Severity = "ok"
	Warning Severity = "warning"
	Failure Severity = "failure"
)

// Finding is something that was found out about a set-up before it is used.
type Finding struct {
	Subject  string // what was looked at, e.g. "artifacts"
	Problem  string // what was found; where all is well, what is well
	Advice   string // what to do about it; empty where all is well
	Severity Severity
}

// Examiner is a store that can say what is wrong with itself before it is used.
type Examiner interface {
	Examine(ctx context.Context) []Finding
}

// probe stores something where the records of runs are, reads it and removes it.
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
	// Even where it cannot be read, it should not stay.
	return errors.Join(err, s.Delete(context.WithoutCancel(ctx), key))
}
