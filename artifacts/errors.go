package artifacts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

// MissingError reports that there is nothing to publish.
type MissingError struct {
	Kind   string // of the set, e.g. "builds"
	Path   string // of the folder
	Reason string // e.g. "does not exist", "is empty"
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("%s: %s %s", e.Kind, e.Path, e.Reason)
}

// Hint says what to do next.
func (e *MissingError) Hint() string {
	return "check that the command writes its files there, or correct the artifact's path"
}

// ExistsError reports that another set of the commit was published first, which is not replaced.
type ExistsError struct {
	Kind string
	Ref
	RunID   string // that published it
	Created time.Time
}

func (e *ExistsError) Error() string {
	return fmt.Sprintf(
		"the %s of commit %.12s on %s were published by run %s at %s with other files, and are not replaced",
		e.Kind,
		e.SHA,
		e.Branch,
		e.RunID,
		e.Created.UTC().Format(time.RFC3339),
	)
}

// Hint says what to do next.
func (e *ExistsError) Hint() string {
	return "deploy those, or replace them with --force (RUNNER_FORCE=true); a build that gives the same files each time needs neither"
}

// LinkError reports a symbolic link that cannot be stored as the file it points to.
type LinkError struct {
	Path   string // of the link, in the set's folder
	Target string // as the link has it
	Reason string // e.g. "leaves the folder"
}

func (e *LinkError) Error() string {
	return fmt.Sprintf("link %q to %q %s", e.Path, e.Target, e.Reason)
}

// Hint says what to do next.
func (e *LinkError) Hint() string { return "replace the link with the file it points to, or remove it" }

// FolderError reports a folder that is a link, or is reached by one that leaves where it should be.
type FolderError struct {
	Path   string
	Reason string // e.g. `is a link to "/etc"`
}

func (e *FolderError) Error() string {
	return fmt.Sprintf("folder %q %s", e.Path, e.Reason)
}

// Hint says what to do next.
func (e *FolderError) Hint() string {
	return "make it a folder of its own, or name the folder that the link points to"
}

// FileError reports an entry that cannot be part of a set: a socket, a named pipe, a device, a name that is not UTF-8.
type FileError struct {
	Path   string // in the set's folder
	Reason string // e.g. "is a socket"
}

func (e *FileError) Error() string {
	return fmt.Sprintf("file %q %s and cannot be stored", e.Path, e.Reason)
}

// Hint says what to do next.
func (e *FileError) Hint() string { return "remove it, or have the command write it elsewhere" }

// GitError reports a file of a set that would be written into a git repository's own folder.
type GitError struct {
	Path string
}

func (e *GitError) Error() string {
	return fmt.Sprintf("%q is below a .git, where files are run as programs: nothing was written", e.Path)
}

// Hint says what to do next.
func (e *GitError) Hint() string {
	return "exclude it, and find out which run published it"
}

// ChangedError reports a file that changed while it was stored.
type ChangedError struct {
	Path   string // in the set's folder
	Reason string // e.g. "vanished"
}

func (e *ChangedError) Error() string {
	return fmt.Sprintf("file %q %s while it was being stored", e.Path, e.Reason)
}

// Hint says what to do next.
func (e *ChangedError) Hint() string {
	return "check that nothing still writes there after the command has ended"
}

// CorruptError reports a stored object that does not match its manifest. For a manifest itself, Path is its key.
type CorruptError struct {
	Path string
	Want string // e.g. a SHA-256
	Got  string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("stored %q is corrupt: want %s, got %s", e.Path, e.Want, e.Got)
}

// Hint says what to do next.
func (e *CorruptError) Hint() string { return "remove the set's manifest, and publish it again" }

// KeyError reports a name that cannot be used in a store.
type KeyError = keys.Error

// LocationError reports a location that does not name a store.
type LocationError struct {
	Location string
	Reason   string
	Err      error
	Advice   string // what to do next; may be ""
}

func (e *LocationError) Error() string {
	return fmt.Sprintf("artifacts cannot be kept in %q: %s", e.Location, e.Reason)
}

func (e *LocationError) Unwrap() error { return e.Err }

// Hint says what to do next.
func (e *LocationError) Hint() string {
	return cmp.Or(
		e.Advice,
		"ARTIFACT_BUCKET takes a bucket's name, s3://bucket/prefix or file:///folder; leave it empty "+
			"for a folder of the user's state",
	)
}

// StoreError reports an operation that failed in a store.
type StoreError struct {
	Op    string // "put", "get", "delete", "lock"
	Key   string
	Place string // the store's name for people
	Err   error
	// Transient is set if the failure is the service's own and may pass.
	Transient bool
	// Denied is set if the store refused the operation for lack of permission.
	Denied bool
}

func (e *StoreError) Error() string {
	switch {
	case errors.Is(e.Err, syscall.ENOSPC), errors.Is(e.Err, syscall.EDQUOT):
		return fmt.Sprintf("%s %s: %s is full: %v", e.Op, e.Key, e.Place, e.Err)
	case e.Key == "":
		return fmt.Sprintf("%s %s: %v", e.Op, e.Place, e.Err)
	default:
		return fmt.Sprintf("%s %s in %s: %v", e.Op, e.Key, e.Place, e.Err)
	}
}

func (e *StoreError) Unwrap() error { return e.Err }

// Retryable reports whether the same operation may succeed later.
func (e *StoreError) Retryable() bool { return e.Transient }

// denied reports whether a store refused an operation for lack of permission.
func denied(err error) bool {
	var e *StoreError
	return errors.As(err, &e) && e.Denied
}

// ContextError returns the error of ctx joined with its cause, or nil if ctx has not ended.
func ContextError(ctx context.Context) error {
	err := ctx.Err()
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); !errors.Is(err, cause) {
		return fmt.Errorf("%w: %w", err, cause)
	}
	return err
}

// SelectionError reports that patterns select no file of a set.
type SelectionError struct {
	Kind string
	Ref  Ref
}

func (e *SelectionError) Error() string {
	return fmt.Sprintf("the %s of %s at %.12s have no file that the patterns select", e.Kind, e.Ref.Branch, e.Ref.SHA)
}

// Hint says what to do next.
func (e *SelectionError) Hint() string {
	return fmt.Sprintf("runner artifacts ls %s --branch %s lists its files; ** in a pattern stands for any folders", e.Kind, e.Ref.Branch)
}
