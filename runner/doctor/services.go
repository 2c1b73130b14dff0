package doctor

import (
	"context"
	"os"
	"path"
	"slices"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/service"
	"github.com/carlin-cicd/runner/steps"
)

// engineTimeout is how long podman or docker may take to answer.
const engineTimeout = 10 * time.Second

// services checks the services of a step; need looks up a program.
func (e *examiner) services(s steps.Step, need func(name, user string, severity artifacts.Severity)) {
	for _, one := range s.Services {
		severity := e.severity(s)
		if one.Optional {
			severity = artifacts.Warning
		}
		for _, c := range []steps.Command{one.Setup, one.Command, one.Ready.Command} {
			if name := program(c); name != "" {
				need(name, "service "+one.Name+" of "+s.Name, severity)
			}
		}
		e.service(one, severity)
	}
}

// service checks what a service needs beside its programs: for a container what runs it, for PostgreSQL a user other
// than root.
func (e *examiner) service(s steps.Service, severity artifacts.Severity) {
	name := "service " + s.Name
	if !s.IsContainer() {
		refuses := func(c steps.Command) bool {
			return slices.Contains([]string{"initdb", "postgres", "pg_ctl"}, path.Base(program(c)))
		}
		if os.Getuid() == 0 && (refuses(s.Setup) || refuses(s.Command)) {
			e.problem(artifacts.Warning, name, "PostgreSQL does not run as root, and this user is", service.RootAdvice)
		}
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), engineTimeout)
	defer cancel()
	where, err := service.Locate(ctx, s, e.session.Variables)
	if err != nil {
		e.problem(severity, name, err.Error(), outcome.Hint(err))
		return
	}
	e.ok(name, "%s", where)
}
