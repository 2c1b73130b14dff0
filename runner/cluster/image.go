package cluster

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/awsjson"
	"github.com/carlin-cicd/runner/runner/deploy/stack"
)

// Image is the image of the steps, as it is built and pushed.
type Image struct {
	*Deployment
	Workspace string
	Tag       string
	Engine    string    // podman or docker; "" is whichever is there
	Output    io.Writer // of the engine

	repository, architecture string
}

// engines are the programs that build images, in the order in which they are looked for.
var engines = []string{"podman", "docker"}

// Publish builds the image and pushes it, unless the repository has the tag already: a tag means the same image forever.
// Then every step runs it.
func (i *Image) Publish(ctx context.Context) error {
	pipeline, err := i.Account.stack(i.Settings.Stack).Snapshot(ctx)
	switch {
	case err != nil:
		return err
	case pipeline.Missing():
		return &Error{Message: "there is no stack " + i.Settings.Stack + " in " + i.Account.Region, Advice: "runner cluster deploy makes it"}
	}
	i.repository = pipeline.Outputs["RepositoryUri"]
	i.architecture = map[string]string{"ARM64": "arm64"}[pipeline.Outputs["Architecture"]]
	i.architecture = cmp.Or(i.architecture, "amd64")
	registry, err := awsjson.New(ctx, i.Account.config, ecrService)
	if err != nil {
		return err
	}
	there, err := i.isPushed(ctx, registry, pipeline.Outputs["RepositoryName"])
	if err != nil {
		return err
	}
	if there {
		i.note(fmt.Sprintf("%s:%s is there already", i.repository, i.Tag))
	} else if err := i.buildAndPush(ctx, registry); err != nil {
		return err
	}
	return i.point(ctx)
}

// isPushed reports whether the repository has the tag.
func (i *Image) isPushed(ctx context.Context, registry *awsjson.Client, repository string) (bool, error) {
	var images struct{ ImageDetails []struct{} }
	err := registry.Call(ctx, "DescribeImages", map[string]any{
		"repositoryName": repository, "imageIds": []map[string]string{{"imageTag": i.Tag}},
	}, &images)
	switch {
	case awsjson.HasCode(err, "ImageNotFoundException"):
		return false, nil
	case err != nil:
		return false, requestError(ctx, "ecr:DescribeImages", repository, err)
	}
	return len(images.ImageDetails) > 0, nil
}

func (i *Image) buildAndPush(ctx context.Context, registry *awsjson.Client) error {
	engine, err := i.findEngine()
	if err != nil {
		return err
	}
	settings := i.Settings.Image
	file := filepath.Join(i.Workspace, cmp.Or(settings.Dockerfile, "Dockerfile"))
	if _, err := os.Stat(file); err != nil {
		return &Error{
			Message: "there is no Dockerfile for the image of the steps: " + file,
			Advice:  "write one that begins with FROM and the runner's image, as image/README.md shows; or set image: below cluster:",
		}
	}
	reference := i.repository + ":" + i.Tag
	build := []string{"build", "--file", file, "--platform", "linux/" + i.architecture, "--tag", reference}
	if settings.Target != "" {
		build = append(build, "--target", settings.Target)
	}
	i.note("building " + reference + " by " + engine)
	if err := i.run(ctx, nil, engine, append(build, filepath.Join(i.Workspace, settings.Context))...); err != nil {
		return &Error{Message: engine + " could not build the image", Err: err, Advice: "mend what it printed, and run the command again"}
	}
	login, err := logIn(ctx, registry)
	if err != nil {
		return err
	}
	defer login.remove()
	i.note("pushing " + reference)
	push, environ := login.push(ctx, engine, reference)
	if err := i.run(ctx, environ, engine, push...); err != nil {
		return &Error{Message: engine + " could not push the image", Err: err, Advice: "check that the network lets it reach the registry, and run the command again"}
	}
	return nil
}

// findEngine returns the program that builds images.
func (i *Image) findEngine() (string, error) {
	for _, engine := range engines {
		if i.Engine != "" && i.Engine != engine {
			continue
		}
		if _, err := exec.LookPath(engine); err == nil {
			return engine, nil
		}
	}
	return "", &Error{
		Message: "there is neither podman nor docker on PATH",
		Advice:  "install one of them, or build and push the image elsewhere and name it: --image-tag TAG",
	}
}

func (i *Image) run(ctx context.Context, environ []string, name string, args ...string) error {
	command := exec.CommandContext(ctx, name, args...)
	command.Stdout, command.Stderr = i.Output, i.Output
	command.Env = append(os.Environ(), environ...)
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 10 * time.Second
	return command.Run()
}

// login are credentials for a registry, in a file that only this user may read.
type login struct{ folder string }

// logIn gets credentials for the registry, which are valid for twelve hours.
func logIn(ctx context.Context, registry *awsjson.Client) (*login, error) {
	var answer struct {
		AuthorizationData []struct{ AuthorizationToken, ProxyEndpoint string }
	}
	if err := registry.Call(ctx, "GetAuthorizationToken", map[string]any{}, &answer); err != nil {
		return nil, requestError(ctx, "ecr:GetAuthorizationToken", "the registry", err)
	}
	type auth struct {
		Auth string `json:"auth"`
	}
	auths := map[string]auth{}
	for _, a := range answer.AuthorizationData {
		if _, err := base64.StdEncoding.DecodeString(a.AuthorizationToken); err != nil {
			return nil, &Error{Message: "the registry's token cannot be read", Advice: "run the command again"}
		}
		auths[strings.TrimPrefix(a.ProxyEndpoint, "https://")] = auth{a.AuthorizationToken}
	}
	text, err := json.Marshal(map[string]any{"auths": auths})
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "runner-login-*") // for this user only
	if err != nil {
		return nil, err
	}
	l := &login{folder}
	if err := os.WriteFile(l.file(), text, 0o600); err != nil {
		l.remove()
		return nil, err
	}
	return l, nil
}

func (l *login) file() string { return filepath.Join(l.folder, "config.json") }

func (l *login) remove() { _ = os.RemoveAll(l.folder) }

// push returns the arguments and the variables by which an engine pushes with the login, and not with the user's own.
func (l *login) push(ctx context.Context, engine, reference string) (args, environ []string) {
	if engine == "podman" {
		return []string{"push", "--authfile", l.file(), reference}, nil
	}
	// The user's configuration also says where the daemon is.
	if os.Getenv("DOCKER_HOST") == "" {
		host, err := exec.CommandContext(ctx, engine, "context", "inspect", "--format", "{{.Endpoints.docker.Host}}").Output()
		if err == nil {
			environ = append(environ, "DOCKER_HOST="+strings.TrimSpace(string(host)))
		}
	}
	return []string{"--config", l.folder, "push", reference}, environ
}

// point lets every step run the image: the stacks are updated with nothing but another tag.
func (i *Image) point(ctx context.Context) error {
	names := []string{i.Settings.Stack}
	for _, e := range i.Settings.Environments {
		names = append(names, i.Settings.EnvironmentStack(e.Name))
	}
	for _, name := range names {
		s := i.Account.stack(name)
		if _, err := s.WaitUntilIdle(ctx, func(stack.State) { i.note("waiting for stack " + name) }); err != nil {
			return err
		}
		current, err := s.Snapshot(ctx)
		if err != nil {
			return err
		}
		if current.Missing() || valuesOf(current)["ImageTag"] == i.Tag {
			continue
		}
		if err := i.pointStack(ctx, name, current); err != nil {
			return err
		}
	}
	return nil
}

func (i *Image) pointStack(ctx context.Context, name string, current stack.Snapshot) error {
	if problem, advice := current.Blocked(name); problem != "" {
		return &Error{Message: fmt.Sprintf("stack %s cannot be updated: %s", name, problem), Advice: advice}
	}
	all := &Template{Parameters: map[string]Parameter{}}
	for _, p := range current.Parameters {
		all.Parameters[p.Key] = Parameter{}
	}
	r := request{
		name: name, previous: true, role: current.RoleARN,
		parameters: parametersOf(all, map[string]string{"ImageTag": i.Tag}, current),
	}
	change, err := i.Account.changes(ctx, r, time.Now())
	if err != nil || change == nil {
		return err
	}
	i.note(fmt.Sprintf("updating stack %s: ImageTag %s", name, i.Tag))
	return i.Account.execute(ctx, name, change, func(e stack.Event) { i.note(eventLine(name, e)) })
}

// TagOf is the tag of the image of a workspace: its commit. A workspace with changes has another one each time.
func TagOf(ctx context.Context, workspace string, now time.Time) (tag string, changed bool, err error) {
	git := func(args ...string) (string, error) {
		out, err := exec.CommandContext(ctx, "git", append([]string{"-C", workspace}, args...)...).Output()
		return strings.TrimSpace(string(out)), err
	}
	commit, err := git("rev-parse", "HEAD")
	if err != nil {
		return "", false, &Error{Message: "the commit is not known", Advice: "run the command in a checkout, or set --image-tag TAG"}
	}
	status, err := git("status", "--porcelain")
	if err == nil && status == "" {
		return commit, false, nil
	}
	return commit + "-" + now.UTC().Format("20060102150405"), true, nil
}
