package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/carlin-cicd/runner/runner/config"

	"github.com/carlin-cicd/runner/runner"
	"github.com/carlin-cicd/runner/steps"
	"github.com/carlin-cicd/runner/steps/detect"
)

// init writes a runner.yaml that fits the workspace; with --dry-run it only shows it. One that is there stays, unless
// --force says otherwise.
func (c console) init(variables map[string]string) int {
	config, err := config.Read(variables)
	if err != nil {
		return c.refuse(err)
	}
	found, err := detect.Workspace(config.Workspace)
	if err != nil {
		return c.refuse(err)
	}
	text := found.YAML()
	name := config.File
	if name == "" {
		name = filepath.Join(config.Workspace, steps.FileName)
	}
	if _, err := steps.Parse(name, []byte(text)); err != nil { // what we write has to be what we read
		return c.refuse(err)
	}
	if config.DryRun {
		return c.print(text)
	}
	force, err := strconv.ParseBool(variables["RUNNER_FORCE"])
	if err != nil && variables["RUNNER_FORCE"] != "" {
		return c.fail(exitUsage, fmt.Sprintf("RUNNER_FORCE cannot be %q", variables["RUNNER_FORCE"]), "write true or false")
	}
	flag := os.O_CREATE | os.O_EXCL | os.O_WRONLY
	if force {
		flag = os.O_CREATE | os.O_TRUNC | os.O_WRONLY
	}
	f, err := os.OpenFile(name, flag, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return c.fail(exitUsage, runner.Nearby(name)+" is there already", "runner init --dry-run shows what would be written, --force writes over it")
	}
	if err != nil {
		return c.refuse(err)
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return c.refuse(err)
	}
	var b strings.Builder
	if len(found.What) > 0 {
		fmt.Fprintf(&b, "found %s\n", strings.Join(found.What, ", "))
	} else {
		b.WriteString("found nothing that is known here: write the commands yourself\n")
	}
	fmt.Fprintf(&b, "wrote %s\n\n%s\nnext:\n  runner steps\n", runner.Nearby(name), text)
	for _, s := range found.Steps {
		if s.Name == "test" || s.Name == "build" {
			fmt.Fprintf(&b, "  runner --step %s\n", s.Name)
		}
	}
	return c.print(b.String())
}
