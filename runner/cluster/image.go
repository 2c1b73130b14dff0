package cluster

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/infra"
	"github.com/carlin-cicd/runner/runner/awsjson"
	"github.com/carlin-cicd/runner/runner/deploy/stack"
	"github.com/carlin-cicd/runner/steps"
)

// Image is the image of the steps, as it is built and pushed.
type Image struct {
	*Deployment
	Workspace string
	Tag       string
	Engine    string    // podman or docker; "" is whichever is there
	Remote    bool      // build it in the account, by CodeBuild
	Output    io.Writer // of the engine

	repository, architecture string
	commit                   string            // of the workspace; "" if it is not known
	inputs                   steps.ImageInputs // what the image is built from; nil if it is not known
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
		if err := i.readLabels(ctx, registry, pipeline.Outputs["RepositoryName"]); err != nil {
			i.note("its labels cannot be read: " + err.Error())
		}
	} else if err := i.build(ctx, registry, pipeline); err != nil {
		return err
	}
	return i.point(ctx, registry, pipeline)
}

// readLabels reads of which commit an image is that was there, and what it was built from.
func (i *Image) readLabels(ctx context.Context, registry *awsjson.Client, repository string) error {
	labels, err := imageLabels(ctx, registry, http.DefaultClient, repository, i.Tag)
	if err != nil {
		return err
	}
	i.commit = labels[revisionLabel]
	if text := labels[inputsLabel]; text != "" {
		i.inputs, err = steps.ParseImageInputs(text)
	}
	return err
}

// build builds and pushes the image, in the account if it is asked for or there is no engine here.
func (i *Image) build(ctx context.Context, registry *awsjson.Client, pipeline stack.Snapshot) (err error) {
	i.commit, _ = git(ctx, i.Workspace, "rev-parse", "HEAD") // without it the image has no such label
	if i.inputs, err = i.Settings.Image.Inputs(i.Workspace); err != nil {
		return &Error{
			Message: "what the image is built from cannot be read", Err: err, Advice: "correct image: below cluster: in runner.yaml",
		}
	}
	if i.Remote {
		return i.buildRemotely(ctx, pipeline)
	}
	engine, err := i.findEngine()
	switch {
	case err == nil:
		return i.buildAndPush(ctx, registry, engine)
	case i.Engine != "" || pipeline.Outputs["ImageProject"] == "":
		return err
	}
	i.note("there is neither podman nor docker on PATH, so the image is built in the account")
	return i.buildRemotely(ctx, pipeline)
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

// checkDockerfile refuses a workspace without one.
func (i *Image) checkDockerfile() error {
	dockerfile, _ := i.Settings.Image.Files()
	file := filepath.Join(i.Workspace, dockerfile)
	if _, err := os.Stat(file); err != nil {
		return &Error{
			Message: "there is no Dockerfile for the image of the steps: " + file,
			Advice:  "write one that begins with " + baseImage + infra.Version() + ", as image/README.md shows; or set image: below cluster:",
		}
	}
	return nil
}

// baseImage begins the first line of a Dockerfile, which ends with the version of a release.
const baseImage = "FROM ghcr.io/carlin-cicd/runner-base:"

func (i *Image) buildAndPush(ctx context.Context, registry *awsjson.Client, engine string) error {
	if err := i.checkDockerfile(); err != nil {
		return err
	}
	settings := i.Settings.Image
	dockerfile, folder := settings.Files()
	reference := i.repository + ":" + i.Tag
	build := []string{
		"build", "--file", filepath.Join(i.Workspace, dockerfile), "--platform", "linux/" + i.architecture, "--tag", reference,
		"--label", inputsLabel + "=" + i.inputs.String(),
	}
	if i.commit != "" {
		build = append(build, "--label", revisionLabel+"="+i.commit)
	}
	if settings.Target != "" {
		build = append(build, "--target", settings.Target)
	}
	i.note("building " + reference + " by " + engine)
	if err := i.run(ctx, nil, engine, append(build, filepath.Join(i.Workspace, folder))...); err != nil {
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
		Advice: "install one of them, build the image in the account: --remote, or push one from elsewhere and name it: " +
			"--image-tag TAG",
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

// TagOf is the tag of the image of a workspace: its commit. A workspace with changes has another one each time.
func TagOf(ctx context.Context, workspace string, now time.Time) (tag string, changed bool, err error) {
	commit, err := git(ctx, workspace, "rev-parse", "HEAD")
	if err != nil {
		return "", false, &Error{Message: "the commit is not known", Advice: "run the command in a checkout, or set --image-tag TAG"}
	}
	status, err := git(ctx, workspace, "status", "--porcelain")
	if err == nil && status == "" {
		return commit, false, nil
	}
	return commit + "-" + now.UTC().Format("20060102150405"), true, nil
}

func git(ctx context.Context, workspace string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", append([]string{"-C", workspace}, args...)...).Output()
	return strings.TrimSpace(string(out)), err
}
