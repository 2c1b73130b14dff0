package present

import (
	"fmt"
	"strings"

	"github.com/google/go-github/v92/github"

	"github.com/carlin-cicd/runner/runner/record"
)

// GitHub's limits: https://docs.github.com/rest/commits/statuses, https://docs.github.com/rest/checks/runs
const (
	githubDescription = 140 // characters
	githubTitle       = 255
	githubSummary     = 65535
	githubAnnotations = 200 // of a run; a request has 50 of them
	githubListed      = 50  // failed tests of the text
	githubCauseLines  = 20
)

// GitHubPending returns the status of a commit while a run is in progress.
func GitHubPending(run record.Identity) github.RepoStatus {
	return github.RepoStatus{State: new("pending"), Context: new(githubName(run)), Description: new("running")}
}

// GitHubStatus returns the status of a commit after a run.
func GitHubStatus(run record.Run, report ReportLink) github.RepoStatus {
	state := "failure"
	switch run.Reason {
	case record.Success:
		state = "success"
	case record.Cancelled, record.BadConfig, record.Secrets, record.Source, record.Guard,
		record.ServiceFailed: // the command did not fail
		state = "error"
	}
	return github.RepoStatus{
		State: &state, Context: new(githubName(run.Identity)),
		Description: new(clip(withCause(run), githubDescription)), TargetURL: optional(report.URL),
	}
}

// GitHubCheck returns the check of a commit after a run, with an annotation at each failed test whose place is known.
func GitHubCheck(run record.Run, report ReportLink) github.CreateCheckRunOptions {
	conclusion := "failure"
	switch run.Reason {
	case record.Success:
		conclusion = "success"
	case record.Cancelled:
		conclusion = "cancelled"
	case record.Timeout:
		conclusion = "timed_out"
	}
	return github.CreateCheckRunOptions{
		Name: githubName(
			run.Identity,
		), HeadSHA: run.SHA, ExternalID: &run.RunID, Status: new("completed"), Conclusion: &conclusion,
		StartedAt: &github.Timestamp{Time: run.StartedAt}, CompletedAt: &github.Timestamp{Time: run.EndedAt},
		Output: &github.CheckRunOutput{
			Title: new(clip(withCause(run), githubTitle)), Summary: new(clip(githubText(run), githubSummary)),
			Annotations: annotations(run),
		},
		DetailsURL: optional(report.URL),
	}
}

// githubName returns the name of the status and of the check: one for each step and environment.
func githubName(run record.Identity) string {
	if run.Environment == "" {
		return "carlin-cicd/" + run.Step
	}
	return "carlin-cicd/" + run.Step + "-" + run.Environment
}

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// withCause returns the outline with the cause: "failure, exit code 2 after 3.1 s: src/a.ts(3,5): error TS2322: …".
func withCause(run record.Run) string {
	if run.Cause == nil {
		return outline(run)
	}
	return outline(run) + ": " + oneLine(CauseLine(run))
}

// annotations returns notes on lines of the code: the failed tests, then what the commands printed, errors first.
func annotations(run record.Run) []*github.CheckRunAnnotation {
	all := testAnnotations(failures(run))
	levels := map[record.Level]string{record.LevelError: "failure", record.LevelWarning: "warning", record.LevelNotice: "notice"}
	for _, n := range run.Notes {
		if n.Path == "" || len(all) == githubAnnotations {
			continue
		}
		first := max(n.Line, 1)
		last := max(n.EndLine, first)
		a := &github.CheckRunAnnotation{
			Path: new(n.Path), StartLine: &first, EndLine: &last, AnnotationLevel: new(levels[n.Level]),
			Message: new(clip(visible(n.Message), 16<<10)),
		}
		if n.Title != "" {
			a.Title = new(clip(n.Title, githubTitle))
		}
		if n.Column > 0 && first == last { // GitHub takes columns of one line only
			column := max(n.EndColumn, n.Column)
			a.StartColumn, a.EndColumn = &n.Column, &column
		}
		all = append(all, a)
	}
	return all
}

// testAnnotations returns notes on the lines of failed tests.
func testAnnotations(failed []record.FailedTest) []*github.CheckRunAnnotation {
	var all []*github.CheckRunAnnotation
	for _, f := range failed {
		if f.Path == "" || len(all) == githubAnnotations {
			continue
		}
		line := max(f.Line, 1)
		all = append(all, &github.CheckRunAnnotation{
			Path: new(f.Path), StartLine: &line, EndLine: &line, AnnotationLevel: new("failure"),
			Title:      new(clip(classAndName(f.Case), githubTitle)),
			Message:    new(clip(annotationText(f), 16<<10)),
			RawDetails: optional(clip(MoreThanExcerpt(f.Case), 32<<10)),
		})
	}
	return all
}

// annotationText returns the excerpt of a failure, and what the history says of the test.
func annotationText(f record.FailedTest) string {
	text := strings.TrimSpace(strings.Join(Excerpt(f.Case), "\n"))
	if text == "" {
		text = "the test failed"
	}
	if f.Note != "" {
		text += "\n(" + f.Note + ")"
	}
	return text
}

// githubText returns the check's own page, in Markdown.
func githubText(run record.Run) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", codeSpan(title(run, false)), codeSpan(outline(run)))
	if cause := CauseLine(run); cause != "" {
		fmt.Fprintf(&b, "\n%s\n", fenced(visible(clip(cause, 4000))))
	}
	if lines := causeText(run, githubCauseLines); lines != "" {
		fmt.Fprintf(&b, "\n%s\n", fenced(visible(clip(lines, 8000))))
	}
	if beside := ErrorBeside(run); beside != "" {
		fmt.Fprintf(&b, "\n%s\n", codeSpan(clip(beside, 1000)))
	}
	if hint := Hint(run); hint != "" {
		fmt.Fprintf(&b, "\n→ %s\n", codeSpan(clip(hint, 2000)))
	}
	failed := failures(run)
	for i, f := range failed {
		if i == githubListed || b.Len() > githubSummary/2 {
			fmt.Fprintf(&b, "\nand %d more\n", len(failed)-i)
			break
		}
		text := visible(clip(strings.Join(Excerpt(f.Case), "\n"), 500))
		note := codeSpan(clip(f.Note, 500))
		fmt.Fprintf(&b, "\n- %s\n%s\n", strings.TrimSpace(codeSpan(clip(classAndName(f.Case), 500))+" "+note), fenced(text))
	}
	for _, fact := range []string{stackLine(run), coverageFact(run)} {
		if fact != "" {
			fmt.Fprintf(&b, "\n%s\n", codeSpan(clip(fact, 2000)))
		}
	}
	return b.String()
}
