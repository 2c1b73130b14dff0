package tool

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTheLocationIsTheOneOfTheCommandThatDeploys(t *testing.T) {
	const (
		samconfig = "version = 0.1\n[default.build.parameters]\nregion = \"us-west-1\"\n[default.deploy.parameters]\nregion = \"eu-west-3\"\nprofile = 'prod'\n[other.deploy.parameters]\nregion = \"x\"\n"
		sls       = "service: shop\nprovider:\n  name: aws\n  region: eu-north-1\n  profile: live\nfunctions:\n  a:\n    region: x-y\n"
	)
	for name, c := range map[string]struct {
		command string
		files   map[string]string
		want    Location
	}{
		"no tool":                    {command: "make deploy", want: Location{}},
		"no deploy":                  {command: "aws --region eu-west-1 s3 ls", want: Location{}},
		"the environment decides":    {command: "aws cloudformation deploy --stack-name a", want: Location{}},
		"a flag":                     {command: "aws cloudformation deploy --stack-name a --region eu-west-1 --profile p", want: Location{"eu-west-1", "p", true}},
		"a flag of the CLI itself":   {command: "aws --region=eu-west-1 cloudformation deploy", want: Location{"eu-west-1", "", true}},
		"a variable in a flag":       {command: `aws cloudformation deploy --region "$TARGET"`, want: Location{"ap-south-1", "", true}},
		"a variable with braces":     {command: "aws cloudformation deploy --region ${TARGET}", want: Location{"ap-south-1", "", true}},
		"what a shell alone expands": {command: "aws cloudformation deploy --region $(cat region)", want: Location{}},
		"an assignment before it":    {command: "AWS_PROFILE=prod AWS_REGION=eu-west-2 cdk deploy --all", want: Location{"eu-west-2", "prod", true}},
		"an export before it":        {command: "export AWS_REGION=eu-west-2\ncdk deploy", want: Location{"eu-west-2", "", true}},
		"a command over two lines":   {command: "aws cloudformation deploy \\\n  --region eu-west-1", want: Location{"eu-west-1", "", true}},
		"behind a script":            {command: "npm run deploy", files: map[string]string{"package.json": `{"scripts": {"deploy": "sls deploy -r eu-west-1"}}`}, want: Location{"eu-west-1", "", true}},
		"carlin's configuration":     {command: "carlin deploy", files: map[string]string{"carlin.yml": "region: eu-west-1\n"}, want: Location{"eu-west-1", "", false}},
		"carlin ignores AWS_REGION":  {command: "AWS_REGION=x-y carlin deploy", files: map[string]string{"carlin.yml": "region: eu-west-1\n"}, want: Location{"eu-west-1", "", false}},
		"cdk.json":                   {command: "npx cdk deploy", files: map[string]string{"cdk.json": `{"app": "x", "profile": "prod"}`}, want: Location{"", "prod", false}},
		"samconfig.toml":             {command: "sam deploy", files: map[string]string{"samconfig.toml": samconfig}, want: Location{"eu-west-3", "prod", false}},
		"a flag over samconfig.toml": {command: "sam deploy --region eu-west-1", files: map[string]string{"samconfig.toml": samconfig}, want: Location{"eu-west-1", "prod", true}},
		"serverless.yml":             {command: "serverless deploy", files: map[string]string{"serverless.yml": sls}, want: Location{"eu-north-1", "live", false}},
		"a variable of serverless":   {command: "sls deploy", files: map[string]string{"serverless.yml": "provider:\n  region: ${opt:region}\n"}, want: Location{}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range c.files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got := Locate(c.command, dir, map[string]string{"TARGET": "ap-south-1"}); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}
