package config

import (
	"errors"
	"path/filepath"

	"github.com/carlin-cicd/runner/steps"
)

// LoadSteps returns the steps of the workspace that a configuration names.
func LoadSteps(c Config) (steps.Catalogue, error) {
	file, err := LoadFile(c)
	return steps.Collect(c.Workspace, file), err
}

// LoadFile reads the runner.yaml that a configuration names; nil if the workspace has none.
func LoadFile(c Config) (file *steps.File, err error) {
	if c.File == "" {
		file, err = steps.LoadDefault(c.Workspace)
	} else {
		file, err = steps.Load(c.File)
	}
	var refused *steps.FileError
	if errors.As(err, &refused) { // a path inside the workspace reads better relative to it
		if relative, relErr := filepath.Rel(c.Workspace, refused.Path); relErr == nil && filepath.IsLocal(relative) {
			refused.Path = relative
		}
	}
	return file, err
}

// Apply overrides what a step says of its place and credentials by the variables of the task, which runner.yaml cannot
// change: a task of a fork gets none, one of an environment works in that environment's account.
func (c Config) Apply(step *steps.Step) {
	for _, setting := range []struct {
		key, variable, value string
		to                   *string
	}{
		{"role", "RUNNER_ROLE", c.Role, &step.Role},
		{"account", "RUNNER_ACCOUNT", c.Account, &step.Account},
		{"region", "RUNNER_REGION", c.Region, &step.Region},
	} {
		if setting.value != "" {
			*setting.to, step.Origin[setting.key] = setting.value, setting.variable
		}
	}
	if c.Credentials != "" {
		step.Credentials, step.Origin["credentials"] = steps.Credentials(c.Credentials), "RUNNER_CREDENTIALS"
	}
}
