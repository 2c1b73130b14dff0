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
	for _, c := range []struct{ name, yml, variable, want string }{
		{"it is not configured", "", "", ""},
		{"the configuration", "environments: {}\nregion: ap-south-1\n", "", "ap-south-1"},
		{"the variable wins", "region: \"ap-south-1\"\n", "eu-central-1", "eu-central-1"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "carlin.yml"), []byte(c.yml), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := Region(dir, map[string]string{"CARLIN_REGION": c.variable}); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
