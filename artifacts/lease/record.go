package lease

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/artifacts/retry"
)

// lockRecord is what is stored for a lock. It is never deleted, so that the fence grows from holder to holder. No two
// records of a lock are equal, since ID and Writes differ: a tag that was seen once never comes back.
type lockRecord struct {
	Version int `json:"version"` // 1
	Holder
	Released time.Time `json:"released,omitzero"` // when the holder released the lock
	ID       string    `json:"id"`                // of the Acquire, random
	Writes   int64     `json:"writes"`            // under that ID
}

// taken is the record of the next holder. Without a previous one the fence begins at the milliseconds since 1970, and
// not at 1, so that it still grows if the record was deleted by hand or by a lifecycle rule.
func (l lockRecord) taken(id string, r Request) lockRecord {
	now := r.now()
	fence := max(now.UnixMilli(), 1)
	if l.Fence > 0 {
		fence = l.Fence + 1
	}
	next := lockRecord{Version: 1, ID: id, Holder: Holder{Owner: r.Owner.clipped(), Fence: fence, Acquired: now}}
	return next.renewed(r)
}

// renewed is the record of the same holder, valid for another TTL.
func (l lockRecord) renewed(r Request) lockRecord {
	l.Renewed = r.now()
	l.Expires = l.Renewed.Add(r.TTL)
	l.Writes++
	return l
}

// released is the record of a holder that has released the lock.
func (l lockRecord) released(r Request) lockRecord {
	l.Released = r.now()
	l.Writes++
	return l
}

// heldBy reports whether the lock belongs to an Acquire.
func (l lockRecord) heldBy(id string) bool { return l.ID == id && l.Released.IsZero() }

// clipped keeps the record small and valid JSON.
func (o Owner) clipped() Owner {
	for _, s := range []*string{&o.Name, &o.RunID, &o.Step, &o.SHA, &o.Branch, &o.Purpose} {
		*s = strings.ToValidUTF8((*s)[:min(len(*s), keys.MaxKey)], "")
	}
	return o
}

func (l lockRecord) encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	err := e.Encode(l)
	return b.Bytes(), err
}

// maxFence is the largest integer that every JSON parser reads exactly.
const maxFence = 1 << 53

// parseRecord refuses records that Acquire cannot reason about, rather than to consider the lock free.
func parseRecord(body []byte) (lockRecord, error) {
	var l lockRecord
	if err := json.Unmarshal(body, &l); err != nil {
		return lockRecord{}, err
	}
	var err error
	switch {
	case l.Version != 1:
		err = fmt.Errorf("its version is %d, and this program supports only 1", l.Version)
	case l.ID == "" || l.Writes < 1:
		err = errors.New("it has no id or no number of writes")
	case l.Fence < 1 || l.Fence >= maxFence:
		err = fmt.Errorf("its fence is %d", l.Fence)
	case l.ttl() <= 0 || l.ttl() > maxTTL:
		err = fmt.Errorf("it was renewed at %s and expires at %s", stamp(l.Renewed), stamp(l.Expires))
	}
	if err != nil {
		return lockRecord{}, err
	}
	return l, nil
}

// slot is where a lock's record is.
type slot struct {
	store Store
	key   string
}

// load returns a zero record and no tag if there is none.
func (s slot) load(ctx context.Context, timeout time.Duration) (lockRecord, string, error) {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	body, tag, err := s.store.Load(limited, s.key)
	if errors.Is(err, fs.ErrNotExist) {
		return lockRecord{}, "", nil
	}
	if err != nil {
		return lockRecord{}, "", s.timeoutError(ctx, "get", err)
	}
	l, err := parseRecord(body)
	if err != nil {
		return lockRecord{}, "", &RecordError{Key: s.key, Location: s.location(), Err: err}
	}
	return l, tag, nil
}

func (s slot) swap(ctx context.Context, timeout time.Duration, l lockRecord, tag string) (string, error) {
	body, err := l.encode()
	if err != nil {
		return "", fmt.Errorf("encode %s: %w", s.key, err)
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	newTag, err := s.store.Swap(limited, artifacts.Object{
		Key: s.key, Body: bytes.NewReader(body), Size: int64(len(body)),
		Type: "application/json", CacheControl: "no-cache",
	}, tag)
	return newTag, s.timeoutError(ctx, "swap", err)
}

// timeoutError makes our own timeout a transient failure of the store, since the caller's context has not ended.
func (s slot) timeoutError(ctx context.Context, op string, err error) error {
	if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		return err
	}
	return &artifacts.StoreError{Op: op, Key: s.key, Place: s.location(), Err: errTimeout, Transient: true}
}

var errTimeout = errors.New("no response in time")

// location is the record's for people.
func (s slot) location() string {
	if l, ok := s.store.(artifacts.Locator); ok {
		return l.Locate(s.key)
	}
	return s.key
}

// release marks the record as released if it belongs to id. Without an error it no longer does; was is the record as
// found. A record that is known with its tag is not read at the first attempt.
func (s slot) release(ctx context.Context, id string, r Request, known lockRecord, tag string) (was lockRecord, err error) {
	policy := retry.Policy{
		Attempts: quickAttempts, First: failurePause, Longest: time.Second,
		Retryable: func(err error) bool {
			var corrupt *RecordError
			return !errors.As(err, &corrupt)
		},
	}
	err = retry.Do(ctx, policy, func() error {
		was = known
		if tag == "" {
			if was, tag, err = s.load(ctx, r.Heartbeat); err != nil {
				return err
			}
		}
		if !was.heldBy(id) {
			return nil
		}
		_, err := s.swap(ctx, r.Heartbeat, was.released(r), tag)
		tag = "" // after a failure the record is another one, or this write has succeeded all the same
		return err
	})
	return was, err
}
