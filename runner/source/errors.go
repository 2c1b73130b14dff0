package source

import "fmt"

// NotFoundError says that the repository has no such commit.
type NotFoundError struct{ SHA, URL, Message string }

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("commit %s is not in %s: %s", e.SHA, e.URL, e.Message)
}

// Hint says how that comes about.
func (e *NotFoundError) Hint() string {
	return "push it first; if a force push replaced it, run the newer commit: a server may refuse those that no branch reaches"
}

// AccessError says that we may not read the repository, or that it is not there; servers do not tell which.
type AccessError struct {
	URL, Message  string
	HasToken      bool // a token was given
	TokenWithheld bool // but not sent, since the URL is not for https
}

func (e *AccessError) Error() string {
	return fmt.Sprintf("%s cannot be read: %s", e.URL, e.Message)
}

// Hint says what is needed.
func (e *AccessError) Hint() string {
	switch {
	case e.TokenWithheld:
		return "see that the URL is right and can be read without GITHUB_TOKEN, which is sent over https only"
	case e.HasToken:
		return "see that the URL is right and that GITHUB_TOKEN is valid and may read its contents"
	}
	return "see that the URL is right; a private repository needs GITHUB_TOKEN, or an SSH key"
}

// HostKeyError says that the server's SSH key is not the one that is expected, or that none is known.
type HostKeyError struct{ URL, Message string }

func (e *HostKeyError) Error() string {
	return fmt.Sprintf("the host key of %s is not trusted: %s", e.URL, e.Message)
}

// Hint says where host keys are kept.
func (e *HostKeyError) Hint() string {
	return "put the server's key into /etc/ssh/ssh_known_hosts of the image, after comparing it with the one the provider publishes"
}

// NetworkError is a failure that may pass.
type NetworkError struct{ URL, Message string }

func (e *NetworkError) Error() string {
	return fmt.Sprintf("%s cannot be reached: %s", e.URL, e.Message)
}

// Hint says what to look at.
func (e *NetworkError) Hint() string {
	return "see the task's subnets and security group: it needs a way out to the repository"
}

// Error is anything else that keeps the commit from the workspace.
type Error struct{ Message, Advice string }

func (e *Error) Error() string { return e.Message }

// Hint says what to do about it.
func (e *Error) Hint() string { return e.Advice }
