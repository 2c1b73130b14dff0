// Package scratch creates the run's own temporary files where the step's command, which runs as the same user, cannot
// find them.
package scratch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Error reports that the folder for temporary files cannot be used.
type Error struct {
	Dir string
	Err error
}

func (e *Error) Error() string { return fmt.Sprintf("no temporary file in %s: %v", e.Dir, e.Err) }

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// Hint returns what to correct.
func (e *Error) Hint() string {
	fromEnv := os.Getenv("TMPDIR") != ""
	switch {
	case errors.Is(e.Err, fs.ErrNotExist) && fromEnv:
		return "create " + e.Dir + ", or unset TMPDIR: the command needs it as well"
	case fromEnv:
		return "let TMPDIR be a folder that this user may write to"
	default:
		return "mount a folder at " + e.Dir + " that this user may write to, or set TMPDIR"
	}
}

// File creates a file that has no name once it is returned, where the system allows that. The error is an *Error.
func File() (*os.File, error) {
	f, err := os.CreateTemp("", "runner-*")
	if err != nil {
		return nil, newError(err)
	}
	_ = os.Remove(f.Name()) // refused on systems where open files keep their names
	return f, nil
}

// Remove closes a file, and removes it where that was not possible before.
func Remove(f *os.File) {
	f.Close()
	_ = os.Remove(f.Name())
}

// Dir creates a folder for files that the command is given. The error is an *Error.
func Dir(pattern string) (string, error) {
	dir, err := os.MkdirTemp("", pattern)
	if err != nil {
		return "", newError(err)
	}
	return dir, nil
}

func newError(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return &Error{os.TempDir(), err}
}
