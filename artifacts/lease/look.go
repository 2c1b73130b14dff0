package lease

import (
	"context"
	"time"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

// Seen is a lock as it was once.
type Seen struct {
	record lockRecord
	tag    string
	at     time.Time // when it had been read
}

// Look reads a lock ahead of an Acquire. It takes nothing.
//
// A tag never comes back. So if Acquire takes a lock that was free as it was seen (Lease.AsSeen), no one has held it
// since: what was read after Look had returned, and is only written under the lock, is still so. A holder that is seen
// may write without a change of the lock, and die.
func Look(ctx context.Context, s Store, key string) (*Seen, error) {
	if err := keys.Check(key); err != nil {
		return nil, err
	}
	record, tag, err := slot{s, key}.load(ctx, Request{}.withDefaults().Heartbeat)
	if err != nil {
		return nil, err
	}
	return &Seen{record, tag, time.Now()}, nil
}

// New reports whether the lock had never been held. Then what was read at any time before is still so, too.
func (s *Seen) New() bool { return s.tag == "" }

// free reports whether the lock had no holder.
func (s *Seen) free() bool { return s != nil && (s.New() || !s.record.Released.IsZero()) }
