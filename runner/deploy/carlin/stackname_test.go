package carlin

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/steps"
)

func TestTheStackNameIsTheOneThatCarlinDerives(t *testing.T) {
	for _, c := range []struct{ pkg, environment, want string }{ // as carlin's own code names them
		{"@acme/my-app", "staging", "AcmeMyApp-staging"},
		{"web", "Production", "Web-Production"},
		{"my_app.core", "dev_1", "MyAppCore-dev-1"},
		{"app2go", "x", "App2go-x"},
		{"app-2-go", "x", "App-2Go-x"},
		{"@acme/XMLReader", "x", "AcmeXmlReader-x"},
		{"fooBarBAZQux", "x", "FooBarBazQux-x"},
		{"2fast", "x", "Stack-2fast-x"},
		{"_private", "x", "Private-x"},
		{"a", "b.c", "A-b-c"},
		{"@ttoss/app2Go3D", "prod", "TtossApp2Go3D-prod"},
		{"lib--x", "-y-", "LibX-y"},
		{strings.Repeat("a", 120), "x", "A" + strings.Repeat("a", 99)},
	} {
		if got := stackNameOf(c.pkg, c.environment); got != c.want {
			t.Errorf("%s in %s is %s, want %s", c.pkg, c.environment, got, c.want)
		}
	}
}

func FuzzCarlinName(f *testing.F) {
	f.Add("@acme/my-app", "staging")
	f.Fuzz(func(t *testing.T, pkg, environment string) {
		for _, r := range stackNameOf(pkg, environment) {
			if r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
				t.Errorf("the name holds %q", r)
			}
		}
	})
}

func TestTheMostSpecificStackNameWins(t *testing.T) {
	deploys := steps.Command{Line: "carlin deploy --environment staging"}
	for name, c := range map[string]struct {
		files   map[string]string
		command steps.Command
		given   string
		want    string
	}{
		"by STACK_NAME":                  {files: map[string]string{"carlin.yml": "stackName: Other\n"}, command: deploys, given: "web", want: "web"},
		"by carlin's configuration":      {files: map[string]string{"carlin.yml": "region: x\nstackName: 'Other'\n", "package.json": `{"name": "p"}`}, command: deploys, want: "Other"},
		"by the package":                 {files: map[string]string{"package.json": `{"name": "p"}`}, command: deploys, want: "P-staging"},
		"by the script's own words":      {files: map[string]string{"package.json": `{"name": "p", "scripts": {"deploy": "carlin deploy --stack-name shop"}}`}, command: steps.Command{Line: "pnpm run deploy"}, want: "shop"},
		"by the package and the script":  {files: map[string]string{"package.json": `{"name": "p", "scripts": {"deploy": "carlin deploy -e Production"}}`}, command: steps.Command{Line: "npm run deploy"}, want: "P-Production"},
		"by the package, for a variable": {files: map[string]string{"package.json": `{"name": "p", "scripts": {"deploy": "carlin deploy --environment \"$ENVIRONMENT\""}}`}, command: steps.Command{Args: []string{"yarn", "deploy"}}, want: "P-staging"},
		"unknown, without a package":     {command: deploys},
		"unknown, with a broken one":     {files: map[string]string{"package.json": `{`}, command: deploys},
		"unknown, with another command":  {files: map[string]string{"package.json": `{"name": "p"}`}, command: steps.Command{Line: "cdk deploy"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range c.files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got := StackName(
				steps.Step{Command: c.command, Directory: "."},
				config.Config{Workspace: dir, Environment: "staging", StackName: c.given},
			)
			if got != c.want {
				t.Errorf("it is %q, want %q", got, c.want)
			}
		})
	}
}
