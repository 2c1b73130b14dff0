// Package report writes what a run was as one page for people: HTML that needs no network, no server and no other file.
//
// Whatever it is given is text: it is escaped here, and has been through the redactor before.
package report

import (
	"time"

	"github.com/carlin-cicd/runner/runner/record"
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
	Killed      bool // the command had to be
	Retryable   bool // the same run may end otherwise if it is tried again
	Never       bool // the command was not started
	Error, Hint string
	Command     string
	Started     time.Time
	Duration    time.Duration

	Phases    []Phase
	Usage     Usage
	Delivery  *Delivery
	Tests     *Tests
	Coverage  *Coverage
	Artifacts []Artifact
	Note      string   // what there is to know of their links
	Files     []Link   // the run's own: its record, its log, its reports
	Variables []string // names only
	Log       Log
}

// Phase is a part of the run.
type Phase struct {
	Name  string
	Note  string        // what else there is to say of it: how many tests were run again
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

// Delivery is what became of the environment that the run changed.
type Delivery struct {
	Outcome string   // in words
	Facts   []Fact   // the stack's state, what was live before, how it was brought back
	Waited  []string // who held the lock that the run waited for
	Events  []Event  // of the stack and of its way back, in order
	Dropped int      // events that came before those
}

// Fact is something that there is one word or two for.
type Fact struct {
	Name, Value string
	Link        string
}

// Event is an event of a stack.
type Event = record.StackEvent

// Tests is what the reports said.
type Tests struct {
	Total, Passed, Failed, Skipped int // Failed counts errors, too
	Failures                       []Test
	Flaky                          []Test // passed after they had failed; Message is of the first failure
	Quarantined                    []Test // failed without failing the step
	Slowest                        []Test
	Remarks                        []string // why nothing was run again, that tests went missing
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
	Against string           // which run that was
	Folders []coverage.Folder
}

// Artifact is a set of files that was published.
type Artifact struct {
	Name     string
	Location string
	Link     string // to the set, http(s) or relative to the page; empty for none
	Entry    string // to the page that it begins with, such as that of a coverage report
	Get      string // the command that fetches it
	Files    int
	Bytes    int64
	Error    string
}

// Link is a text that leads somewhere, http(s) or relative to the page.
type Link struct{ Text, To string }

// Log is the end of what the command printed, colours and all.
type Log struct {
	Text    []byte
	Dropped int64  // bytes that came before
	First   int    // the number of the first line in the whole log; 0 counts as 1
	Link    string // to the whole log
}
