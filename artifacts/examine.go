package artifacts

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

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
func probe(ctx context.Context, s Store) error {
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

// scarce is the free space, in bytes, below which a folder's disk deserves a warning.
const scarce = 1 << 30

// Examine implements Examiner: the folder is there, since it has been opened; whether it can be written shows a probe.
func (f *Folder) Examine(ctx context.Context) []Finding {
	const subject = "artifacts"
	if err := probe(ctx, f); err != nil {
		return []Finding{{subject, err.Error(), "see who may write to the folder, and whether its disk is full", Failure}}
	}
	found := []Finding{{subject, f.place + " can be written, read and cleared", "", OK}}
	if free, ok := freeSpace(f.place); ok && free < scarce {
		found = append(found, Finding{
			subject, fmt.Sprintf("only %d MiB are free in %s", free>>20, f.place),
			"free some room there, or give the task more ephemeral storage", Warning,
		})
	}
	return found
}
