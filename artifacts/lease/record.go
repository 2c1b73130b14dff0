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
)

// lockRecord is what is stored for a lock. It is never deleted, so that the fence goes on from holder to holder. No two
// records of a lock are alike, since ID and Writes differ: a tag that was seen once never comes back.
type lockRecord struct {
	Version int `json:"version"` // 1
	Holder
	Released time.Time `json:"released,omitzero"` // when the holder gave the lock back
	ID       string    `json:"id"`                // of the Acquire, random
	Writes   int64     `json:"writes"`            // under that ID
}

// taken is the record of a holder that follows. There being none, the fence begins at the milliseconds since 1970, and
// not at 1, so that it is greater than ever even if somebody, or a lifecycle rule, has deleted the record.
func (r lockRecord) taken(id string, c Request) lockRecord {
	now := c.now()
	fence := max(now.UnixMilli(), 1)
	if r.Fence > 0 {
		fence = r.Fence + 1
	}
	next := lockRecord{Version: 1, ID: id, Holder: Holder{Owner: c.Owner.clipped(), Fence: fence, Acquired: now}}
	return next.renewed(c)
}

// renewed is the record of the same holder, good for another TTL.
func (r lockRecord) renewed(c Request) lockRecord {
	r.Renewed = c.now()
	r.Expires = r.Renewed.Add(c.TTL)
	r.Writes++
	return r
}

// released is the record of a holder that has given the lock back.
func (r lockRecord) released(c Request) lockRecord {
	r.Released = c.now()
	r.Writes++
	return r
}

// heldBy tells whether the lock is that of an Acquire.
func (r lockRecord) heldBy(id string) bool { return r.ID == id && r.Released.IsZero() }

// now is by the machine's clock, cut to what JSON keeps.
func (c Request) now() time.Time { return c.wall().UTC().Truncate(time.Microsecond) }

// clipped keeps the record small, and its text what JSON can say.
func (p Owner) clipped() Owner {
	for _, s := range []*string{&p.Name, &p.RunID, &p.Step, &p.SHA, &p.Branch, &p.Purpose} {
		*s = strings.ToValidUTF8((*s)[:min(len(*s), keys.MaxKey)], "")
	}
	return p
}

func (r lockRecord) encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	err := e.Encode(r)
	return b.Bytes(), err
}

// maxFence is what every reader of JSON can count to.
const maxFence = 1 << 53

// parseLock refuses what Acquire cannot reason about, rather than to take it for a lock that nobody has.
func parseLock(body []byte) (lockRecord, error) {
	var r lockRecord
	if err := json.Unmarshal(body, &r); err != nil {
		return lockRecord{}, err
	}
	var err error
	switch {
	case r.Version != 1:
		err = fmt.Errorf("its version is %d, and this program knows only 1", r.Version)
	case r.ID == "" || r.Writes < 1:
		err = errors.New("it does not say which claim it is of")
	case r.Fence < 1 || r.Fence >= maxFence:
		err = fmt.Errorf("its fence is %d", r.Fence)
	case r.ttl() <= 0 || r.ttl() > maxTTL:
		err = fmt.Errorf("it was renewed at %s and expires at %s", stamp(r.Renewed), stamp(r.Expires))
	}
	if err != nil {
		return lockRecord{}, err
	}
	return r, nil
}

// slot is where a lock's record is.
type slot struct {
	store artifacts.Swapper
	key   string
}

// load returns a zero record and no tag when there is none.
func (s slot) load(ctx context.Context, timeout time.Duration) (lockRecord, string, error) {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	body, tag, err := s.store.Load(limited, s.key)
	if errors.Is(err, fs.ErrNotExist) {
		return lockRecord{}, "", nil
	}
	if err != nil {
		return lockRecord{}, "", s.late(ctx, "get", err)
	}
	r, err := parseLock(body)
	if err != nil {
		return lockRecord{}, "", &RecordError{Key: s.key, Location: s.location(), Err: err}
	}
	return r, tag, nil
}

func (s slot) swap(ctx context.Context, timeout time.Duration, r lockRecord, tag string) (string, error) {
	body, err := r.encode()
	if err != nil {
		return "", fmt.Errorf("encode %s: %w", s.key, err)
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	newTag, err := s.store.Swap(limited, artifacts.Object{
		Key: s.key, Body: bytes.NewReader(body), Size: int64(len(body)), Type: "application/json", CacheControl: "no-cache",
	}, tag)
	return newTag, s.late(ctx, "swap", err)
}

// late makes a timeout of ours a failure of the store's, since the caller's context has not ended.
func (s slot) late(ctx context.Context, op string, err error) error {
	if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		return err
	}
	return &artifacts.StoreError{Op: op, Key: s.key, Place: s.location(), Err: errLate, Transient: true}
}

var errLate = errors.New("no answer in time")

// location is the record's for people.
func (s slot) location() string {
	if l, ok := s.store.(artifacts.Locator); ok {
		return l.Locate(s.key)
	}
	return s.key
}

// release marks the record as released if it is that of id. Without an error it is not id's any longer; was tells
// what it was found to be.
func (s slot) release(ctx context.Context, id string, c Request) (was lockRecord, err error) {
	for try := range quickTries {
		var tag string
		was, tag, err = s.load(ctx, c.Heartbeat)
		var corrupt *RecordError
		if errors.As(err, &corrupt) {
			return was, err
		}
		if err == nil {
			if !was.heldBy(id) {
				return was, nil
			}
			if _, err = s.swap(ctx, c.Heartbeat, was.released(c), tag); err == nil {
				return was, nil
			}
		}
		if !sleep(ctx, backOff(try)) {
			break
		}
	}
	return was, err
}
