// Package report writes what a run was as one page for people: HTML that needs no network, no server and no other file.
//
// Whatever it is given is text: it is escaped here, and has been through the redactor before.
package report

import (
	"time"

	"github.com/carlin-cicd/runner/steps/coverage"
)

// Page is everything that the page tells. What is empty is left out of it.
type Page struct {
	Step, Environment, Stack string
	Branch, SHA              string
	Repository               string // owner/name, which links the commit to GitHub
	RunID, Task, Runner      string

	Passed      bool
	Reason      string
	ExitCode    int
	Error, Hint string
	Command     string
	Started     time.Time
	Duration    time.Duration

	Phases    []Phase
	Usage     Usage
	Tests     *Tests
	Coverage  *Coverage
	Artifacts []Artifact
	Variables []string // names only
	Log       Log
}

// Phase is a part of the run.
type Phase struct {
	Name  string
	Start time.Duration // since the run began
	Took  time.Duration
	Error string
}

// Usage is what the run took of its machine over time. The limits are zero where there is none.
type Usage struct {
	Samples     []Sample
	CPULimit    float64 // cores
	MemoryLimit int64   // bytes
	PeakMemory  int64   // bytes
	CPUSeconds  float64
	Advice      string // the size that would have fit, and what the run cost
}

// Sample is one look at the machine.
type Sample struct {
	At     time.Duration // since the run began
	CPU    float64       // cores in use since the sample before
	Memory int64         // bytes
	Disk   int64         // bytes used of the workspace's disk
}

// Tests is what the reports said.
type Tests struct {
	Total, Passed, Failed, Skipped int // Failed counts errors, too
	Failures                       []Test
	Flaky                          []Test // passed after they had failed; Message is of the first failure
	Quarantined                    []Test // failed without failing the step
	Slowest                        []Test
	Problems                       []string // reports that could not be read
}

// Test is one test case.
type Test struct {
	Name, Class, File string
	Took              time.Duration
	Message, Details  string
	Note              string // from its history: "failing since abc1234"
}

// Coverage is how much of the code the tests went through.
type Coverage struct {
	coverage.Summary
	Change  *coverage.Change // against the branch's last run, if there was one
	Folders []Folder
}

// Folder is the part of the coverage that is of one folder.
type Folder struct {
	Path     string
	Lines    coverage.Figure
	Branches coverage.Figure
	Change   float64 // of the lines, in percentage points
}

// Artifact is a set of files that was published.
type Artifact struct {
	Name     string
	Location string
	Link     string // http(s) or relative to the page; empty for none
	Files    int
	Bytes    int64
	Error    string
}

// Log is the end of what the command printed, colours and all.
type Log struct {
	Text    []byte
	Dropped int64  // bytes that came before
	Link    string // to the whole log
}
