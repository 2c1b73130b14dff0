package notify

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/go-github/v92/github"
)

// PullRequest is an open pull request.
type PullRequest struct {
	Number int
	Base   string // the branch that it is to be merged into
	Fork   bool   // its code is in another repository
}

// PullRequest returns the open pull request whose newest commit is sha; false if there is none. The error is an *Error.
func (g GitHub) PullRequest(ctx context.Context, sha string) (found PullRequest, ok bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	s, err := g.open()
	if err != nil {
		return PullRequest{}, false, err
	}
	err = s.send(ctx, "the pull request of the commit", commentPermission, func() (*github.Response, error) {
		all, response, err := s.client.PullRequests.ListPullRequestsWithCommit(ctx, s.owner, s.name, sha, &github.ListOptions{PerPage: 100})
		for _, p := range all {
			if p.GetState() == "open" && p.GetHead().GetSHA() == sha && !ok {
				found, ok = PullRequest{
					Number: p.GetNumber(), Base: p.GetBase().GetRef(),
					Fork: !strings.EqualFold(p.GetHead().GetRepo().GetFullName(), g.Repository),
				}, true
			}
		}
		return response, err
	})
	return found, ok, err
}

const commentPermission = "give the token the permission pull requests: write (repo for a classic one), or set RUNNER_GITHUB_COMMENT=off"

// maxCommentPages is how many pages of 100 comments are searched. The comment is among the first of a pull request.
const maxCommentPages = 5

// FindComment returns the id of the first comment that begins with a marker; "" if there is none. The error is an *Error.
func (g GitHub) FindComment(ctx context.Context, number int, marker string) (id string, err error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	s, err := g.open()
	if err != nil {
		return "", err
	}
	page := 1
	for range maxCommentPages {
		next := 0
		err := s.send(ctx, "the comments of the pull request", commentPermission, func() (*github.Response, error) {
			all, response, err := s.client.Issues.ListComments(ctx, s.owner, s.name, number, &github.IssueListCommentsOptions{
				ListOptions: github.ListOptions{PerPage: 100, Page: page},
			})
			for _, c := range all {
				if id == "" && strings.HasPrefix(strings.TrimSpace(c.GetBody()), marker) {
					id = strconv.FormatInt(c.GetID(), 10)
				}
			}
			if response != nil {
				next = response.NextPage
			}
			return response, err
		})
		if err != nil || id != "" || next == 0 {
			return id, err
		}
		page = next
	}
	return "", nil
}

// Comment adds a comment to a pull request, and returns its id. The error is an *Error.
func (g GitHub) Comment(ctx context.Context, number int, text string) (id string, err error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	s, err := g.open()
	if err != nil {
		return "", err
	}
	err = s.sendOnce(ctx, "a comment on the pull request", commentPermission, func() (*github.Response, error) {
		c, response, err := s.client.Issues.CreateComment(ctx, s.owner, s.name, number, github.IssueCommentRequest{Body: text})
		if err == nil {
			id = strconv.FormatInt(c.GetID(), 10)
		}
		return response, err
	})
	return id, err
}

// ChangeComment replaces the text of a comment. The error is an *Error; see Gone.
func (g GitHub) ChangeComment(ctx context.Context, id, text string) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	s, err := g.open()
	if err != nil {
		return err
	}
	number, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return &Error{Service: "GitHub", Status: http.StatusNotFound, Err: fmt.Errorf("%q is not the id of a comment", id)}
	}
	return s.send(ctx, "the comment on the pull request", commentPermission, func() (*github.Response, error) {
		_, response, err := s.client.Issues.UpdateComment(ctx, s.owner, s.name, number, github.IssueCommentRequest{Body: text})
		return response, err
	})
}

// sendOnce is send for a request that must not be repeated if it may have arrived.
func (s *session) sendOnce(ctx context.Context, what, permission string, do func() (*github.Response, error)) error {
	return s.send(ctx, what, permission, func() (*github.Response, error) {
		response, err := do()
		if err != nil && (response == nil || response.Response == nil) && !neverSent(err) {
			err = sentError{withoutURL(err)}
		}
		return response, err
	})
}
