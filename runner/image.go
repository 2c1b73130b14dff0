package runner

import (
	"strings"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/steps"
)

// The first task of the main branch finds out whether its image is made of what the commit has: it has the checkout, and
// costs nothing more. If it is not, the run ends before its command, and the state machine builds the image anew and
// starts the step again. To everyone else the step has not ended: its status stays pending.

// imageWish is image.json: what the image has to be made of.
type imageWish struct {
	Format     int      `json:"format"`
	SHA        string   `json:"sha"               redact:"-"`
	Task       string   `json:"task"              redact:"-"` // ARN of the task that asks
	Inputs     string   `json:"inputs"            redact:"-"` // digests
	Changed    []string `json:"changed"`
	Dockerfile string   `json:"dockerfile"`
	Context    string   `json:"context"`
	Target     string   `json:"target,omitempty"`
}

// checkImage ends the run if the pipeline knows what the image of the task was built from, and the commit has something
// else.
func (r *run) checkImage() error {
	given := r.Variables["RUNNER_IMAGE_INPUTS"]
	if given == "" || r.TaskARN == "" || r.isPartial() || r.Config.Environment != "" {
		return nil
	}
	have, err := steps.ParseImageInputs(given)
	if err != nil {
		r.Log.Warn("RUNNER_IMAGE_INPUTS cannot be read, so that the image stays as it is", "error", err.Error())
		return nil
	}
	image := r.steps.Image()
	want, err := image.Inputs(r.Config.Workspace)
	switch {
	case err != nil:
		return outcome.SourceError{Err: err}
	case want == nil:
		r.Log.Warn("the commit has no Dockerfile, so that the image stays as it is", "hint", "set image: below cluster: in runner.yaml")
		return nil
	}
	changed := have.Differs(want)
	if len(changed) == 0 {
		return nil
	}
	wish := imageWish{
		Format: 1, SHA: r.Ref.SHA, Task: r.TaskARN, Inputs: want.String(), Changed: changed,
		Dockerfile: image.Dockerfile, Context: image.Context, Target: image.Target,
	}
	if err := artifacts.PutJSON(r.Stop.Work, r.Store, keys.Image(r.Ref, r.step.Name), redact.Value(r.Redactor, wish)); err != nil {
		return outcome.ArtifactsError{Err: err}
	}
	r.awaitsImage = true
	return &outcome.GuardError{
		Message: "the image is not made of what the commit has: " + strings.Join(changed, ", "),
		Advice:  "the pipeline builds the image, and starts the step again with it",
	}
}
