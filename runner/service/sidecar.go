package service

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/carlin-cicd/runner/steps"
)

// SidecarsVariable is where the task says which containers it has: NAME=IMAGE:PORT, separated by commas.
const SidecarsVariable = "RUNNER_SERVICES"

// Sidecar is a container that the task has beside that of the runner.
type Sidecar struct {
	Name  string
	Image string
	Port  int
}

// ParseSidecars reads the value of RUNNER_SERVICES.
func ParseSidecars(text string) ([]Sidecar, error) {
	var all []Sidecar
	for entry := range strings.SplitSeq(text, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		name, rest, named := strings.Cut(entry, "=")
		i := strings.LastIndexByte(rest, ':')
		port, err := strconv.Atoi(rest[i+1:])
		if !named || name == "" || i <= 0 || err != nil || port < 1 || port >= 1<<16 {
			return nil, fmt.Errorf("%s has %q, which is not NAME=IMAGE:PORT", SidecarsVariable, entry)
		}
		all = append(all, Sidecar{Name: name, Image: rest[:i], Port: port})
	}
	return all, nil
}

// findSidecar returns the container of the task that is a service: the one of its name, else the one of its image,
// whatever registry that comes from.
func findSidecar(all []Sidecar, s steps.Service) (Sidecar, bool) {
	for _, sidecar := range all {
		if sidecar.Name == s.Name {
			return sidecar, true
		}
	}
	for _, sidecar := range all {
		if path.Base(sidecar.Image) == path.Base(s.Image) {
			return sidecar, true
		}
	}
	return Sidecar{}, false
}

// newMissingEngineError says how a container can be had.
func newMissingEngineError(s steps.Service, sidecars []Sidecar) *Error {
	e := &Error{
		Service: s.Name,
		Message: fmt.Sprintf("needs a container of %s, and there is neither podman nor docker on PATH", s.Image),
		Advice: fmt.Sprintf("on a laptop install podman or docker; on the cluster add %s=%s:PORT to TestServices or "+
			"BuildServices of cicd.yaml; or bake its program into the image and write command: instead of image:", s.Name, s.Image),
	}
	if len(sidecars) > 0 {
		var names []string
		for _, one := range sidecars {
			names = append(names, one.Name+" ("+one.Image+")")
		}
		e.Message += "; the task has " + strings.Join(names, ", ")
	}
	return e
}
