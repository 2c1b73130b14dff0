package config

import (
	"errors"
	"path/filepath"

	"github.com/carlin-cicd/runner/steps"
)

// LoadSteps returns the steps of the workspace that a configuration names.
func LoadSteps(c Config) (steps.Catalogue, error) {
	var file *steps.File
	var err error
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
	return steps.Collect(c.Workspace, file), err
}
