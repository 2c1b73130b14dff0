package cluster

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/awsjson"
	"github.com/carlin-cicd/runner/runner/cause"
	"github.com/carlin-cicd/runner/runner/deploy/stack"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/units"
)

// The services that build an image in the account.
var (
	codeBuild  = awsjson.Service{Name: "codebuild", ID: "CodeBuild", Target: "CodeBuild_20161006"}
	logService = awsjson.Service{Name: "logs", ID: "CloudWatch Logs", Target: "Logs_20140328"}
)

// imageSources is the folder of the bucket from which images are built. Its objects expire after a day.
const imageSources = "image-sources"

// build is a build of CodeBuild, as far as it is read.
type build struct {
	ID           string
	BuildStatus  string
	CurrentPhase string
	Phases       []struct {
		PhaseType, PhaseStatus string
		Contexts               []struct{ StatusCode, Message string }
	}
	Logs struct{ GroupName, StreamName, DeepLink string }
}

// remoteBuild follows a build in the account.
type remoteBuild struct {
	*Image
	builds, logs *awsjson.Client
	id           string
	phase        string
	token        string
	watch        cause.Watch
	tail         []string
	lines        int
}

// buildRemotely builds and pushes the image by CodeBuild: the context goes into the bucket, the log is printed.
func (i *Image) buildRemotely(ctx context.Context, pipeline stack.Snapshot) error {
	project, bucket := pipeline.Outputs["ImageProject"], pipeline.Outputs["ArtifactBucket"]
	if project == "" {
		return &Error{
			Message: "stack " + i.Settings.Stack + " has no project of CodeBuild yet",
			Advice:  "runner cluster upgrade makes it; it costs nothing while it does not build",
		}
	}
	if err := i.checkDockerfile(); err != nil {
		return err
	}
	source, err := i.uploadContext(ctx, bucket)
	if err != nil {
		return err
	}
	b := &remoteBuild{Image: i}
	if b.builds, err = awsjson.New(ctx, i.Account.config, codeBuild); err != nil {
		return err
	}
	if b.logs, err = awsjson.New(ctx, i.Account.config, logService); err != nil {
		return err
	}
	if err := b.start(ctx, project, source); err != nil {
		return err
	}
	return b.follow(ctx)
}

// uploadContext stores the context in the bucket and returns its key.
func (i *Image) uploadContext(ctx context.Context, bucket string) (string, error) {
	file, err := os.CreateTemp("", "runner-context-*.tar.gz") // for this user only
	if err != nil {
		return "", err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	private, err := archiveContext(file, i.Workspace, i.Settings.Image)
	if err != nil {
		return "", &Error{
			Message: "the context of the image cannot be read", Err: err, Advice: "correct it, or leave it out by .dockerignore",
		}
	}
	size, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return "", err
	}
	if len(private) > 0 {
		const shown = 5
		i.note("the context has files that may hold secrets: " + strings.Join(private[:min(len(private), shown)], ", ") + "; leave them out by .dockerignore")
	}
	i.note(fmt.Sprintf("uploading the context, %s, to %s/%s", units.Size(size), bucket, imageSources))
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	return i.Account.upload(ctx, bucket, imageSources, ".tar.gz", file)
}

// start starts the build.
func (b *remoteBuild) start(ctx context.Context, project, source string) error {
	dockerfile, folder := b.Settings.Image.Files()
	type variable struct {
		Name  string `json:"name"`
		Value string `json:"value"`
		Type  string `json:"type"`
	}
	var variables []variable
	for _, v := range [][2]string{
		{"SOURCE", source},
		{"TAG", b.Tag},
		{"COMMIT", b.commit},
		{"INPUTS", b.inputs.String()},
		{"DOCKERFILE", dockerfile},
		{"CONTEXT", folder},
		{"TARGET", b.Settings.Image.Target},
	} {
		variables = append(variables, variable{v[0], v[1], "PLAINTEXT"})
	}
	var started struct{ Build build }
	err := b.builds.Call(ctx, "StartBuild", map[string]any{
		"projectName": project, "environmentVariablesOverride": variables,
	}, &started)
	switch {
	case awsjson.HasCode(err, "ResourceNotFoundException"):
		return &Error{Message: "there is no project " + project, Err: err, Advice: "runner cluster upgrade makes it"}
	case awsjson.HasCode(err, "AccountLimitExceededException"):
		return &Error{
			Message: "CodeBuild takes no more builds", Err: err,
			Advice: "wait for others; a new account may have none: ask for more of \"Concurrently running builds\" " +
				"in Service Quotas",
		}
	case err != nil:
		return requestError(ctx, "codebuild:StartBuild", project, err)
	}
	b.id = started.Build.ID
	b.note("building " + b.repository + ":" + b.Tag + " in the account: build " + b.id)
	return nil
}

// follow prints the log of the build until it has ended. If ctx ends, it stops the build.
func (b *remoteBuild) follow(ctx context.Context) error {
	for {
		var answer struct{ Builds []build }
		err := b.builds.Call(ctx, "BatchGetBuilds", map[string]any{"ids": []string{b.id}}, &answer)
		switch {
		case ctx.Err() != nil:
			return b.stop(ctx)
		case err != nil:
			return requestError(ctx, "codebuild:BatchGetBuilds", b.id, err)
		case len(answer.Builds) == 0:
			return &Error{Message: "there is no build " + b.id + " any more", Advice: "run the command again"}
		}
		now := answer.Builds[0]
		if b.phase != now.CurrentPhase && now.CurrentPhase != "" {
			b.phase = now.CurrentPhase
			b.note("build " + strings.ToLower(strings.ReplaceAll(b.phase, "_", " ")))
		}
		over := now.BuildStatus != "" && now.BuildStatus != "IN_PROGRESS"
		if err := b.read(ctx, now, over); err != nil {
			return err
		}
		if over {
			return b.conclude(now)
		}
		if b.Account.pause(ctx) != nil {
			return b.stop(ctx)
		}
	}
}

// lag is how often the log of a build that has ended is read once more: CloudWatch lags.
const lag = 3

// read prints what is new in the log.
func (b *remoteBuild) read(ctx context.Context, now build, over bool) error {
	if now.Logs.StreamName == "" {
		return nil
	}
	for left := lag; ; {
		input := map[string]any{"logGroupName": now.Logs.GroupName, "logStreamName": now.Logs.StreamName, "startFromHead": true}
		if b.token != "" {
			input["nextToken"] = b.token
		}
		var page struct {
			Events           []struct{ Message string }
			NextForwardToken string
		}
		err := b.logs.Call(ctx, "GetLogEvents", input, &page)
		switch {
		case awsjson.HasCode(err, "ResourceNotFoundException"):
			return nil // nothing has been written
		case err != nil && ctx.Err() == nil:
			b.note("the log cannot be read: " + err.Error() + ": allow logs:GetLogEvents, or read " + now.Logs.DeepLink)
			return nil
		case err != nil:
			return nil // follow stops the build
		}
		for _, event := range page.Events {
			b.line(event.Message)
		}
		if page.NextForwardToken != b.token && len(page.Events) > 0 {
			b.token = page.NextForwardToken
			continue
		}
		b.token = cmp.Or(page.NextForwardToken, b.token)
		if left--; !over || left == 0 || b.Account.pause(ctx) != nil {
			return nil
		}
	}
}

// kitPrefix is what BuildKit prints before each line of a command: the number of the step, and seconds.
var kitPrefix = regexp.MustCompile(`^#\d+ (\d+\.\d+ )?`)

// tailLines is how much of the log the cause of a failure is looked for in.
const tailLines = 2000

func (b *remoteBuild) line(text string) {
	text = strings.TrimRight(text, "\r\n")
	fmt.Fprintln(b.Output, text)
	text = kitPrefix.ReplaceAllString(text, "")
	_, _ = b.watch.Write([]byte(text + "\n"))
	b.lines++
	if b.tail = append(b.tail, text); len(b.tail) > tailLines {
		b.tail = b.tail[1:]
	}
}

// conclude returns why the build did not succeed.
func (b *remoteBuild) conclude(now build) error {
	if now.BuildStatus == "SUCCEEDED" {
		return nil
	}
	e := &Error{
		Message: "the image could not be built: " + b.id + " is " + now.BuildStatus,
		Advice:  "correct what the log says, and run the command again",
	}
	for _, phase := range now.Phases {
		if phase.PhaseStatus == "" || phase.PhaseStatus == "SUCCEEDED" {
			continue
		}
		e.Message += " in " + phase.PhaseType
		for _, c := range phase.Contexts {
			if c.Message != "" && phase.PhaseType != "BUILD" { // there the log says more
				e.Message += ": " + c.Message
			}
		}
		break
	}
	if now.BuildStatus == "FAILED" && len(b.tail) > 0 {
		output := b.watch.End([]byte(strings.Join(b.tail, "\n")), b.lines-len(b.tail)+1, 0, true)
		why := cause.Of(cause.Failure{Reason: record.Failure, ExitCode: 1, Output: &output})
		e.Message += ": " + why.Summary
		e.Advice = cmp.Or(why.Hint, e.Advice)
	}
	if now.Logs.DeepLink != "" {
		e.Advice += "; the log: " + now.Logs.DeepLink
	}
	return e
}

// stop stops the build that is no longer waited for.
func (b *remoteBuild) stop(ctx context.Context) error {
	cause := context.Cause(ctx)
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := b.builds.Call(late, "StopBuild", map[string]any{"id": b.id}, nil); err != nil {
		b.note("build " + b.id + " could not be stopped: " + err.Error())
		return cause
	}
	b.note("build " + b.id + " was stopped")
	return cause
}
