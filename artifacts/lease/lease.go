package lease

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// Party is who wants a lock, or has it, in words for people. All of it is optional, and stored as it is: no secrets.
type Owner struct {
	Name    string `json:"owner"` // e.g. the ARN of a task, or user@host
	RunID   string `json:"run_id"`
	Step    string `json:"step"`
	SHA     string `json:"sha"`
	Branch  string `json:"branch"`
	Purpose string `json:"purpose"` // what it is for, e.g. "deploy of stack web"
}

// Holder is who has a lock, as its record says. The times are of the holder's clock.
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
			about = append(about, fmt.Sprintf(a.text, visible(a.value)))
		}
	}
	switch {
	case h.SHA != "" && h.Branch != "":
		about = append(about, fmt.Sprintf("commit %s of %q", visible(h.SHA), h.Branch))
	case h.SHA != "":
		about = append(about, "commit "+visible(h.SHA))
	case h.Branch != "":
		about = append(about, fmt.Sprintf("branch %q", h.Branch))
	}
	s := fmt.Sprintf("%q", cmp.Or(h.Name, "somebody"))
	if len(about) > 0 {
		s += " (" + strings.Join(about, ", ") + ")"
	}
	if h.Purpose != "" {
		s += fmt.Sprintf(" for %q", h.Purpose)
	}
	return s
}

// visible keeps what somebody else has written from steering the terminal it is shown on.
func visible(s string) string {
	quoted := fmt.Sprintf("%q", s)
	if quoted == `"`+s+`"` {
		return s
	}
	return quoted
}

// ttl is that of the holder, which may have another than we.
func (h Holder) ttl() time.Duration { return h.Expires.Sub(h.Renewed) }

// patience is for how long a record has to stay as it is before it may be taken over.
func (h Holder) patience() time.Duration { return h.ttl() + quarter(h.ttl()) }

// Claim asks for a lock.
type Request struct {
	Key string // see keys.Lock
	Owner
	// TTL is for how long the lock outlives its last heartbeat; 0 means 60s; it is at least 1s, and at most 24h.
	TTL time.Duration
	// Heartbeat is the time between two of them; 0 means, and at most it is, a quarter of TTL.
	Heartbeat time.Duration
	// Wait is for how long to wait for somebody else's; 0 means not at all.
	Wait time.Duration
	// Poll is the pause between the first two looks at somebody else's lock, which grows fivefold; 0 means 1s.
	Poll time.Duration
	// Waiting, if it is set, is told who has the lock when waiting begins, when the holder changes, and every 30s.
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

	// maxSkew is how far apart the clocks of two machines may be without anybody noticing: S3 takes requests from
	// clocks up to 15 minutes off, either way.
	maxSkew = 30 * time.Minute
)

// quarter of a TTL is the holder's margin on one side of its end, and the waiter's on the other. See Acquire.
func quarter(ttl time.Duration) time.Duration { return ttl / 4 }

func (c Request) withDefaults() Request {
	c.TTL = min(max(cmp.Or(c.TTL, defaultTTL), minTTL), maxTTL)
	if most := quarter(c.TTL); c.Heartbeat <= 0 || c.Heartbeat > most {
		c.Heartbeat = most
	}
	c.Poll = cmp.Or(max(c.Poll, 0), defaultPoll)
	if c.OnWait == nil {
		c.OnWait = func(Holder) {}
	}
	if c.wall == nil {
		c.wall = time.Now
	}
	return c
}
