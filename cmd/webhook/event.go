package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// event is what is put on the bus.
type event struct {
	kind   string // the detail-type: push, pull_request, merge_group
	detail any    // a push, a pullRequest or a mergeGroup
}

// origin is what all kinds begin with.
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
	Skip     bool   `json:"skip"`   // the head commit's message has [skip ci] or the like
	Pushed   int64  `json:"pushed"` // when, in seconds since 1970, by GitHub's clock; 0: unknown
	Sender   string `json:"sender"`
	Delivery string `json:"delivery"`
}

// pullRequest is the detail of a pull request. Where Fork is true its code is a stranger's and must not see a secret.
type pullRequest struct {
	origin
	Action   string `json:"action"` // opened, synchronize, reopened, closed
	Number   string `json:"number"`
	Ref      string `json:"ref"`    // the branch to merge, in its own repository
	Base     string `json:"base"`   // the branch to merge it into
	Before   string `json:"before"` // the newest commit of ref before a push to it, or ""
	After    string `json:"after"`  // the newest commit of ref
	Fork     bool   `json:"fork"`
	Merged   bool   `json:"merged"`
	Sender   string `json:"sender"`
	Delivery string `json:"delivery"`
}

// mergeGroup is the detail of a merge queue's request to check a branch that GitHub has made.
type mergeGroup struct {
	origin
	Action   string `json:"action"` // checks_requested
	Ref      string `json:"ref"`    // refs/heads/gh-readonly-queue/…
	Base     string `json:"base"`   // the branch that the group is merged into
	Before   string `json:"before"` // the newest commit of base
	After    string `json:"after"`  // the commit to check
	Sender   string `json:"sender"`
	Delivery string `json:"delivery"`
}

// ignored is the reason why a valid delivery starts nothing.
type ignored string

func (i ignored) Error() string { return string(i) }

// refusal is the answer to a signed delivery that is not accepted.
type refusal struct {
	code   int
	reason string
}

func (r *refusal) Error() string { return r.reason }

func malformed(what string) error {
	return &refusal{http.StatusBadRequest, what + " is missing or malformed"}
}

// payload is what is read of GitHub's JSON; the rest is dropped.
type payload struct {
	Ref        string             `json:"ref"`
	Before     string             `json:"before"`
	After      string             `json:"after"`
	Created    bool               `json:"created"`
	Deleted    bool               `json:"deleted"`
	Forced     bool               `json:"forced"`
	Commits    *[]json.RawMessage `json:"commits"`
	HeadCommit *commit            `json:"head_commit"`
	Action     string             `json:"action"`
	Number     int64              `json:"number"`
	Pull       *pull              `json:"pull_request"`
	Group      *group             `json:"merge_group"`
	Repository *repository        `json:"repository"`
	Sender     *login             `json:"sender"`
}

type (
	commit struct {
		ID      string `json:"id"`
		Message string `json:"message"`
	}
	login struct {
		Login string `json:"login"`
	}
	repository struct {
		FullName string          `json:"full_name"`
		PushedAt json.RawMessage `json:"pushed_at"` // a number in a push, a date in all other events
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
	group struct {
		HeadRef string `json:"head_ref"`
		HeadSHA string `json:"head_sha"`
		BaseRef string `json:"base_ref"`
		BaseSHA string `json:"base_sha"`
	}
)

// parseEvent makes the documented event of a payload. The name of the event is a header and so not signed: the payload
// has to be one of that event. The error is an ignored, a *refusal, or one about the JSON.
func parseEvent(name, delivery string, body []byte, allowed repositories) (event, error) {
	switch name {
	case "push", "pull_request", "merge_group":
	default:
		return event{}, ignored("only the events push, pull_request and merge_group are forwarded")
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
	switch name {
	case "push":
		return p.push(o, sender, delivery)
	case "merge_group":
		return p.mergeGroup(o, sender, delivery)
	}
	return p.pullRequest(o, sender, delivery)
}

// queueBranch begins the branches that GitHub's merge queue makes. Their checks are requested by merge_group.
const queueBranch = "refs/heads/gh-readonly-queue/"

func (p payload) push(o origin, sender, delivery string) (event, error) {
	if p.Pull != nil || p.Group != nil {
		return event{}, malformed("the payload of a push")
	}
	tag := strings.HasPrefix(p.Ref, "refs/tags/")
	if !strings.HasPrefix(p.Ref, "refs/heads/") && !tag || !isRef(p.Ref) {
		return event{}, malformed("ref")
	}
	switch {
	case p.Deleted || isZero(p.After):
		return event{}, ignored("a deletion starts nothing")
	case strings.HasPrefix(p.Ref, queueBranch):
		return event{}, ignored("a branch of the merge queue is checked by its event merge_group")
	}
	// An annotated tag is an object of its own, which after names; what can be checked out is the commit.
	if tag {
		if p.HeadCommit == nil {
			return event{}, ignored("the tag does not point to a commit")
		}
		p.After = p.HeadCommit.ID
	}
	switch {
	case !isSHA(p.After):
		return event{}, malformed("after")
	case !isSHA(p.Before):
		return event{}, malformed("before")
	}
	skip := p.HeadCommit != nil && saysSkip(p.HeadCommit.Message)
	switch {
	case tag: // a release is asked for explicitly, whatever its commit says
	case skip:
		return event{}, ignored("the head commit's message says that CI is to be skipped")
	case p.Before == p.After, p.Commits != nil && len(*p.Commits) == 0 && !p.Created && !p.Forced:
		return event{}, ignored("the push has no commits")
	}
	return event{"push", push{o, p.Ref, p.Before, p.After, false, skip, p.pushedAt(), sender, delivery}}, nil
}

// saysSkip reports whether a commit's message asks not to run CI, as GitHub and other services know it.
func saysSkip(message string) bool {
	message = strings.ToLower(message)
	for _, mark := range []string{"[skip ci]", "[ci skip]", "[no ci]", "***no_ci***"} {
		if strings.Contains(message, mark) {
			return true
		}
	}
	return false
}

// pushedAt is the time of the push, which a redelivery does not change: events do not arrive in the order of their
// commits.
func (p payload) pushedAt() int64 {
	at, err := strconv.ParseInt(string(p.Repository.PushedAt), 10, 64)
	if err != nil || at < 0 {
		return 0
	}
	return at
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
	case p.Before != "" && !isSHA(p.Before):
		return event{}, malformed("before")
	}
	// repo.fork says that a repository is a fork of another, which ours may be: what counts is that the two differ.
	head := p.Pull.Head.Repo
	fork := head == nil || !strings.EqualFold(head.FullName, p.Repository.FullName)
	return event{"pull_request", pullRequest{
		origin: o, Action: p.Action, Number: strconv.FormatInt(p.Number, 10), Ref: ref, Base: base, Before: p.Before,
		After: p.Pull.Head.SHA, Fork: fork, Merged: p.Pull.Merged, Sender: sender, Delivery: delivery,
	}}, nil
}

func (p payload) mergeGroup(o origin, sender, delivery string) (event, error) {
	if p.Group == nil || p.Pull != nil {
		return event{}, malformed("merge_group")
	}
	if p.Action != "checks_requested" {
		return event{}, ignored("of merge groups only checks_requested is forwarded")
	}
	g := p.Group
	switch {
	case !strings.HasPrefix(g.HeadRef, queueBranch) || !isRef(g.HeadRef):
		return event{}, malformed("merge_group.head_ref")
	case !isRef(g.BaseRef):
		return event{}, malformed("merge_group.base_ref")
	case !isSHA(g.HeadSHA):
		return event{}, malformed("merge_group.head_sha")
	case !isSHA(g.BaseSHA):
		return event{}, malformed("merge_group.base_sha")
	}
	return event{"merge_group", mergeGroup{
		origin: o, Action: p.Action, Ref: g.HeadRef, Base: g.BaseRef, Before: g.BaseSHA, After: g.HeadSHA, Sender: sender, Delivery: delivery,
	}}, nil
}

// withoutValue keeps the payload's content out of the log: the position of an error is enough.
func withoutValue(err error) error {
	switch e := err.(type) {
	case *json.SyntaxError:
		return fmt.Errorf("invalid JSON at byte %d", e.Offset)
	case *json.UnmarshalTypeError:
		return fmt.Errorf("%s is not a %s, at byte %d", e.Field, e.Type.Kind(), e.Offset)
	}
	return fmt.Errorf("invalid JSON")
}
