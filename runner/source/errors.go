package source

import (
	"errors"
	"fmt"
)

// NotFoundError reports that the repository does not have or does not serve the commit.
type NotFoundError struct {
	SHA, URL, Message string
	Branch            string // in whose history it was looked for, or ""
	NoBranch          bool   // the repository has no such branch
}

func (e *NotFoundError) Error() string {
	switch {
	case e.NoBranch && e.Branch != "":
		return fmt.Sprintf(
			"commit %s is not in %s, which has no branch %s: %s", e.SHA, e.URL, e.Branch, e.Message,
		)
	case e.Branch != "":
		return fmt.Sprintf(
			"commit %s is not in %s, and not in the history of %s: %s", e.SHA, e.URL, e.Branch, e.Message,
		)
	}
	text := fmt.Sprintf("commit %s is not in %s", e.SHA, e.URL)
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// Hint returns the usual reasons.
func (e *NotFoundError) Hint() string {
	return "push it first; if a force push replaced it, run the newer commit: a server may refuse commits that no " +
		"branch reaches"
}

// AccessError reports that the repository may not be read, or does not exist; servers do not distinguish the two.
type AccessError struct {
	URL, Message  string
	HasToken      bool // a token was set
	TokenWithheld bool // the token was not sent, since the URL is not for https
}

func (e *AccessError) Error() string {
	return fmt.Sprintf("%s cannot be read: %s", e.URL, e.Message)
}

// Hint returns what is needed.
func (e *AccessError) Hint() string {
	switch {
	case e.TokenWithheld:
		return "check the URL, and that it can be read without GITHUB_TOKEN, which is sent over https only"
	case e.HasToken:
		return "check the URL, and that GITHUB_TOKEN is valid and may read its contents"
	}
	return "check the URL; a private repository needs GITHUB_TOKEN, or an SSH key"
}

// HostKeyError reports that the server's SSH key is unknown, or not the expected one.
type HostKeyError struct{ URL, Message string }

func (e *HostKeyError) Error() string {
	return fmt.Sprintf("the host key of %s is not trusted: %s", e.URL, e.Message)
}

// Hint returns where host keys are kept.
func (e *HostKeyError) Hint() string {
	return "put the server's key into /etc/ssh/ssh_known_hosts of the image, after comparing it with the one the " +
		"provider publishes"
}

// NetworkError is a failure of the network or of the server, which may pass.
type NetworkError struct{ URL, Message string }

func (e *NetworkError) Error() string {
	return fmt.Sprintf("%s cannot be reached: %s", e.URL, e.Message)
}

// Hint returns what to check.
func (e *NetworkError) Hint() string {
	return "check the task's subnets and security group: it needs a route to the repository"
}

// SubmoduleError reports that the submodules could not be checked out. It wraps one of the other errors.
type SubmoduleError struct{ Err error }

func (e *SubmoduleError) Error() string {
	return "the submodules cannot be checked out: " + e.Err.Error()
}

// Unwrap returns the reason.
func (e *SubmoduleError) Unwrap() error { return e.Err }

// Hint returns what submodules need.
func (e *SubmoduleError) Hint() string {
	var access *AccessError
	var hinted interface{ Hint() string }
	switch {
	case errors.As(e.Err, &access):
		return "GITHUB_TOKEN or RUNNER_SSH_KEY must be able to read the repositories of all submodules; " +
			"checkout.submodules: false leaves them out"
	case errors.As(e.Err, &hinted):
		return hinted.Hint()
	}
	return "check the URLs in .gitmodules"
}

// Error is any other reason why the workspace cannot be brought to the commit.
type Error struct{ Message, Advice string }

func (e *Error) Error() string { return e.Message }

// Hint returns the advice.
func (e *Error) Hint() string { return e.Advice }
