package service

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/carlin-cicd/runner/runner/process"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/steps"
)

// ownerLabel is on every container that a runner starts: whose processes know whether it is needed. Process ids mean
// something within one pid namespace only.
const ownerLabel = "carlin-cicd.runner"

// engines are the programs that run containers, as their users prefer them.
var engines = []string{"podman", "docker"}

// FindEngine returns the path of podman or docker; "" if neither is on the PATH of the variables.
func FindEngine(variables map[string]string) string {
	for _, name := range engines {
		path, err := process.LookPath(process.Command{Args: []string{name}, Env: []string{"PATH=" + variables["PATH"]}})
		if err == nil {
			return path
		}
	}
	return ""
}

// Locate says where the container of a service would run, with the variables of a run. The error is an *Error.
func Locate(ctx context.Context, s steps.Service, variables map[string]string) (string, error) {
	sidecars, err := ParseSidecars(variables[SidecarsVariable])
	if err != nil {
		return "", &Error{Service: s.Name, Message: "is not known: " + err.Error(), Err: err}
	}
	if sidecar, ok := findSidecar(sidecars, s); ok {
		return fmt.Sprintf("the container %s of the task, at port %d", sidecar.Name, sidecar.Port), nil
	}
	path := FindEngine(variables)
	if path == "" {
		return "", newMissingEngineError(s, sidecars)
	}
	e := engine{path: path, env: entries(engineVariables(variables))}
	if _, err := e.ask(ctx, "ps", "--quiet"); err != nil {
		return "", &Error{
			Service: s.Name, Message: fmt.Sprintf("needs a container of %s, and %s cannot run any: %s", s.Image, path, err),
			Advice: "start its server, or install podman, which needs none", Err: err,
		}
	}
	return path, nil
}

// request returns what the supervisor of a service is asked for.
func (s *Set) request(ctx context.Context, one *service) (request, error) {
	r := request{
		Dir: s.setting.Directory, Grace: s.setting.Grace, Data: one.data,
		Marker: "RUNNER_SERVICE=" + s.setting.RunID + "/" + one.Name,
	}
	if one.kind == record.ServiceContainer {
		return s.containerRequest(ctx, one, r)
	}
	r.Env = append(entries(one.env), r.Marker)
	r.Args = one.Command.Argv()
	if !one.Setup.IsZero() {
		r.Setup = one.Setup.Argv()
	}
	return r, nil
}

// containerRequest has the engine's client as the command. The values of variables are in its environment, and only
// their names among its arguments.
func (s *Set) containerRequest(ctx context.Context, one *service, r request) (request, error) {
	e := engine{path: s.setting.Engine, env: entries(engineVariables(s.setting.Variables))}
	e.removeAbandoned(ctx)
	if err := e.ensure(ctx, one.Image); err != nil {
		return r, &Error{
			Service: one.Name, Message: fmt.Sprintf("cannot have the image %s: %s", one.Image, err),
			Advice: "check its name, and whether " + e.name() + " is logged in to its registry", Err: err,
		}
	}
	if one.inside == 0 {
		one.inside = e.exposedPort(ctx, one.Image)
	}
	r.Args = []string{
		e.path, "run", "--rm", "--name", one.container, "--label", ownerLabel + "=" + owner(),
	}
	if one.inside != 0 {
		r.Args = append(r.Args, "--publish", fmt.Sprintf("%s:%d:%d", Host, one.port, one.inside))
	} else {
		one.port = 0
	}
	variables := engineVariables(s.setting.Variables)
	for _, name := range sortedNames(one.env) {
		r.Args = append(r.Args, "--env", name)
		variables[name] = one.env[name]
	}
	r.Args = append(r.Args, one.Image)
	r.Env, r.Dir = append(entries(variables), r.Marker), "/"
	r.Remove, r.RemoveEnv = e.removal(one.container), e.env
	return r, nil
}

// engineVariables are those that the engine's client needs to find its settings and its server.
func engineVariables(variables map[string]string) map[string]string {
	all := map[string]string{}
	for name, value := range variables {
		for _, prefix := range []string{"DOCKER_", "CONTAINER", "XDG_", "STORAGE_", "REGISTRY_AUTH"} {
			if strings.HasPrefix(name, prefix) {
				all[name] = value
			}
		}
		if slices.Contains([]string{"PATH", "HOME", "USER", "TMPDIR"}, name) {
			all[name] = value
		}
	}
	return all
}

func sortedNames(variables map[string]string) []string {
	var names []string
	for name := range variables {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// engine is podman or docker.
type engine struct {
	path string
	env  []string
}

func (e engine) name() string { return filepath.Base(e.path) }

// ask runs the client and returns what it prints.
func (e engine) ask(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, e.path, args...)
	cmd.Env, cmd.Dir = e.env, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil && ctx.Err() != nil {
		return "", ctx.Err()
	}
	if message := strings.TrimSpace(stderr.String()); err != nil && message != "" {
		err = errors.New(message[strings.LastIndexByte(message, '\n')+1:])
	}
	return strings.TrimSpace(string(out)), err
}

// ensure pulls an image that is not there.
func (e engine) ensure(ctx context.Context, image string) error {
	if _, err := e.ask(ctx, "image", "inspect", "--format", "{{.Id}}", image); err == nil {
		return nil
	}
	_, err := e.ask(ctx, "pull", "--quiet", image)
	return err
}

// exposedPort returns the lowest TCP port that an image says it listens on; 0 for none.
func (e engine) exposedPort(ctx context.Context, image string) int {
	text, err := e.ask(ctx, "image", "inspect", "--format", "{{json .Config.ExposedPorts}}", image)
	if err != nil {
		return 0
	}
	var exposed map[string]any
	if json.Unmarshal([]byte(text), &exposed) != nil {
		return 0
	}
	lowest := 0
	for name := range exposed {
		number, isTCP := strings.CutSuffix(name, "/tcp")
		if port, err := strconv.Atoi(number); err == nil && isTCP && (lowest == 0 || port < lowest) {
			lowest = port
		}
	}
	return lowest
}

// removal is the command that removes a container.
func (e engine) removal(name string) []string {
	if e.name() == "podman" {
		return []string{e.path, "rm", "--force", "--ignore", "--volumes", "--time", "0", name}
	}
	return []string{e.path, "rm", "--force", "--volumes", name}
}

// removeAbandoned removes containers of runners that were killed, together with the supervisor that would have done it.
func (e engine) removeAbandoned(ctx context.Context) {
	names, err := e.ask(ctx, "ps", "--all", "--filter", "label="+ownerLabel+"="+owner(), "--format", "{{.Names}}")
	if err != nil {
		return // what is wrong shows when the container is started
	}
	for name := range strings.Lines(names) {
		name = strings.TrimSpace(name)
		parts := strings.Split(name, "-") // runner-PID-RUN-SERVICE
		if len(parts) < 4 {
			continue
		}
		pid, err := strconv.Atoi(parts[1])
		if err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			removal := e.removal(name)
			_, _ = e.ask(ctx, removal[1:]...)
		}
	}
}

// containerName names a container by the process that it is for.
func containerName(runID, service string) string {
	return fmt.Sprintf("runner-%d-%s-%s", os.Getpid(), runID, service)
}

// owner identifies the pid namespace of this process, and the boot of the machine.
func owner() string {
	boot, bootErr := os.ReadFile("/proc/sys/kernel/random/boot_id")
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil || bootErr != nil {
		host, _ := os.Hostname()
		return host
	}
	return strings.TrimSpace(string(boot)) + "-" + strings.Trim(strings.TrimPrefix(namespace, "pid:"), "[]")
}
