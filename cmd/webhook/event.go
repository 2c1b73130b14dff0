package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// event is what goes on the bus.
type event struct {
	kind   string // the detail-type: push, pull_request
	detail any    // a push or a pullRequest
}

// origin is what both kinds begin with.
type origin struct {
	Version    string `json:"version"` // of this shape
	Repository string `json:"repository"`
}

// push is the detail of a push to a branch, or of a tag.
type push struct {
	origin
	Ref      string `json:"ref"` // refs/heads/… or refs/tags/…
	Before   string `json:"before"`
	After    string `json:"after"` // the commit, of an annotated tag too
	Deleted  bool   `json:"deleted"`
	Sender   string `json:"sender"`
	Delivery string `json:"delivery"`
}

// pullRequest is the detail of a pull request. Where Fork is true its code is a stranger's, and must see no secret.
type pullRequest struct {
	origin
	Action   string `json:"action"` // opened, synchronize, reopened, closed
	Number   string `json:"number"`
	Ref      string `json:"ref"`   // the branch that is to be merged, in its own repository
	Base     string `json:"base"`  // the branch it is to be merged into
	After    string `json:"after"` // the newest commit of ref
	Fork     bool   `json:"fork"`
	Merged   bool   `json:"merged"`
	Sender   string `json:"sender"`
	Delivery string `json:"delivery"`
}

// ignored is the reason why a good delivery starts nothing.
type ignored string

func (i ignored) Error() string { return string(i) }

// refusal is a signed delivery that is not taken all the same.
type refusal struct {
	code   int
	reason string
}

func (r *refusal) Error() string { return r.reason }

func malformed(what string) error {
	return &refusal{http.StatusBadRequest, what + " is missing or malformed"}
}

// payload is what is read of GitHub's JSON; all else is dropped.
type payload struct {
	Ref        string      `json:"ref"`
	Before     string      `json:"before"`
	After      string      `json:"after"`
	Deleted    bool        `json:"deleted"`
	HeadCommit *commit     `json:"head_commit"`
	Action     string      `json:"action"`
	Number     int64       `json:"number"`
	Pull       *pull       `json:"pull_request"`
	Repository *repository `json:"repository"`
	Sender     *login      `json:"sender"`
}

type (
	commit struct {
		ID string `json:"id"`
	}
	login struct {
		Login string `json:"login"`
	}
	repository struct {
		FullName string `json:"full_name"`
	}
	pull struct {
		Merged bool `json:"merged"`
		Head   side `json:"head"`
		Base   side `json:"base"`
	}
	side struct {
		Ref  string      `json:"ref"`
		SHA  string      `json:"sha"`
		Repo *repository `json:"repo"` // nil once a fork is deleted
	}
)

// parseEvent makes the documented event of a payload. The name of the event is a header and so not signed: the payload
// has to be one of that event, or it is refused. The error is an ignored, a *refusal, or the JSON's own.
func parseEvent(name, delivery string, body []byte, allowed repositories) (event, error) {
	if name != "push" && name != "pull_request" {
		return event{}, ignored("only the events push and pull_request are forwarded")
	}
	var p payload
	if err := json.Unmarshal(body, &p); err != nil {
		return event{}, fmt.Errorf("the payload: %w", withoutValue(err))
	}
	if p.Repository == nil {
		return event{}, malformed("repository")
	}
	full, ok := allowed.find(p.Repository.FullName)
	if !ok {
		return event{}, &refusal{http.StatusForbidden, "the repository is not in the list of this webhook"}
	}
	o := origin{Version: "1", Repository: full}
	sender := ""
	if p.Sender != nil && len(p.Sender.Login) <= 100 && only(p.Sender.Login, "-_[]") {
		sender = p.Sender.Login
	}
	if name == "push" {
		return p.push(o, sender, delivery)
	}
	return p.pullRequest(o, sender, delivery)
}

func (p payload) push(o origin, sender, delivery string) (event, error) {
	if p.Pull != nil {
		return event{}, malformed("the payload of a push")
	}
	if !strings.HasPrefix(p.Ref, "refs/heads/") && !strings.HasPrefix(p.Ref, "refs/tags/") || !isRef(p.Ref) {
		return event{}, malformed("ref")
	}
	if p.Deleted || isZero(p.After) {
		return event{}, ignored("a deletion starts nothing")
	}
	// An annotated tag is an object of its own, which after names; what can be checked out is the commit.
	if strings.HasPrefix(p.Ref, "refs/tags/") {
		if p.HeadCommit == nil {
			return event{}, ignored("the tag is not of a commit")
		}
		p.After = p.HeadCommit.ID
	}
	switch {
	case !isSHA(p.After):
		return event{}, malformed("after")
	case !isSHA(p.Before):
		return event{}, malformed("before")
	}
	return event{"push", push{o, p.Ref, p.Before, p.After, false, sender, delivery}}, nil
}

func (p payload) pullRequest(o origin, sender, delivery string) (event, error) {
	if p.Pull == nil {
		return event{}, malformed("pull_request")
	}
	switch p.Action {
	case "opened", "synchronize", "reopened", "closed":
	default:
		return event{}, ignored("of pull requests only opened, synchronize, reopened and closed are forwarded")
	}
	ref, base := "refs/heads/"+p.Pull.Head.Ref, "refs/heads/"+p.Pull.Base.Ref
	switch {
	case p.Number <= 0:
		return event{}, malformed("number")
	case !isRef(ref):
		return event{}, malformed("pull_request.head.ref")
	case !isRef(base):
		return event{}, malformed("pull_request.base.ref")
	case !isSHA(p.Pull.Head.SHA):
		return event{}, malformed("pull_request.head.sha")
	}
	// repo.fork says that a repository is a fork of another, which ours may be: what counts is that the two differ.
	head := p.Pull.Head.Repo
	fork := head == nil || !strings.EqualFold(head.FullName, p.Repository.FullName)
	return event{"pull_request", pullRequest{
		origin: o, Action: p.Action, Number: strconv.FormatInt(p.Number, 10), Ref: ref, Base: base, After: p.Pull.Head.SHA,
		Fork: fork, Merged: p.Pull.Merged, Sender: sender, Delivery: delivery,
	}}, nil
}

// withoutValue keeps what a payload says out of the log: the JSON package's errors quote numbers and characters only,
// but where they are is enough.
func withoutValue(err error) error {
	switch e := err.(type) {
	case *json.SyntaxError:
		return fmt.Errorf("no JSON, at byte %d", e.Offset)
	case *json.UnmarshalTypeError:
		return fmt.Errorf("%s is not a %s, at byte %d", e.Field, e.Type.Kind(), e.Offset)
	}
	return fmt.Errorf("no JSON")
}
