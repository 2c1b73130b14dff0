package service

import (
	"cmp"
	"errors"
	"fmt"
)

// Error is a service that could not be started, was not ready in time, or ended by itself.
type Error struct {
	Service string
	Message string   // after its name
	Lines   []string // the end of its output, redacted
	Advice  string
	Err     error // why, or nil
}

func (e *Error) Error() string { return fmt.Sprintf("service %s %s", e.Service, e.Message) }

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// Hint says what to do about it.
func (e *Error) Hint() string {
	return cmp.Or(e.Advice, "its last lines say why; runner logs latest --source service/"+e.Service+" has all of them")
}

func hint(err error) string {
	var own *Error
	if errors.As(err, &own) {
		return own.Hint()
	}
	return ""
}
