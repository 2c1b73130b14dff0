package present

import (
	"strings"

	"github.com/carlin-cicd/runner/steps/results"
)

// excerptLines bounds an excerpt that the record lacks.
const excerptLines = 5

// Excerpt returns the lines that explain a failure best: the message, what was expected and received, the first frame.
// They are the same wherever a failure is shown.
func Excerpt(c results.Case) []string {
	if c.Excerpt != "" {
		return strings.Split(c.Excerpt, "\n")
	}
	var lines []string
	for line := range strings.Lines(FailureText(c)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "at ") || len(lines) == excerptLines {
			break
		}
		if line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// FailureText returns all that is known of a failure: its details, after its message if that is not among them.
func FailureText(c results.Case) string {
	message := strings.TrimSpace(c.Message)
	switch {
	case strings.Contains(c.Details, message):
		return c.Details
	case strings.TrimSpace(c.Details) == "":
		return message
	}
	return message + "\n" + c.Details
}

// MoreThanExcerpt returns FailureText if it has a line that the excerpt lacks, else "".
func MoreThanExcerpt(c results.Case) string {
	shown := map[string]bool{"": true}
	for _, line := range Excerpt(c) {
		shown[strings.TrimSpace(line)] = true
	}
	text := FailureText(c)
	for line := range strings.Lines(text) {
		if !shown[strings.TrimSpace(line)] {
			return text
		}
	}
	return ""
}
