package steps

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func write(t *testing.T, folder string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		name = filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// What is declared changes the image, and nothing else does: a build of the image takes minutes.
func TestAnImageIsMadeOfWhatIsDeclared(t *testing.T) {
	image := ClusterImage{Further: []string{"tools/**/*.sh"}}
	workspace := map[string]string{
		"Dockerfile": "FROM a", ".dockerignore": "node_modules", "pnpm-lock.yaml": "1", "tools/a/b.sh": "1", "src/a.ts": "1",
		"package.json": `{"version": "1", "packageManager": "pnpm@10.1.0"}`,
	}
	inputs := func(change map[string]string, image ClusterImage) ImageInputs {
		folder := t.TempDir()
		write(t, folder, workspace)
		write(t, folder, change)
		i, err := image.Inputs(folder)
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	before := inputs(nil, image)
	for change, want := range map[string][]string{
		"Dockerfile": {"Dockerfile"}, ".dockerignore": {".dockerignore"}, "Dockerfile.dockerignore": {"Dockerfile.dockerignore"},
		"pnpm-lock.yaml": {"pnpm-lock.yaml"}, "package-lock.json": {"package-lock.json"}, "pnpm-workspace.yaml": {"pnpm-workspace.yaml"},
		".npmrc": {".npmrc"}, "tools/a/b.sh": {"tools/a/b.sh"}, "tools/c.sh": {"tools/c.sh"}, "src/a.ts": nil, "README.md": nil,
	} {
		if got := before.Differs(inputs(map[string]string{change: "2"}, image)); !slices.Equal(got, want) {
			t.Errorf("a change of %s: %q", change, got)
		}
	}
	for text, want := range map[string][]string{
		`{"version": "2", "packageManager": "pnpm@10.1.0"}`:                              nil,
		`{"version": "1", "packageManager": "pnpm@10.2.0"}`:                              {"packageManager in package.json"},
		`{"packageManager": "pnpm@10.1.0", "engines": {"node": "24"}}`:                   {"engines in package.json"},
		`{"packageManager": "pnpm@10.1.0", "devEngines": {"runtime": {"name": "node"}}}`: {"devEngines in package.json"},
		`{`: {"packageManager in package.json"},
	} {
		if got := before.Differs(inputs(map[string]string{"package.json": text}, image)); !slices.Equal(got, want) {
			t.Errorf("%s: %q", text, got)
		}
	}
	other := image
	other.Target = "ci"
	if got := before.Differs(inputs(nil, other)); !slices.Equal(got, []string{"image: in runner.yaml"}) {
		t.Errorf("another stage: %q", got)
	}
	if got := inputs(nil, ClusterImage{Dockerfile: "ci/Dockerfile"}); got != nil {
		t.Errorf("without a Dockerfile: %v", got)
	}
	again, err := ParseImageInputs(before.String())
	if err != nil || len(before.Differs(again)) > 0 || before.String() != again.String() {
		t.Errorf("%s is read as %s: %v", before, again, err)
	}
}
