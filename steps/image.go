package steps

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// ImageInputs are what the image of the steps is made of, as far as it is declared: digests, by a name for people, which
// is a path in the workspace or "packageManager in package.json".
type ImageInputs map[string]string

// inputDigest is how many digits of a digest are kept: all of them together are a variable of a task.
const inputDigest = 16

// Files returns the Dockerfile and the folder of its context, relative to the workspace.
func (i ClusterImage) Files() (dockerfile, context string) {
	return cmp.Or(i.Dockerfile, "Dockerfile"), cmp.Or(i.Context, ".")
}

// Inputs reads what an image would be made of: the Dockerfile, .dockerignore, the lockfiles and what pins tools in its
// context, further files of inputs:, and the settings themselves. Without a Dockerfile it is nil.
func (i ClusterImage) Inputs(workspace string) (ImageInputs, error) {
	dockerfile, folder := i.Files()
	names := []string{dockerfile, dockerfile + ".dockerignore", path.Join(folder, ".dockerignore")}
	for _, name := range append(slices.Clone(lockfiles), "pnpm-workspace.yaml", ".npmrc", ".node-version", ".nvmrc") {
		names = append(names, path.Join(folder, name))
	}
	for _, pattern := range i.Further {
		found, err := doublestar.Glob(os.DirFS(workspace), pattern, doublestar.WithFilesOnly())
		if err != nil {
			return nil, fmt.Errorf("inputs: %q: %w", pattern, err)
		}
		names = append(names, found...)
	}
	inputs := ImageInputs{}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(workspace, filepath.FromSlash(name)))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, err
		}
		inputs[path.Clean(name)] = digestOf(text)
	}
	if inputs[path.Clean(dockerfile)] == "" {
		return nil, nil
	}
	if err := inputs.readManifest(workspace, path.Join(folder, "package.json")); err != nil {
		return nil, err
	}
	if i.Target != "" || folder != "." || dockerfile != "Dockerfile" {
		inputs["image: in runner.yaml"] = digestOf([]byte(strings.Join([]string{dockerfile, folder, i.Target}, "\n")))
	}
	return inputs, nil
}

// readManifest adds what pins the versions of tools in package.json, whose other lines change often.
func (i ImageInputs) readManifest(workspace, name string) error {
	text, err := os.ReadFile(filepath.Join(workspace, filepath.FromSlash(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var manifest map[string]json.RawMessage
	if json.Unmarshal(text, &manifest) != nil {
		return nil // the image's build reports it better
	}
	for _, key := range []string{"packageManager", "devEngines", "engines"} {
		if pinned, ok := manifest[key]; ok {
			i[key+" in "+name] = digestOf(pinned)
		}
	}
	return nil
}

func digestOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])[:inputDigest]
}

// String is one line of JSON, the same for the same inputs.
func (i ImageInputs) String() string {
	text, _ := json.Marshal(map[string]string(i)) // strings can be encoded
	return string(text)
}

// ParseImageInputs reads what String has written.
func ParseImageInputs(text string) (ImageInputs, error) {
	var i ImageInputs
	err := json.Unmarshal([]byte(text), &i)
	return i, err
}

// Differs returns the names of what is not the same in both, sorted.
func (i ImageInputs) Differs(other ImageInputs) []string {
	all := maps.Clone(i)
	maps.Copy(all, other)
	var names []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if i[name] != other[name] {
			names = append(names, name)
		}
	}
	return names
}
