package shards

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/record"
)

// Claim is which run merges some parts. It is written once for them, so that exactly one shard merges.
type Claim struct {
	Format int       `json:"format"`
	RunID  string    `json:"run_id"` // of the merged record
	By     string    `json:"by"`     // the run that has claimed it
	At     time.Time `json:"at"`
}

// Claim claims the parts of a state. It returns false if another run has.
func (p Place) Claim(ctx context.Context, s artifacts.Store, state State, c Claim) (bool, error) {
	swapper, ok := s.(artifacts.Swapper)
	if !ok {
		return false, errors.New("the store has no conditional writes")
	}
	c.Format = Format
	err := artifacts.CreateJSON(ctx, swapper, p.claim(state.Parts), c)
	if errors.Is(err, fs.ErrExist) {
		// After a lost response, the object can be the one of this call.
		var stored Claim
		if err := artifacts.GetJSON(ctx, s, p.claim(state.Parts), &stored); err != nil {
			return false, err
		}
		return stored.By == c.By, nil
	}
	return err == nil, err
}

// TakeOver returns the claim on the parts of a state: that of a merger which may have died, so that its record is
// completed under the same id, else the given one.
func (p Place) TakeOver(ctx context.Context, s artifacts.Store, state State, c Claim) (Claim, error) {
	mine, err := p.Claim(ctx, s, state, c)
	if err != nil || mine {
		return c, err
	}
	var stored Claim
	if err := artifacts.GetJSON(ctx, s, p.claim(state.Parts), &stored); err != nil {
		return c, err
	}
	if stored.Format != Format || !IsGroup(stored.RunID) {
		return c, nil
	}
	return stored, nil
}

// Merged is merged.json: how the shards ended together. It is written last.
type Merged struct {
	Format   int           `json:"format"`
	Parts    string        `json:"parts"` // identifies those that it is of
	Of       int           `json:"of"`
	RunID    string        `json:"run_id"    redact:"-"`
	Key      string        `json:"key"       redact:"-"` // the folder of the record
	Passed   bool          `json:"passed"`
	Reason   record.Reason `json:"reason"`
	ExitCode int           `json:"exit_code"`
	Allowed  bool          `json:"retry_allowed"`
	Missing  []int         `json:"missing"` // shards without a part
	Failed   []int         `json:"failed"`  // shards that did not pass
}

// Finish stores how the merge ended.
func (p Place) Finish(ctx context.Context, s artifacts.Store, m Merged) error {
	m.Format, m.Of = Format, p.Of
	if m.Missing == nil {
		m.Missing = []int{}
	}
	if m.Failed == nil {
		m.Failed = []int{}
	}
	return artifacts.PutJSON(ctx, s, p.merged(), m)
}

// Merged returns how the shards were merged last. The error is fs.ErrNotExist if they were not.
func (p Place) Merged(ctx context.Context, s artifacts.Store) (m Merged, err error) {
	err = artifacts.GetJSON(ctx, s, p.merged(), &m)
	return m, err
}

// Done returns how the parts of a state were merged; false if they were not.
func (p Place) Done(ctx context.Context, s artifacts.Store, state State) (m Merged, done bool, err error) {
	err = artifacts.GetJSON(ctx, s, p.merged(), &m)
	var corrupt *artifacts.CorruptError
	if errors.Is(err, fs.ErrNotExist) || errors.As(err, &corrupt) {
		return m, false, nil
	}
	return m, err == nil && m.Format == Format && m.Parts == state.Parts && m.Of == p.Of, err
}
