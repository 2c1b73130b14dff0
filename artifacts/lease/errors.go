package lease

import (
	"fmt"
	"time"
)

// HeldError says that somebody else has a lock, and had it until the limit of the wait.
type HeldError struct {
	Key    string
	Holder Holder
	Waited time.Duration
	// Overdue is for how long the holder has not renewed the lock although it should have, by the two machines'
	// clocks; it is 0 or less as long as it need not have.
	Overdue time.Duration
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("lock %s is held by %v since %s, until %s unless renewed; waited %s",
		e.Key, e.Holder, stamp(e.Holder.Acquired), stamp(e.Holder.Expires), e.Waited.Round(time.Second))
}

// Hint says what to do about it.
func (e *HeldError) Hint() string {
	patience := e.Holder.patience().Round(time.Second)
	if e.Overdue > 0 {
		return fmt.Sprintf("it looks abandoned: run this again with a wait of at least %s, after which the lock is taken over", patience)
	}
	return fmt.Sprintf("run this again when that one has ended; if it was killed, a wait of %s is enough to take the lock over", patience)
}

// LostError says that a lock ceased to be ours before it was released.
type LostError struct {
	Key   string
	Fence int64   // of the lease
	By    *Holder // who has taken it over; nil when nobody is known to have
	Err   error   // why it could not be renewed, or nil
	Since time.Time
}

func (e *LostError) Error() string {
	switch {
	case e.By != nil:
		return fmt.Sprintf("lock %s was lost: it was taken over by %v at %s", e.Key, *e.By, stamp(e.By.Acquired))
	case e.Err != nil:
		return fmt.Sprintf("lock %s was lost: not renewed since %s: %v", e.Key, stamp(e.Since), e.Err)
	}
	return fmt.Sprintf("lock %s was lost: not renewed since %s", e.Key, stamp(e.Since))
}

func (e *LostError) Unwrap() error { return e.Err }

// Hint says what to do about it.
func (e *LostError) Hint() string {
	return "what ran under the lock was stopped half-way: look at what it left, and run it again"
}

// LockRecordError says that what is stored for a lock is no record of one.
type RecordError struct {
	Key      string
	Location string // of the record, for people
	Err      error
}

func (e *RecordError) Error() string {
	return fmt.Sprintf("the record of lock %s is not readable: %v", e.Key, e.Err)
}

func (e *RecordError) Unwrap() error { return e.Err }

// Hint says what to do about it.
func (e *RecordError) Hint() string {
	return fmt.Sprintf("look at %s; once nothing runs under the lock, delete it", e.Location)
}

// stamp is a time for people.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
