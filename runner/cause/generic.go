package cause

import (
	"cmp"
	"encoding/json"
	"strings"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/steps/pattern"
)

// genericErrors finds the first of the last lines that begin like an error.
func genericErrors(lines []string) telling {
	const (
		gap  = 3   // lines between two that belong together
		deep = 400 // lines before the end
	)
	t := telling{kind: record.CauseOutput}
	for i := len(lines) - 1; i >= max(0, len(lines)-deep); i-- {
		if t.weight != nothing && t.at-i > gap {
			break
		}
		if line := strings.TrimSpace(lines[i]); isError(line) {
			if t.weight == nothing {
				t.to = i
			}
			t.weight, t.at, t.summary = generic, i, withRest(lines, i, line)
			if f := errorTool.FindStringSubmatch(line); f != nil {
				t.tool = f[1]
			}
		}
	}
	if t.weight != nothing {
		t.lines = paragraph(lines, t.at)
	}
	return t
}

// withRest adds to a line that ends with a colon what follows it, and reads the message of a log in JSON.
func withRest(lines []string, at int, line string) string {
	if message := logged(line); message != "" {
		return message
	}
	for i := at + 1; i < min(len(lines), at+4) && strings.HasSuffix(line, ":"); i++ {
		if rest := strings.TrimSpace(lines[i]); rest != "" {
			line += " " + rest
		}
	}
	return line
}

// logged is what a line of a log in JSON says, if its level is that of an error.
func logged(line string) string {
	if !strings.HasPrefix(line, "{") || !jsonLevel.MatchString(line) {
		return ""
	}
	var entry struct {
		Msg, Message string
		Err, Error   any
	}
	if json.Unmarshal([]byte(line), &entry) != nil {
		return ""
	}
	message := cmp.Or(entry.Msg, entry.Message)
	for _, err := range []any{entry.Err, entry.Error} {
		if fields, ok := err.(map[string]any); ok {
			err = fields["message"]
		}
		if text, ok := err.(string); ok && text != "" && text != message {
			message = strings.TrimPrefix(message+": "+text, ": ")
		}
	}
	return message
}

// maxParagraph is how many lines explain an error at most.
const maxParagraph = 15

// paragraph returns a line and those after it that belong to it: up to the first blank one after some.
func paragraph(lines []string, at int) []string {
	to := at + 1
	for to < min(len(lines), at+maxParagraph) && lines[to] != "" {
		to++
	}
	return lines[at:to]
}

func isError(line string) bool {
	if strings.HasPrefix(line, "{") {
		return logged(line) != ""
	}
	if at := timestamp.FindStringIndex(line); at != nil {
		line = line[at[1]:]
	}
	return line != "" && len(line) < 2000 && mayBeError(line) && errorLine.MatchString(line) &&
		!noError.MatchString(line) && !isWrapper(line)
}

// mayBeError is a cheap test for words without which no line begins like an error.
func mayBeError(line string) bool {
	lower := strings.ToLower(line[:min(len(line), 200)])
	for _, word := range errorWords {
		if strings.Contains(lower, word) {
			return true
		}
	}
	return false
}

var errorWords = []string{
	"err", "fail", "fatal", "excep", "panic", "cannot", "can't", "could not", "unable", "invalid", "unknown", "no such",
	"denied", "unbound", "not set", "critical", "threshold", "vulnerabilit", "yn00", "[!]", "missing", "unhandled", "uncaught", "✘", "✖", "✗", "×", "❌", ": (", "e: ",
}

// wrappers finds the last line by which a tool says that what it had started failed.
func wrappers(lines []string) telling {
	const deep = 200 // lines before the end
	for i := len(lines) - 1; i >= max(0, len(lines)-deep); i-- {
		line := strings.TrimSpace(lines[i])
		if !isWrapper(line) {
			continue
		}
		from := i // with what came before it: the last words of what failed
		for from > 0 && i-from < lastLines-1 && (lines[from-1] != "" || i-from < 3) {
			from--
		}
		for lines[from] == "" {
			from++
		}
		return telling{
			weight: wrapper, kind: record.CauseOutput, summary: line, lines: lines[from : i+1], at: from, to: i,
			tool: wrapperTool(line),
		}
	}
	return telling{}
}

func isWrapper(line string) bool { return line != "" && wrapperLine.MatchString(line) }

func wrapperTool(line string) string {
	for _, tool := range []string{"make", "npm", "yarn"} {
		if strings.HasPrefix(strings.TrimPrefix(line, "g"), tool) {
			return tool
		}
	}
	if strings.HasPrefix(line, "ELIFECYCLE") || strings.HasPrefix(line, "ERR_PNPM") {
		return "pnpm"
	}
	return ""
}

var (
	wrapperLine = pattern.New(
		`^(?:\x{2009}?ELIFECYCLE\b|FAILURE: Build failed|Failed to compile\.$|FAILED \||Failed!  - Failed:|\[ERROR\] (?:$|->|\[Help|Re-run |To see )|` +
			`(?:\S+: )?ERROR:? +(?:command finished with error|run failed: command)|ERROR: failed to solve: process |Test failed|` +
			`error: Test failed|Errors while running CTest|ERR_PNPM_RECURSIVE_|` +
			`g?make(?:\[\d+\])?: \*\*\* \[|ninja: build stopped|npm (?:error|ERR!)|exit status \d+$|` +
			`error Command failed|error: (?:could not compile|aborting due to|test failed|recipe )|` +
			`ERR_PNPM_RECURSIVE_RUN_FIRST_FAIL|Command failed with exit code|` +
			`\S+: ?exited with (?:code )?\d+|FAIL$|FAILED$|BUILD FAILED|collect2: error: ld returned|husky )`,
	)
	errorLine = pattern.New(
		`(?i)^(?:\[?(?:fatal|error|err!|failed|failure|critical|panic|exception|✘|✖|✗|×|❌)\b|` +
			`\S{1,60}: (?:\S{1,40}: ){0,2}(?:fatal|error|failed|failure|cannot|can't|could not|unable|invalid|` +
			`unknown|no such|permission denied|syntax error|unbound variable|parameter not set)|` +
			`(?:fatal|error|failed|failure)[:!\] ]|✘ |✖ |✗ |× |❌|[A-Za-z_.]*(?:Error|Exception)(?:: |$)|` +
			`\[!\] |Jest: .* threshold .* not met|[1-9]\d* .*\bvulnerabilit(?:y|ies)$|➤ YN00(?:01|09|1[0568]|20|22|27|28|3[05]|41|81|82|90): |` +
			`[Mm]issing (?:required )?env|\S+: \(\d+\) |an error occurred|unhandled |uncaught |e: |.{0,80}\b(?:error|fatal|ERROR|Error):\s)`,
	)
	// noError matches what only looks like an error; a bare word is the title of a group of tests.
	noError = pattern.New(
		`(?i)\b(?:0 errors?|no errors?|0 failed|0 failures?|without errors?)\b|^errors?: 0|^warning|` +
			`^(?:fatal|errors?|failed|failures?|critical|panic|exceptions?)$|failing tests:$|^failed resources:$`,
	)
	timestamp = pattern.New(`^\[?\d{4}-\d\d-\d\d[T ][\d:.,]+(?:Z|[+-]\d\d:?\d\d)?\]? +(?:\|? ?\[[^\]]*\] +|- +)?`)
	jsonLevel = pattern.New(`"(?:level|severity|lvl)":\s*(?:"(?i:error|fatal|critical|panic|emergency|alert)"|[56]0\b)`)
	errorTool = pattern.New(`^([a-z][\w.+-]{1,20}): (?:\(\d+\) |error|fatal|failed|cannot|could not|unable)`)
)
