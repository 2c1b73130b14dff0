package cluster

import (
	"context"
	"fmt"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/awsjson"
)

// checkImageItem compares the tag that moves with what the pipeline has noted of it.
func (i *Inspection) checkImageItem(ctx context.Context) ([]artifacts.Finding, error) {
	if i.values["ImageTag"] != CurrentTag {
		return []artifacts.Finding{ok("the image is pinned: the pipeline does not rebuild it")}, nil
	}
	var noted struct {
		Item struct{ Inputs, Digest, Tag struct{ S string } }
	}
	err := i.call(ctx, tableService, "GetItem", map[string]any{
		"TableName": i.out("TableName"), "Key": map[string]any{"id": map[string]string{"S": imageItem}},
	}, &noted)
	if err != nil {
		return nil, err
	}
	if noted.Item.Inputs.S == "" {
		return []artifacts.Finding{warning(
			"what the image was built from is not known, so that the pipeline does not rebuild it", "runner cluster image builds one of which it is",
		)}, nil
	}
	var found struct {
		Images []struct{ ImageID struct{ ImageDigest string } }
	}
	err = i.call(ctx, ecrService, "BatchGetImage", map[string]any{
		"repositoryName": i.out("RepositoryName"), "imageIds": []map[string]string{{"imageTag": CurrentTag}},
	}, &found)
	switch {
	case awsjson.HasCode(err, "RepositoryNotFoundException") || err == nil && len(found.Images) == 0:
		return nil, nil // which the check of the image says
	case err != nil:
		return nil, err
	}
	if have := found.Images[0].ImageID.ImageDigest; have != noted.Item.Digest.S {
		return []artifacts.Finding{warning(
			fmt.Sprintf("the tag %s was moved to %s by other means than the pipeline and runner cluster image", CurrentTag, have),
			"look who may push to the repository; runner cluster image moves it to an image of this workspace",
		)}, nil
	}
	return []artifacts.Finding{ok("the pipeline rebuilds the image: %s is that of %s", CurrentTag, noted.Item.Tag.S)}, nil
}
