package results

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/joshdk/go-junit"
)

// parse reads one report. It returns the cases that could be read, and an error for what is wrong with the rest of it;
// a report that holds nothing at all is wrong too.
func parse(raw []byte) ([]Case, error) {
	text := clean(raw)
	begin := bytes.TrimSpace(text)
	if len(begin) == 0 {
		return nil, errors.New("it is empty")
	}
	if begin[0] != '<' {
		return nil, fmt.Errorf("it is not XML, it begins with %q", shorten(firstLine(string(begin[:min(len(begin), maxMessage)])), 60))
	}
	seen, err := audit(text)
	if err != nil {
		return nil, fmt.Errorf("it is damaged: %w", err)
	}
	if !seen.isReport {
		return nil, errors.New("it is XML, but no JUnit report: there is no testsuite in it")
	}
	suites, err := junit.Ingest(text)
	if err != nil {
		return nil, fmt.Errorf("it is damaged: %w", err)
	}
	cases := flatten(nil, suites, seen)
	return cases, seen.contradiction(cases)
}

// flatten lists the cases in the order in which audit has seen them.
func flatten(cases []Case, suites []junit.Suite, seen *findings) []Case {
	for _, s := range suites {
		for _, t := range s.Tests {
			cases = append(cases, toCase(t, s.Name, seen.take()))
		}
		cases = flatten(cases, s.Suites, seen)
	}
	return cases
}

// maxDuration is more than any test takes. A report may have nonsense here, which would be added up.
const maxDuration = 30 * 24 * time.Hour

func toCase(t junit.Test, suite string, marks marks) Case {
	c := Case{
		Name: shorten(t.Name, maxMessage), Class: shorten(t.Classname, maxMessage), Suite: shorten(suite, maxMessage),
		File: first(t.Properties["file"], t.Properties["filepath"], marks.file),
	}
	if t.Duration > 0 && t.Duration < maxDuration {
		c.Duration = t.Duration
	}
	for _, guess := range []string{t.Classname, suite} {
		if c.File == "" && sourceFile.MatchString(guess) {
			c.File = guess
		}
	}
	if len(c.File) > maxPath {
		c.File = "" // a part of a path is none
	}
	switch {
	case marks.failure:
		c.Status = Failed
	case marks.errored:
		c.Status = Errored
	case marks.skipped:
		c.Status = Skipped
	default:
		c.Status, c.Flaky = Passed, marks.flaky
	}
	if c.Status == Failed || c.Status == Errored {
		var problem junit.Error
		errors.As(t.Error, &problem)
		c.Message = shorten(telling(problem, t.Name), maxMessage)
		c.Details = shorten(strings.TrimSpace(problem.Body), maxDetails)
	}
	return c
}

// sourceFile tells src/sum.test.ts from com.example.Sum, and from packages like github.com/nats-io/nats.go, which is
// why languages whose tests are never named by their files are missing.
var sourceFile = regexp.MustCompile(`^[^\s:]+\.([cm]?[jt]sx?|py|rb|php|exs?|feature)$`)

// telling picks the line that says most of why a case failed. Many a producer puts the test's own name first.
func telling(e junit.Error, name string) string {
	for _, text := range []string{e.Message, e.Body} {
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" && !emptyWords(line, name) {
				return line
			}
		}
	}
	return first(firstLine(e.Message), firstLine(e.Body), e.Type)
}

var (
	commonplace = regexp.MustCompile(`(?i)^(test )?(failed|failure|error)\.?$|^(=== (RUN|PAUSE|CONT|NAME)|--- FAIL:) `) // the latter are Go's
	location    = regexp.MustCompile(`\.\w+:\d+:\d+ `)
)

// emptyWords reports whether a line only repeats which test it was.
func emptyWords(line, name string) bool {
	heading := strings.TrimRight(line, "─ ")
	titles := strings.Split(name, " › ")
	return commonplace.MatchString(line) ||
		strings.HasSuffix(heading, "::"+name) || // phpunit
		location.MatchString(heading) && strings.HasSuffix(heading, titles[len(titles)-1]) // playwright
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(line)
}
