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

// GitHub speaks of one repository's commits.
type GitHub struct {
	Token      string       // a secret
	Repository string       // owner/name
	URL        string       // of the API; "" for github.com's
	Client     *http.Client // nil for one that knows the proxies of the environment
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

// Finish sets the final status of a commit and, if the token allows it, adds a check. The links of both are sent to private
// repositories only, whose readers may follow them. The error is an *Error.
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

// Access is what a token is let see of its repository.
type Access struct {
	Private bool     // the repository is not public
	Classic bool     // the token is a classic one, and Scopes are its scopes
	Scopes  []string // "repo", "repo:status"
}

// CanSetStatus reports whether the token can set a commit's status, as far as it says what it may: a fine-grained token and an
// app's do not.
func (a Access) CanSetStatus() bool {
	return !a.Classic || slices.Contains(a.Scopes, "repo") || slices.Contains(a.Scopes, "repo:status") ||
		!a.Private && slices.Contains(a.Scopes, "public_repo")
}

// CheckAccess asks what the token is let see. It changes nothing. The error is an *Error.
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
			Service: "GitHub", Err: fmt.Errorf("%q is no repository", g.Repository),
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
		return nil, &Error{Service: "GitHub", Err: bare(err), Advice: "check GITHUB_API_URL"}
	}
	return &session{client, owner, name}, nil
}

func (s *session) status(ctx context.Context, sha string, status github.RepoStatus) error {
	return s.send(
		ctx, "the status of the commit",
		"give the token the permission statuses: write (repo:status for a classic one)",
		func() (*github.Response, error) {
			_, answer, err := s.client.Repositories.CreateStatus(ctx, s.owner, s.name, sha, status)
			if status.TargetURL != nil && mayBeTheLink(err) {
				status.TargetURL = nil
				_, answer, err = s.client.Repositories.CreateStatus(ctx, s.owner, s.name, sha, status)
			}
			return answer, err
		},
	)
}

// mayBeTheLink reports whether GitHub may have refused a link: how long it may be is not documented, and that of a role is very
// long. The verdict matters more.
func mayBeTheLink(err error) bool {
	var refused *github.ErrorResponse
	return errors.As(err, &refused) && refused.Response.StatusCode == http.StatusUnprocessableEntity
}

// check adds a check, which only the token of an app may: a workflow's GITHUB_TOKEN is one, a person's is not. Without the
// permission the status suffices, and nothing is reported.
func (s *session) check(ctx context.Context, options github.CreateCheckRunOptions) error {
	err := s.send(
		ctx, "a check of the commit", "give the app the permission checks: write",
		func() (*github.Response, error) {
			_, answer, err := s.client.Checks.CreateCheckRun(ctx, s.owner, s.name, options)
			if options.DetailsURL != nil && mayBeTheLink(err) {
				options.DetailsURL = nil
				_, answer, err = s.client.Checks.CreateCheckRun(ctx, s.owner, s.name, options)
			}
			return answer, err
		},
	)
	if refused := (*Error)(nil); errors.As(err, &refused) && refused.Refused() {
		return nil
	}
	return err
}

func (s *session) look(ctx context.Context) (a Access, err error) {
	err = s.send(
		ctx, "the repository", "see that GITHUB_REPOSITORY names it, and that the token is for it",
		func() (*github.Response, error) {
			repository, answer, err := s.client.Repositories.Get(ctx, s.owner, s.name)
			if err == nil {
				a.Private = repository.GetPrivate()
				scopes, classic := answer.Header["X-Oauth-Scopes"]
				a.Classic = classic
				for scope := range strings.SplitSeq(strings.Join(scopes, ","), ",") {
					a.Scopes = append(a.Scopes, strings.TrimSpace(scope))
				}
			}
			return answer, err
		},
	)
	return a, err
}

func (s *session) send(ctx context.Context, what, permission string, do func() (*github.Response, error)) error {
	status, err := withRetry(ctx, func() (int, time.Duration, error) {
		answer, err := do()
		code := 0
		if answer != nil && answer.Response != nil {
			code = answer.StatusCode
		}
		var limited *github.AbuseRateLimitError
		var spent *github.RateLimitError
		switch { // both are 403, too
		case errors.As(err, &limited) && limited.RetryAfter != nil:
			return http.StatusTooManyRequests, *limited.RetryAfter, errors.New("it asks for fewer requests")
		case errors.As(err, &limited), errors.As(err, &spent):
			return http.StatusTooManyRequests, 0, errors.New("it asks for fewer requests")
		}
		var refused *github.ErrorResponse
		if errors.As(err, &refused) { // its own text holds the URL
			err = errors.New(what + ": " + said(refused))
		}
		return code, 0, bare(err)
	})
	if err == nil {
		return nil
	}
	e := &Error{Service: "GitHub", Status: status, Err: err, Advice: "see https://www.githubstatus.com"}
	switch status {
	case 0:
		e.Advice = "check that the network lets this task reach api.github.com"
	case http.StatusTooManyRequests:
		e.Advice = "whoever uses the same token uses the same allowance: see https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api"
	case http.StatusUnauthorized:
		e.Advice = "GITHUB_TOKEN is not valid, or no longer"
	case http.StatusForbidden, http.StatusNotFound:
		e.Advice = permission
	case http.StatusUnprocessableEntity:
		e.Advice = "see that the commit is in the repository that GITHUB_REPOSITORY names"
	}
	return e
}

// said is what GitHub says of a request that it refuses.
func said(e *github.ErrorResponse) string {
	text := e.Message
	for _, detail := range e.Errors {
		text += fmt.Sprintf("; %s %s %s", detail.Field, detail.Code, detail.Message)
	}
	return strings.TrimSpace(text)
}
