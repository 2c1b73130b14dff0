// Package lease gives locks on a store with conditional writes: a holder renews its lock by heartbeats, and a lock that
// is no longer renewed is taken over.
package lease

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
)

// Store is what a lock is kept in. See artifacts.Swapper for the semantics.
type Store interface {
	Load(ctx context.Context, key string) (body []byte, tag string, err error)
	Swap(ctx context.Context, o artifacts.Object, tag string) (newTag string, err error)
}

// Owner describes who requests or holds a lock, for people. All fields are optional, and stored as they are: no
// secrets.
type Owner struct {
	Name    string `json:"owner"` // e.g. the ARN of a task, or user@host
	RunID   string `json:"run_id"`
	Step    string `json:"step"`
	SHA     string `json:"sha"`
	Branch  string `json:"branch"`
	Purpose string `json:"purpose"` // e.g. "deploy of stack web"
	// Until is when what runs under the lock has ended at the latest, by the owner's clock; zero if that is not known.
	Until time.Time `json:"until,omitzero"`
}

// Holder is the owner of a lock as its record says. The times are of the holder's clock.
type Holder struct {
	Owner
	Fence    int64     `json:"fence"` // see Lease.Fence
	Acquired time.Time `json:"acquired"`
	Renewed  time.Time `json:"renewed"` // by the last heartbeat
	Expires  time.Time `json:"expires"` // unless renewed
}

// String is for messages, e.g. `"task/1" (run 7, step deploy, commit abcdef2 of "main") for "a deploy"`.
func (h Holder) String() string {
	var about []string
	for _, a := range []struct{ text, value string }{{"run %s", h.RunID}, {"step %s", h.Step}} {
		if a.value != "" {
			about = append(about, fmt.Sprintf(a.text, printable(a.value)))
		}
	}
	switch {
	case h.SHA != "" && h.Branch != "":
		about = append(about, fmt.Sprintf("commit %s of %q", printable(h.SHA), h.Branch))
	case h.SHA != "":
		about = append(about, "commit "+printable(h.SHA))
	case h.Branch != "":
		about = append(about, fmt.Sprintf("branch %q", h.Branch))
	}
	s := fmt.Sprintf("%q", cmp.Or(h.Name, "unknown"))
	if len(about) > 0 {
		s += " (" + strings.Join(about, ", ") + ")"
	}
	if h.Purpose != "" {
		s += fmt.Sprintf(" for %q", h.Purpose)
	}
	return s
}

// printable quotes text of another process if it could control the terminal it is printed on.
func printable(s string) string {
	quoted := fmt.Sprintf("%q", s)
	if quoted == `"`+s+`"` {
		return s
	}
	return quoted
}

// ttl is that of the holder, which may differ from the one requested here.
func (h Holder) ttl() time.Duration { return h.Expires.Sub(h.Renewed) }

// staleAfter is how long a record has to stay unchanged before it may be taken over.
func (h Holder) staleAfter() time.Duration { return h.ttl() + quarter(h.ttl()) }

// Request asks for a lock.
type Request struct {
	Key string // see keys.Lock
	Owner
	// TTL is how long the lock outlives its last heartbeat; 0 means 60s; it is at least 1s, and at most 24h.
	TTL time.Duration
	// Heartbeat is the time between two of them; 0 means a quarter of TTL, which is also the most.
	Heartbeat time.Duration
	// Wait is how long to wait while the lock is held; 0 means not at all.
	Wait time.Duration
	// Poll is the pause between the first two reads of a lock that is held, which grows fivefold; 0 means 1s.
	Poll time.Duration
	// HasEnded, if it is set, is called before a stale lock is taken over, and reports whether the holder has ended.
	// One that has not is waited for, whatever its clock says.
	HasEnded func(context.Context, Holder) bool
	// Seen, if it is set, is what Look has found under the key. A lock that is still so is taken by one request.
	Seen *Seen
	// OnWait, if it is set, is called with the holder when waiting begins, when the holder changes, and every 30s.
	OnWait func(Holder)

	wall func() time.Time // the machine's clock; tests set it wrong
}

const (
	defaultTTL  = time.Minute
	minTTL      = time.Second
	maxTTL      = 24 * time.Hour
	defaultPoll = time.Second
	pollGrowth  = 5
	remindEvery = 30 * time.Second

	// maxSkew is how far apart the clocks of two machines can be unnoticed: S3 accepts requests from clocks up to
	// 15 minutes off, either way.
	maxSkew = 30 * time.Minute
)

// quarter of a TTL is the holder's margin before the lock expires, and the waiter's after. See Acquire.
func quarter(ttl time.Duration) time.Duration { return ttl / 4 }

func (r Request) withDefaults() Request {
	r.TTL = min(max(cmp.Or(r.TTL, defaultTTL), minTTL), maxTTL)
	if most := quarter(r.TTL); r.Heartbeat <= 0 || r.Heartbeat > most {
		r.Heartbeat = most
	}
	r.Poll = cmp.Or(max(r.Poll, 0), defaultPoll)
	if r.OnWait == nil {
		r.OnWait = func(Holder) {}
	}
	if r.wall == nil {
		r.wall = time.Now
	}
	return r
}

// now is by the machine's clock, cut to the precision of JSON.
func (r Request) now() time.Time { return r.wall().UTC().Truncate(time.Microsecond) }
