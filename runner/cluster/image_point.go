package cluster

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/awsjson"
	"github.com/carlin-cicd/runner/runner/deploy/stack"
)

// CurrentTag is the one tag that moves: to the image that the pipeline keeps up to date. All others are commits.
const CurrentTag = "current"

// imageItem is the item of the pipeline's table that says what the image was built from.
const imageItem = "image"

// moves reports whether the steps run the tag that moves. In China no tag can be excepted from being immutable.
func (i *Image) moves(pipeline stack.Snapshot) bool {
	return !i.Settings.Image.Pinned && pipeline.Outputs["ImageProject"] != "" && !strings.HasPrefix(i.Account.Region, "cn-")
}

// point lets every step run the image: the moving tag is moved to it, and stacks that name another tag are updated with
// nothing but that.
func (i *Image) point(ctx context.Context, registry *awsjson.Client, pipeline stack.Snapshot) error {
	tag := i.Tag
	if i.moves(pipeline) {
		tag = CurrentTag
		digest, err := i.move(ctx, registry, pipeline.Outputs["RepositoryName"])
		if err != nil {
			return err
		}
		if err := i.keepInputs(ctx, pipeline.Outputs["TableName"], digest); err != nil {
			return err
		}
	}
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
		if current.Missing() || valuesOf(current)["ImageTag"] == tag {
			continue
		}
		if err := i.pointStack(ctx, name, tag, current); err != nil {
			return err
		}
	}
	return nil
}

func (i *Image) pointStack(ctx context.Context, name, tag string, current stack.Snapshot) error {
	if problem, advice := current.Blocked(name); problem != "" {
		return &Error{Message: fmt.Sprintf("stack %s cannot be updated: %s", name, problem), Advice: advice}
	}
	all := &Template{Parameters: map[string]Parameter{}}
	for _, p := range current.Parameters {
		all.Parameters[p.Key] = Parameter{}
	}
	r := request{
		name: name, previous: true, role: current.RoleARN,
		parameters: parametersOf(all, map[string]string{"ImageTag": tag}, current),
	}
	change, err := i.Account.changes(ctx, r, time.Now())
	if err != nil || change == nil {
		return err
	}
	i.note(fmt.Sprintf("updating stack %s: ImageTag %s", name, tag))
	return i.Account.execute(ctx, name, change, func(e stack.Event) { i.note(eventLine(name, e)) })
}

// manifest is an image in ECR.
type manifest struct {
	ImageID                               struct{ ImageDigest string }
	ImageManifest, ImageManifestMediaType string
}

// manifestOf returns the image that a tag is of; nil if there is none.
func manifestOf(ctx context.Context, registry *awsjson.Client, repository, tag string) (*manifest, error) {
	var found struct{ Images []manifest }
	err := registry.Call(ctx, "BatchGetImage", map[string]any{
		"repositoryName": repository, "imageIds": []map[string]string{{"imageTag": tag}}, "acceptedMediaTypes": manifestTypes,
	}, &found)
	if err != nil && !awsjson.HasCode(err, "ImageNotFoundException") {
		return nil, requestError(ctx, "ecr:BatchGetImage", repository, err)
	}
	if len(found.Images) == 0 {
		return nil, nil
	}
	return &found.Images[0], nil
}

// move moves the tag to the image, unless it is there, and returns the image's digest.
func (i *Image) move(ctx context.Context, registry *awsjson.Client, repository string) (digest string, err error) {
	image, err := manifestOf(ctx, registry, repository, i.Tag)
	if err != nil {
		return "", err
	}
	if image == nil {
		return "", &Error{
			Message: fmt.Sprintf("%s has no image with the tag %s, although it was pushed", repository, i.Tag),
			Advice:  "look at it in the console of ECR, and run the command again",
		}
	}
	if before, err := manifestOf(ctx, registry, repository, CurrentTag); err != nil {
		return "", err
	} else if before != nil && before.ImageID.ImageDigest == image.ImageID.ImageDigest {
		return image.ImageID.ImageDigest, nil
	}
	err = registry.Call(ctx, "PutImage", map[string]any{
		"repositoryName": repository, "imageTag": CurrentTag, "imageManifest": image.ImageManifest,
		"imageManifestMediaType": image.ImageManifestMediaType, "imageDigest": image.ImageID.ImageDigest,
	}, nil)
	switch {
	case awsjson.HasCode(err, "ImageAlreadyExistsException"): // the tag is where it should be
		return image.ImageID.ImageDigest, nil
	case awsjson.HasCode(err, "ImageTagAlreadyExistsException"):
		return "", &Error{
			Message: "the tag " + CurrentTag + " in " + repository + " cannot be moved, as its tags are immutable", Err: err,
			Advice: "runner cluster upgrade excepts it; in a repository of your own use aws ecr put-image-tag-mutability, " +
				"or set pinned: true below image:",
		}
	case err != nil:
		return "", requestError(ctx, "ecr:PutImage", repository, err)
	}
	i.note(fmt.Sprintf("%s:%s is %s now", i.repository, CurrentTag, i.Tag))
	return image.ImageID.ImageDigest, nil
}

// keepInputs notes what the image was built from, which the first task of the main branch compares with its commit. If
// it is not known nothing is compared, and the image stays.
func (i *Image) keepInputs(ctx context.Context, table, digest string) error {
	client, err := awsjson.New(ctx, i.Account.config, tableService)
	if err != nil {
		return err
	}
	item := map[string]map[string]string{"id": {"S": imageItem}}
	for name, value := range map[string]string{
		"sha": i.commit, "tag": i.Tag, "digest": digest, "at": time.Now().UTC().Format(time.RFC3339),
	} {
		if value != "" {
			item[name] = map[string]string{"S": value}
		}
	}
	if i.inputs != nil {
		item["inputs"] = map[string]string{"S": i.inputs.String()}
	}
	var before struct{ Item map[string]struct{ S string } }
	err = client.Call(ctx, "GetItem", map[string]any{
		"TableName": table, "ConsistentRead": true, "Key": map[string]any{"id": item["id"]},
	}, &before)
	if err == nil && before.Item["digest"].S == digest && before.Item["inputs"].S == item["inputs"]["S"] {
		return nil
	}
	if i.inputs == nil {
		i.note("what the image was built from is not known, so that the pipeline does not rebuild it " +
			"until runner cluster image has built one")
	}
	if err := client.Call(ctx, "PutItem", map[string]any{"TableName": table, "Item": item}, nil); err != nil {
		return requestError(ctx, "dynamodb:PutItem", table, err)
	}
	return nil
}
