package lease

import (
	"fmt"
	"time"
)

// HeldError reports a lock that was held until the end of the wait.
type HeldError struct {
	Key    string
	Holder Holder
	Waited time.Duration
	// Overdue is how long ago the holder should have renewed the lock, by the two machines' clocks; it is 0 or less
	// if that is not yet due.
	Overdue time.Duration
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("lock %s is held by %v since %s, until %s unless renewed; waited %s",
		e.Key, e.Holder, stamp(e.Holder.Acquired), stamp(e.Holder.Expires), e.Waited.Round(time.Second))
}

// Hint says what to do next.
func (e *HeldError) Hint() string {
	wait := e.Holder.staleAfter().Round(time.Second)
	if e.Overdue > 0 {
		return fmt.Sprintf("it looks abandoned: run this again with a wait of at least %s, to take the lock over", wait)
	}
	return fmt.Sprintf(
		"run this again when the holder has ended; if it was killed, wait %s to take the lock over",
		wait,
	)
}

// LostError reports a lock that was lost before it was released.
type LostError struct {
	Key   string
	Fence int64   // of the lease
	By    *Holder // who has taken it over; nil if that is not known
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

// Hint says what to do next.
func (e *LostError) Hint() string {
	return "what ran under the lock was stopped half-way: check what it left, and run it again"
}

// RecordError reports an object under a lock's key that is not a record of a lock.
type RecordError struct {
	Key      string
	Location string // of the record, for people
	Err      error
}

func (e *RecordError) Error() string {
	return fmt.Sprintf("the record of lock %s is not readable: %v", e.Key, e.Err)
}

func (e *RecordError) Unwrap() error { return e.Err }

// Hint says what to do next.
func (e *RecordError) Hint() string {
	return fmt.Sprintf("check %s; once nothing runs under the lock, delete it", e.Location)
}

// stamp formats a time for people.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
