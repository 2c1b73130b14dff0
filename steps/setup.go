package steps

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Setup installs the dependencies of a commit if they differ from those that are installed in the workspace.
type Setup struct {
	Command Command // zero for none
	Origin  string  // "built-in", or "runner.yaml:3"
}

// lockfiles pin the dependencies of a commit.
var lockfiles = []string{
	"pnpm-lock.yaml", "package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "bun.lock",
	"go.sum", "poetry.lock", "uv.lock", "Pipfile.lock", "requirements.txt", "Gemfile.lock", "Cargo.lock", "composer.lock",
}

// defaultSetup installs what the lockfile pins, from local caches first.
func defaultSetup(workspace string) Setup {
	has := func(name string) bool {
		_, err := os.Stat(filepath.Join(workspace, name))
		return err == nil
	}
	line := ""
	switch {
	case has("pnpm-lock.yaml"):
		line = "pnpm install --frozen-lockfile --prefer-offline"
	case has("package-lock.json") || has("npm-shrinkwrap.json"):
		line = "npm ci --prefer-offline --no-audit --no-fund"
	case has("yarn.lock") && has(".yarnrc.yml"): // yarn 2 and later
		line = "yarn install --immutable"
	case has("yarn.lock"):
		line = "yarn install --frozen-lockfile --prefer-offline"
	}
	return Setup{Command: Command{Line: line}, Origin: FromBuiltIn}
}

// Lockfiles returns the SHA-256 of the lockfiles in folders of a workspace, by their path in it.
func Lockfiles(workspace string, folders ...string) (map[string]string, error) {
	found := map[string]string{}
	for _, folder := range folders {
		for _, name := range lockfiles {
			path := filepath.Join(folder, name)
			text, err := os.ReadFile(filepath.Join(workspace, path))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			sum := sha256.Sum256(text)
			found[filepath.ToSlash(path)] = hex.EncodeToString(sum[:])
		}
	}
	return found, nil
}

// LockfileDigest is a digest of the lockfiles at the top of a workspace, "" if there are none. Workspaces with the same
// digest need the same dependencies.
func LockfileDigest(workspace string) (string, error) {
	sum := sha256.New()
	found := false
	for _, name := range lockfiles {
		text, err := os.ReadFile(filepath.Join(workspace, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		found = true
		fmt.Fprintf(sum, "%s %d\n", name, len(text))
		sum.Write(text)
	}
	if !found {
		return "", nil
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
