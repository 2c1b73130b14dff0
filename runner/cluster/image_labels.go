package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/carlin-cicd/runner/runner/awsjson"
)

// The labels of an image. The runner's own image has the first two, which images that are built FROM it inherit.
const (
	titleLabel    = "org.opencontainers.image.title"
	versionLabel  = "org.opencontainers.image.version"
	revisionLabel = "org.opencontainers.image.revision"
	inputsLabel   = "com.carlin-cicd.inputs" // see steps.ImageInputs
)

// runnerTitle is the title of the runner's own image, and of what was built FROM it without a title of its own.
const runnerTitle = "carlin-cicd runner"

// manifestTypes are the forms of a manifest that are read.
var manifestTypes = []string{
	"application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json",
	"application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json",
}

// maxConfig bounds the configuration of an image, in bytes.
const maxConfig = 4 << 20

// imageLabels reads the labels of an image in ECR, without pulling it: the manifest names the configuration, which is a
// blob as layers are. Of several platforms it reads the first.
func imageLabels(
	ctx context.Context, registry *awsjson.Client, client *http.Client, repository, tag string,
) (map[string]string, error) {
	type manifest struct {
		Config    struct{ Digest string }
		Manifests []struct{ Digest string }
	}
	var m manifest
	for id := map[string]string{"imageTag": tag}; ; {
		var found struct {
			Images []struct{ ImageManifest string }
		}
		err := registry.Call(ctx, "BatchGetImage", map[string]any{
			"repositoryName": repository, "imageIds": []any{id}, "acceptedMediaTypes": manifestTypes,
		}, &found)
		if err != nil {
			return nil, err
		}
		if len(found.Images) == 0 {
			return nil, fmt.Errorf("ECR has no manifest of %s:%s", repository, tag)
		}
		m = manifest{}
		if err := json.Unmarshal([]byte(found.Images[0].ImageManifest), &m); err != nil {
			return nil, fmt.Errorf("the manifest of %s:%s cannot be read: %w", repository, tag, err)
		}
		if len(m.Manifests) == 0 || id["imageDigest"] != "" {
			break
		}
		id = map[string]string{"imageDigest": m.Manifests[0].Digest}
	}
	if m.Config.Digest == "" {
		return nil, errors.New("the manifest names no configuration")
	}
	var layer struct{ DownloadURL string }
	err := registry.Call(ctx, "GetDownloadUrlForLayer", map[string]any{
		"repositoryName": repository, "layerDigest": m.Config.Digest,
	}, &layer)
	if err != nil {
		return nil, err
	}
	return readConfig(ctx, client, layer.DownloadURL)
}

// readConfig reads the labels of a configuration.
func readConfig(ctx context.Context, client *http.Client, address string) (map[string]string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, errors.New("the address of the configuration is not valid")
	}
	response, err := client.Do(request)
	if err != nil {
		// The address is signed, and so is a secret.
		return nil, fmt.Errorf("the configuration of the image cannot be read from %s", awsjson.Host(address))
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the configuration of the image cannot be read: %s", response.Status)
	}
	var config struct {
		Config struct{ Labels map[string]string }
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxConfig)).Decode(&config); err != nil {
		return nil, fmt.Errorf("the configuration of the image is not valid: %w", err)
	}
	return config.Config.Labels, nil
}
