package notify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/go-github/v92/github"
)

// GitHub speaks of one repository's commits.
type GitHub struct {
	Token      string // a secret
	Repository string // owner/name
	URL        string // of the API; "" for github.com's
	Client     *http.Client
}

// GitHub's limits: https://docs.github.com/rest/commits/statuses, https://docs.github.com/rest/checks/runs
const (
	githubDescription = 140 // characters
	githubSummary     = 65535
	githubAnnotations = 50 // of a request
)

// Begin says that a run has begun: a status that is pending.
func (g GitHub) Begin(ctx context.Context, r Run) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	s, err := g.open()
	if err != nil {
		return err
	}
	return s.status(ctx, r, "pending", "running")
}

// End says how a run went: the commit's status and, where the token may, a check with a note on each failing line.
// The link to the report goes where only those can follow it who may see the code: to private repositories.
func (g GitHub) End(ctx context.Context, r Run) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	s, err := g.open()
	if err != nil {
		return err
	}
	if r.Report != "" && !s.private(ctx) {
		r.Report = ""
	}
	state := "failure"
	switch {
	case r.Passed:
		state = "success"
	case r.Aborted || r.Blocked:
		state = "error"
	}
	if err := s.status(ctx, r, state, r.summary()); err != nil {
		return err
	}
	return s.check(ctx, r)
}

// session is a client for one repository.
type session struct {
	client      *github.Client
	owner, name string
}

func (g GitHub) open() (*session, error) {
	owner, name, ok := strings.Cut(g.Repository, "/")
	if !ok || owner == "" || name == "" || strings.Contains(name, "/") {
		return nil, &Error{Service: "GitHub", Err: fmt.Errorf("%q is no repository", g.Repository), Advice: "write GITHUB_REPOSITORY as owner/name"}
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

// name is what the status and the check are called: one for each step and environment.
func name(r Run) string {
	if r.Environment == "" {
		return "carlin-cicd/" + r.Step
	}
	return "carlin-cicd/" + r.Step + "-" + r.Environment
}

func (s *session) status(ctx context.Context, r Run, state, description string) error {
	status := github.RepoStatus{State: &state, Context: new(name(r)), Description: new(clip(description, githubDescription))}
	if r.Report != "" {
		status.TargetURL = &r.Report
	}
	return s.send(ctx, "the status of the commit", "give the token the permission statuses: write (repo:status for a classic one)", func() (*github.Response, error) {
		_, answer, err := s.client.Repositories.CreateStatus(ctx, s.owner, s.name, r.SHA, status)
		return answer, err
	})
}

// check adds a check run, which only an app's token may: a workflow's GITHUB_TOKEN is one, a person's is not. Whoever
// may not has the status, and is not told of it each time.
func (s *session) check(ctx context.Context, r Run) error {
	conclusion := "failure"
	switch {
	case r.Passed:
		conclusion = "success"
	case r.Aborted:
		conclusion = "cancelled"
	case r.Reason == "timeout":
		conclusion = "timed_out"
	}
	options := github.CreateCheckRunOptions{
		Name: name(r), HeadSHA: r.SHA, ExternalID: &r.ID, Status: new("completed"), Conclusion: &conclusion,
		StartedAt: &github.Timestamp{Time: r.Started}, CompletedAt: &github.Timestamp{Time: r.Started.Add(r.Duration)},
		Output: &github.CheckRunOutput{Title: new(clip(r.summary(), 255)), Summary: new(clip(markdown(r), githubSummary)), Annotations: annotations(r)},
	}
	if r.Report != "" {
		options.DetailsURL = &r.Report
	}
	err := s.send(ctx, "a check of the commit", "give the app the permission checks: write", func() (*github.Response, error) {
		_, answer, err := s.client.Checks.CreateCheckRun(ctx, s.owner, s.name, options)
		return answer, err
	})
	var refused *Error
	if errors.As(err, &refused) && (refused.Status == http.StatusForbidden || refused.Status == http.StatusNotFound) {
		return nil
	}
	return err
}

func (s *session) private(ctx context.Context) bool {
	repository, _, err := s.client.Repositories.Get(ctx, s.owner, s.name)
	return err == nil && repository.GetPrivate()
}

func (s *session) send(ctx context.Context, what, permission string, do func() (*github.Response, error)) error {
	status, err := again(ctx, func() (int, time.Duration, error) {
		answer, err := do()
		code := 0
		if answer != nil && answer.Response != nil {
			code = answer.StatusCode
		}
		var limited *github.AbuseRateLimitError
		if errors.As(err, &limited) && limited.RetryAfter != nil {
			return http.StatusTooManyRequests, *limited.RetryAfter, errors.New("it asks for fewer requests")
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

// annotations are notes on lines of the code.
func annotations(r Run) []*github.CheckRunAnnotation {
	if r.Tests == nil {
		return nil
	}
	var all []*github.CheckRunAnnotation
	for _, f := range r.Tests.Failures {
		if f.File == "" || len(all) == githubAnnotations {
			continue
		}
		line := max(f.Line, 1)
		all = append(all, &github.CheckRunAnnotation{
			Path: new(f.File), StartLine: &line, EndLine: &line, AnnotationLevel: new("failure"),
			Title: new(clip(f.Name, 255)), Message: new(clip(first(f.Message, f.Details, "the test failed"), 16<<10)), RawDetails: new(clip(f.Details, 32<<10)),
		})
	}
	return all
}

func first(texts ...string) string {
	for _, t := range texts {
		if t = strings.TrimSpace(t); t != "" {
			return t
		}
	}
	return ""
}

// markdown is the check's own page.
func markdown(r Run) string {
	var b strings.Builder
	fmt.Fprintf(&b, "**%s** %s\n", r.title(), r.summary())
	if r.Error != "" {
		fmt.Fprintf(&b, "\n%s\n", fenced(r.Error))
	}
	if r.Hint != "" {
		fmt.Fprintf(&b, "\n→ %s\n", r.Hint)
	}
	if r.Tests != nil {
		for i, f := range r.Tests.Failures {
			if i == githubAnnotations || b.Len() > githubSummary/2 {
				fmt.Fprintf(&b, "\nand %d more\n", len(r.Tests.Failures)-i)
				break
			}
			fmt.Fprintf(&b, "\n- `%s`\n%s\n", strings.ReplaceAll(f.Name, "`", "'"), fenced(clip(first(f.Message, f.Details), 500)))
		}
	}
	if r.Coverage != "" {
		fmt.Fprintf(&b, "\ncoverage %s\n", r.Coverage)
	}
	return b.String()
}

// fenced is text that is not markup, whatever is in it.
func fenced(text string) string {
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return fence + "\n" + text + "\n" + fence
}
