package pipeline

import (
	"cmp"
	"time"

	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/steps"
)

// Settings are what runner.yaml says of the task of a job, in the form of RunTask. What it does not say is left out: the
// task definition has it. The machine of infra/cicd.yaml bounds them, and refuses a plan that asks for more.
type Settings struct {
	Task           string `json:"task,omitempty"   redact:"-"` // build, test, migrate or deploy
	CPU            string `json:"cpu,omitempty"    redact:"-"` // units of 1/1024 vCPU
	Memory         string `json:"memory,omitempty" redact:"-"` // MiB
	Spot           *bool  `json:"spot,omitempty"`
	TimeoutSeconds int    `json:"timeoutSeconds,omitempty"` // of all steps of the job
}

// isZero reports whether nothing is said.
func (s Settings) isZero() bool { return s == Settings{} }

// Apply adds the settings of the steps.
func (p Plan) Apply(known steps.Catalogue) {
	for i := range p.Stages {
		stage := &p.Stages[i]
		for j := range stage.Jobs {
			stage.Jobs[j].Settings = settingsOf(known, stage.Jobs[j].Steps)
		}
		for _, name := range stage.Steps {
			if s := settingsOf(known, []string{name}); !s.isZero() {
				if stage.Settings == nil {
					stage.Settings = map[string]Settings{}
				}
				stage.Settings[name] = s
			}
		}
	}
}

// settingsOf returns the settings of a task that runs some steps one after the other: the largest size, and Spot only if
// each of them allows it. checkTask has seen to it that they need the same kind of task.
func settingsOf(known steps.Catalogue, names []string) (s Settings) {
	var size steps.Size
	var timeout time.Duration
	timed := false
	for _, name := range names {
		step, err := known.Find(name)
		if err != nil {
			continue // the file was checked
		}
		s.Task = cmp.Or(s.Task, step.Task)
		size = steps.Size{CPU: max(size.CPU, step.Size.CPU), Memory: max(size.Memory, step.Size.Memory)}
		if step.Spot != nil && (s.Spot == nil || !*step.Spot) {
			s.Spot = step.Spot
		}
		timed = timed || step.Timeout > 0
		timeout += cmp.Or(step.Timeout, config.DefaultTimeout)
	}
	s.CPU, s.Memory = size.Enclosing().Units()
	if timed {
		s.TimeoutSeconds = int((timeout + time.Second - 1) / time.Second)
	}
	return s
}
