package carlin

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWhichCommandsDeployTheStackWithCarlin(t *testing.T) {
	dir := t.TempDir()
	scripts := `{"scripts": {"build": "tsc", "deploy": "carlin deploy --environment $ENVIRONMENT", "release": "pnpm run build && pnpm run deploy", "layer": "carlin deploy lambda-layer", "loop": "pnpm run loop"}}`
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(scripts), 0o644); err != nil {
		t.Fatal(err)
	}
	for command, want := range map[string]bool{
		`carlin deploy --environment "$ENVIRONMENT" ${STACK_NAME:+--stack-name "$STACK_NAME"}`: true,
		"carlin deploy":                             true,
		"npx --yes carlin@1.49.21 deploy -e s":      true,
		"pnpm exec carlin deploy":                   true,
		"echo first\ncarlin deploy --environment s": true,
		"pnpm run build && carlin deploy":           true,
		"STAGE=1 carlin deploy":                     true,
		"pnpm run deploy":                           true,
		"npm run -s deploy -- --verbose":            true,
		"yarn deploy":                               true,
		"pnpm run release":                          true,
		"npm run build; npm run release":            true,
		"pnpm run build":                            false,
		"pnpm run layer":                            false,
		"pnpm run loop":                             false,
		"pnpm run missing":                          false,
		"pnpm --filter web run deploy":              false, // it is another package's script
		"make deploy":                               false,
		"echo pnpm run deploy":                      false,
		"carlin deploy --destroy":                   false,
		"carlin deploy lambda-layer":                false,
		"carlin deploy static-app --cloudfront":     false,
		"# in the place of carlin deploy\nsh x.sh":  false,
		"mycarlin deploy":                           false,
	} {
		if got := Deploys(ExpandScripts(command, dir)); got != want {
			t.Errorf("%q: %v, want %v", command, got, want)
		}
	}
}

func TestTheRegionIsTheOneThatCarlinUses(t *testing.T) {
	const environments = "region: ap-south-1\nenvironments:\n  production:\n    region: eu-west-3 # the customers'\n"
	for name, c := range map[string]struct {
		files      map[string]string
		variables  map[string]string
		want       string
		configured bool
	}{
		"it is not configured":   {},
		"the configuration":      {files: map[string]string{"carlin.yml": "environments: {}\nregion: ap-south-1\n"}, want: "ap-south-1", configured: true},
		"the variable wins":      {files: map[string]string{"carlin.yml": "region: \"ap-south-1\"\n"}, variables: map[string]string{"CARLIN_REGION": "eu-central-1"}, want: "eu-central-1", configured: true},
		"that of an environment": {files: map[string]string{"carlin.yml": environments}, variables: map[string]string{"ENVIRONMENT": "production"}, want: "eu-west-3", configured: true},
		"of another environment": {files: map[string]string{"carlin.yml": environments}, variables: map[string]string{"ENVIRONMENT": "staging"}, want: "ap-south-1", configured: true},
		"JSON":                   {files: map[string]string{"carlin.json": `{"region": "eu-west-2"}`}, want: "eu-west-2", configured: true},
		"package.json":           {files: map[string]string{"package.json": `{"carlin": {"region": "eu-west-2"}}`}, want: "eu-west-2", configured: true},
		"a folder above":         {files: map[string]string{"../carlin.yaml": "region: eu-west-2"}, want: "eu-west-2", configured: true},
		"the nearest one":        {files: map[string]string{"../carlin.yaml": "region: eu-west-2", "carlin.yml": "region: eu-west-1"}, want: "eu-west-1", configured: true},
		"a program":              {files: map[string]string{"carlin.ts": "export default { region: 'eu-west-2', stackName: 'a' }"}, want: "eu-west-2", configured: true},
		"a program that decides": {files: map[string]string{"carlin.ts": "const region = pick(); export default { region }"}, configured: true},
		"a program without one":  {files: map[string]string{"carlin.ts": "export default { stackName: 'a' }"}},
	} {
		dir := filepath.Join(t.TempDir(), "packages")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for file, text := range c.files {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, configured := Region(dir, c.variables); got != c.want || configured != c.configured {
			t.Errorf("%s: %q, %v", name, got, configured)
		}
	}
}
