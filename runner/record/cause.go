package record

import "fmt"

// CauseKind says what a Cause was derived from.
type CauseKind string

// The sources of a cause, as they are in finished.json.
const (
	CauseTests  CauseKind = "tests"  // failed tests of the reports
	CauseStack  CauseKind = "stack"  // a resource of the CloudFormation stack that failed
	CauseExit   CauseKind = "exit"   // an exit code or a signal, and what the shell said of it
	CauseOutput CauseKind = "output" // the telling lines of the output of the command, or of a service
	CauseReason CauseKind = "reason" // the reason's own words: nothing else says more
)

// RedactConstant implements redact.Constant.
func (CauseKind) RedactConstant() {}

// Cause is why a run did not pass, in the words of what failed. It is derived once, when the run ends; everything that
// shows why a run failed shows it.
type Cause struct {
	Kind    CauseKind `json:"kind"`
	Tool    string    `json:"tool,omitempty" redact:"-"` // whose lines these are, such as tsc; "" if unknown
	Summary string    `json:"summary"`                   // one line
	More    int       `json:"more,omitempty"`            // further errors or failed tests of the same kind
	Lines   []string  `json:"lines,omitempty"`           // that explain it, without colors, in their order
	LogLine int       `json:"log_line,omitempty"`        // of the first of Lines in the log, from 1; 0 if it is not there
	Path    string    `json:"path,omitempty"`            // relative to the repository, slash-separated; "" if unknown
	Line    int       `json:"line,omitempty"`            // of that file, from 1
	Column  int       `json:"column,omitempty"`
	Hint    string    `json:"hint,omitempty"` // what to do about it
}

// String returns the cause in one line: "src/a.ts(3,5): error TS2322: … and 3 more".
func (c *Cause) String() string {
	if c.More > 0 {
		return fmt.Sprintf("%s and %d more", c.Summary, c.More)
	}
	return c.Summary
}

// Level is how serious an annotation is.
type Level string

// The levels of annotations, as GitHub's workflow commands name them.
const (
	LevelError   Level = "error"
	LevelWarning Level = "warning"
	LevelNotice  Level = "notice"
)

// RedactConstant implements redact.Constant.
func (Level) RedactConstant() {}

// Annotation is a note on a line of the code, or on none, that a command of the step printed.
type Annotation struct {
	Level     Level  `json:"level"`
	Tool      string `json:"tool,omitempty" redact:"-"` // whose format the line has; "" for a workflow command
	Path      string `json:"path,omitempty"`            // relative to the repository, slash-separated
	Line      int    `json:"line,omitempty"`            // from 1; 0 without one
	EndLine   int    `json:"end_line,omitempty"`
	Column    int    `json:"column,omitempty"`
	EndColumn int    `json:"end_column,omitempty"`
	Title     string `json:"title,omitempty"`
	Message   string `json:"message"`
	LogLine   int    `json:"log_line,omitempty"` // from 1
}
