package notify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/go-github/v92/github"
)

// GitHub reports on the commits of one repository.
type GitHub struct {
	Token      string       // a secret
	Repository string       // owner/name
	URL        string       // of the API; "" for github.com's
	Client     *http.Client // nil for one that uses the proxies of the environment
}

// SetStatus sets the status of a commit. The error is an *Error.
func (g GitHub) SetStatus(ctx context.Context, sha string, status github.RepoStatus) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	s, err := g.open()
	if err != nil {
		return err
	}
	return s.status(ctx, sha, status)
}

// Finish sets the final status of a commit and, if the token allows it, adds a check. The links of both are sent
// to private repositories only, whose readers may follow them. The error is an *Error.
func (g GitHub) Finish(ctx context.Context, status github.RepoStatus, check github.CreateCheckRunOptions) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	s, err := g.open()
	if err != nil {
		return err
	}
	if status.TargetURL != nil || check.DetailsURL != nil {
		if access, err := s.look(ctx); err != nil || !access.Private {
			status.TargetURL, check.DetailsURL = nil, nil
		}
	}
	if err := s.status(ctx, check.HeadSHA, status); err != nil {
		return err
	}
	return s.check(ctx, check)
}

// Access is what a token may do, and the visibility of its repository.
type Access struct {
	Private bool     // the repository is private or internal
	Classic bool     // the token is a classic one, and Scopes are its scopes
	Scopes  []string // "repo", "repo:status"
}

// CanSetStatus reports whether the token may set the status of a commit. Only classic tokens list their
// permissions; others are assumed to have it.
func (a Access) CanSetStatus() bool {
	return !a.Classic || slices.Contains(a.Scopes, "repo") || slices.Contains(a.Scopes, "repo:status") ||
		!a.Private && slices.Contains(a.Scopes, "public_repo")
}

// CheckAccess requests the repository, and changes nothing. The error is an *Error.
func (g GitHub) CheckAccess(ctx context.Context) (Access, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	s, err := g.open()
	if err != nil {
		return Access{}, err
	}
	return s.look(ctx)
}

// session is a client for one repository.
type session struct {
	client      *github.Client
	owner, name string
}

func (g GitHub) open() (*session, error) {
	owner, name, ok := strings.Cut(g.Repository, "/")
	if !ok || owner == "" || name == "" || strings.Contains(name, "/") {
		return nil, &Error{
			Service: "GitHub", Err: fmt.Errorf("%q is not a repository", g.Repository),
			Advice: "write GITHUB_REPOSITORY as owner/name",
		}
	}
	if g.URL != "" && !confidential(g.URL) {
		return nil, &Error{
			Service: "GitHub", Err: errors.New("the address of its API does not begin with https://"),
			Advice: "write GITHUB_API_URL as in https://github.example.com/api/v3",
		}
	}
	options := []github.ClientOptionsFunc{github.WithAuthToken(g.Token), github.WithUserAgent("carlin-cicd-runner")}
	if g.Client != nil {
		options = append([]github.ClientOptionsFunc{github.WithHTTPClient(g.Client)}, options...)
	}
	if g.URL != "" {
		url := strings.TrimSuffix(g.URL, "/") + "/"
		options = append(options, github.WithURLs(&url, &url))
	}
	client, err := github.NewClient(options...)
	if err != nil {
		return nil, &Error{Service: "GitHub", Err: withoutURL(err), Advice: "check GITHUB_API_URL"}
	}
	return &session{client, owner, name}, nil
}

func (s *session) status(ctx context.Context, sha string, status github.RepoStatus) error {
	return s.send(
		ctx, "the status of the commit",
		"give the token the permission statuses: write (repo:status for a classic one)",
		func() (*github.Response, error) {
			_, response, err := s.client.Repositories.CreateStatus(ctx, s.owner, s.name, sha, status)
			if status.TargetURL != nil && mayBeLink(err) {
				status.TargetURL = nil
				_, response, err = s.client.Repositories.CreateStatus(ctx, s.owner, s.name, sha, status)
			}
			return response, err
		},
	)
}

// mayBeLink reports whether GitHub may have refused a request because of its link, whose maximum length is not
// documented. Links that are signed by a role are very long. The status matters more than the link.
func mayBeLink(err error) bool {
	var refused *github.ErrorResponse
	return errors.As(err, &refused) && refused.Response.StatusCode == http.StatusUnprocessableEntity
}

// check adds a check, which only the token of an app may: a workflow's GITHUB_TOKEN is one, a person's is not.
// Without the permission the status suffices, and nothing is reported.
func (s *session) check(ctx context.Context, options github.CreateCheckRunOptions) error {
	const permission = "give the app the permission checks: write"
	var more []*github.CheckRunAnnotation
	if all := options.Output.Annotations; len(all) > annotationsARequest {
		output := *options.Output
		output.Annotations, more = all[:annotationsARequest], all[annotationsARequest:]
		options.Output = &output
	}
	var id int64
	err := s.send(ctx, "a check of the commit", permission, func() (*github.Response, error) {
		made, response, err := s.client.Checks.CreateCheckRun(ctx, s.owner, s.name, options)
		if options.DetailsURL != nil && mayBeLink(err) {
			options.DetailsURL = nil
			made, response, err = s.client.Checks.CreateCheckRun(ctx, s.owner, s.name, options)
		}
		id = made.GetID()
		return response, err
	})
	for batch := range slices.Chunk(more, annotationsARequest) { // GitHub adds them to those that are there
		if err != nil {
			break
		}
		err = s.send(ctx, "more annotations of the check", permission, func() (*github.Response, error) {
			_, response, err := s.client.Checks.UpdateCheckRun(ctx, s.owner, s.name, id, github.UpdateCheckRunOptions{
				Name: options.Name,
				Output: &github.CheckRunOutput{
					Title: options.Output.Title, Summary: options.Output.Summary, Annotations: batch,
				},
			})
			return response, err
		})
	}
	if refused := (*Error)(nil); errors.As(err, &refused) && refused.Refused() {
		return nil
	}
	return err
}

// annotationsARequest is how many annotations GitHub accepts in one request.
const annotationsARequest = 50

func (s *session) look(ctx context.Context) (a Access, err error) {
	err = s.send(
		ctx, "the repository", "check that GITHUB_REPOSITORY names it, and that the token is for it",
		func() (*github.Response, error) {
			repository, response, err := s.client.Repositories.Get(ctx, s.owner, s.name)
			if err == nil {
				a.Private = repository.GetPrivate()
				scopes, classic := response.Header["X-Oauth-Scopes"]
				a.Classic = classic
				for scope := range strings.SplitSeq(strings.Join(scopes, ","), ",") {
					a.Scopes = append(a.Scopes, strings.TrimSpace(scope))
				}
			}
			return response, err
		},
	)
	return a, err
}

func (s *session) send(ctx context.Context, what, permission string, do func() (*github.Response, error)) error {
	status, err := withRetry(ctx, func() (int, time.Duration, error) {
		response, err := do()
		code := 0
		if response != nil && response.Response != nil {
			code = response.StatusCode
		}
		var limited *github.AbuseRateLimitError
		var spent *github.RateLimitError
		switch { // both have status 403
		case errors.As(err, &limited) && limited.RetryAfter != nil:
			return http.StatusTooManyRequests, *limited.RetryAfter, errors.New("too many requests")
		case errors.As(err, &limited), errors.As(err, &spent):
			return http.StatusTooManyRequests, 0, errors.New("too many requests")
		}
		var refused *github.ErrorResponse
		if errors.As(err, &refused) { // its text holds the URL
			err = errors.New(what + ": " + messageOf(refused))
		}
		return code, 0, withoutURL(err)
	})
	if err == nil {
		return nil
	}
	e := &Error{Service: "GitHub", Status: status, Err: err, Advice: "see https://www.githubstatus.com"}
	switch status {
	case 0:
		e.Advice = "check that the network lets this task reach api.github.com"
	case http.StatusTooManyRequests:
		e.Advice = "all users of the token share its rate limit: see " +
			"https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api"
	case http.StatusUnauthorized:
		e.Advice = "GITHUB_TOKEN is not valid, or has expired"
	case http.StatusForbidden, http.StatusNotFound:
		e.Advice = permission
	case http.StatusUnprocessableEntity:
		e.Advice = "check that the commit is in the repository that GITHUB_REPOSITORY names"
	}
	return e
}

// messageOf returns the message of a refused request.
func messageOf(e *github.ErrorResponse) string {
	text := e.Message
	for _, detail := range e.Errors {
		text += fmt.Sprintf("; %s %s %s", detail.Field, detail.Code, detail.Message)
	}
	return strings.TrimSpace(text)
}
