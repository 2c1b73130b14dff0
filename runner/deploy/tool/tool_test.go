package tool

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	samconfig = `version = 0.1
[default.global.parameters]
region = "us-west-2"
profile = 'all'
[default.build.parameters]
region = "us-west-1"
[default.deploy.parameters]
region = "eu-west-3" # Paris
confirm_changeset = true
[prod.deploy.parameters]
region = "eu-west-2"
profile = "prod"
`
	sls = `service: shop
custom:
  regions: { dev: eu-west-1, prod: eu-west-2 }
provider:
  name: aws
  region: eu-north-1 # Stockholm
  profile: live
functions:
  a:
    region: x-y
`
	assembly1 = `{"version": "36.0.0", "artifacts": {
		"Shop": {"type": "aws:cloudformation:stack", "environment": "aws://123456789012/eu-west-1", "properties": {"stackName": "shop"}},
		"Edge": {"type": "aws:cloudformation:stack", "environment": "aws://unknown-account/us-east-1", "properties": {}},
		"Free": {"type": "aws:cloudformation:stack", "environment": "aws://unknown-account/unknown-region"},
		"prod": {"type": "cdk:cloud-assembly", "properties": {"directoryName": "assembly-prod"}}}}`
	assembly2 = `{"artifacts": {"prodWeb": {"type": "aws:cloudformation:stack", "environment": "aws://1/eu-west-2", "properties": {"stackName": "prod-web"}}}}`
	assume    = `c=$(aws sts assume-role --role-arn arn:aws:iam::222222222222:role/x --role-session-name ci)
export AWS_ACCESS_KEY_ID=$(echo "$c" | jq -r .Credentials.AccessKeyId)
aws cloudformation describe-stacks --stack-name shop && op=update-stack || op=create-stack
aws --region eu-west-1 cloudformation $op --stack-name shop --template-body file://$1
`
)

func file(name, text string) map[string]string { return map[string]string{name: text} }

func TestTheLocationIsTheOneOfTheCommandThatDeploys(t *testing.T) {
	const unsureRegion, unsureRole = "the region of the command is known to the command alone", "the command assumes a role by itself"
	fromFlag := Location{Region: "eu-west-1", FromCommand: true}
	for name, c := range map[string]struct {
		command, stack string
		files          map[string]string
		want           Location
	}{
		"no tool":                     {command: "make deploy"},
		"no deploy":                   {command: "aws --region eu-west-1 s3 ls"},
		"text that is no shell":       {command: "echo 'a"},
		"the environment decides":     {command: "aws cloudformation deploy --stack-name a"},
		"a flag":                      {command: "aws cloudformation deploy --stack-name a --region eu-west-1 --profile p", want: Location{Region: "eu-west-1", Profile: "p", FromCommand: true}},
		"a flag of the CLI itself":    {command: "aws --region=eu-west-1 cloudformation deploy", want: fromFlag},
		"a variable in a flag":        {command: `aws cloudformation deploy --region "$TARGET"`, want: Location{Region: "ap-south-1", FromCommand: true}},
		"a variable with braces":      {command: "aws cloudformation deploy --region ${TARGET}", want: Location{Region: "ap-south-1", FromCommand: true}},
		"a variable with a default":   {command: "aws cloudformation deploy --region ${NONE:-eu-west-1}", want: fromFlag},
		"what a shell alone expands":  {command: "aws cloudformation deploy --region $(cat region)", want: Location{Unsure: unsureRegion}},
		"an assignment before it":     {command: "AWS_PROFILE=prod AWS_REGION=eu-west-2 cdk deploy --all", want: Location{Region: "eu-west-2", Profile: "prod", FromCommand: true}},
		"an assignment of env":        {command: "env -u X AWS_REGION=eu-west-1 timeout -k 5 10m npx cdk@2 deploy", want: fromFlag},
		"an export before it":         {command: "export AWS_REGION=eu-west-1\ncdk deploy", want: fromFlag},
		"an assignment, then export":  {command: "AWS_REGION=eu-west-1; export AWS_REGION; cdk deploy", want: fromFlag},
		"a command over two lines":    {command: "aws cloudformation deploy \\\n  --region eu-west-1", want: fromFlag},
		"behind others":               {command: "pnpm build && aws cloudformation deploy --region eu-west-1 || exit 3", want: fromFlag},
		"in a subshell":               {command: "set -e; ( if true; then exec aws cloudformation deploy --region 'eu-west-1'; fi )", want: fromFlag},
		"by the path of the tool":     {command: "node_modules/.bin/cdk deploy --profile prod", want: Location{Profile: "prod"}},
		"by a package manager":        {command: "AWS_REGION=eu-west-1 pnpm exec cdk deploy", want: fromFlag},
		"in a comment":                {command: "# aws cloudformation deploy --region eu-west-1\ntrue"},
		"of two the first":            {command: "AWS_REGION=us-east-1 cdk deploy cert && AWS_REGION=eu-west-1 cdk deploy app", want: Location{Region: "us-east-1", FromCommand: true, Elsewhere: "eu-west-1"}},
		"of two the stack's":          {command: "aws cloudformation deploy --region us-east-1 --stack-name cert\naws cloudformation deploy --region eu-west-1 --stack-name $STACK_NAME", stack: "app", want: Location{Region: "eu-west-1", FromCommand: true, Elsewhere: "us-east-1"}},
		"a loop":                      {command: "for r in eu-west-1 us-east-1; do aws --region $r cloudformation deploy; done", want: Location{Region: "eu-west-1", FromCommand: true, Elsewhere: "us-east-1"}},
		"behind a script":             {command: "npm run deploy", files: file("package.json", `{"scripts": {"deploy": "sls deploy -r eu-west-1"}}`), want: fromFlag},
		"a flag for a script":         {command: "npm run deploy -- --region eu-west-1", files: file("package.json", `{"scripts": {"deploy": "sam build && sam deploy"}}`), want: fromFlag},
		"behind a script that loops":  {command: "npm run a", files: file("package.json", `{"scripts": {"a": "npm run b", "b": "npm run a"}}`)},
		"in a shell's script":         {command: "sh ./bin/deploy.sh eu-west-1", files: file("bin/deploy.sh", "cdk() { npx cdk; }\naws cloudformation deploy --region $1\n"), want: fromFlag},
		"in a script that is run":     {command: "bin/deploy eu-west-1", files: file("bin/deploy", "#!/usr/bin/env bash\naws cloudformation deploy --region $1\n"), want: fromFlag},
		"in a program":                {command: "bin/deploy", files: file("bin/deploy", "#!/usr/bin/env python3\naws cloudformation deploy --region eu-west-1\n")},
		"in a shell's text":           {command: `bash -ec 'aws cloudformation deploy --region "$1"' x eu-west-1`, want: fromFlag},
		"in another folder":           {command: "cd infra && sam deploy", files: file("infra/samconfig.toml", samconfig), want: Location{Region: "eu-west-3", Profile: "all"}},
		"a role of its own":           {command: "sh deploy.sh v2.json", files: file("deploy.sh", assume), stack: "shop", want: Location{Region: "eu-west-1", FromCommand: true, Unsure: unsureRole}},
		"carlin's configuration":      {command: "carlin deploy", files: file("carlin.yml", "region: eu-west-1\n"), want: Location{Region: "eu-west-1"}},
		"carlin's environment":        {command: "carlin deploy -e prod", files: file("carlin.yml", "environments: {prod: {region: eu-west-1}}\n"), want: Location{Region: "eu-west-1"}},
		"carlin ignores AWS_REGION":   {command: "AWS_REGION=x-y carlin deploy", files: file("carlin.yml", "region: eu-west-1\n"), want: Location{Region: "eu-west-1"}},
		"cdk.json":                    {command: "npx cdk deploy", files: file("cdk.json", `{"app": "x", "profile": "prod"}`), want: Location{Profile: "prod"}},
		"an app with a fixed region":  {command: "AWS_REGION=x-y npx cdk deploy shop", stack: "shop", files: file("cdk.out/manifest.json", assembly1), want: fromFlag},
		"a stack by its id":           {command: "cdk deploy --app out Edge", stack: "Edge", files: file("out/manifest.json", assembly1), want: Location{Region: "us-east-1", FromCommand: true}},
		"an app without a region":     {command: "AWS_REGION=eu-west-1 cdk deploy", stack: "Free", files: file("cdk.out/manifest.json", assembly1), want: fromFlag},
		"a stack of a stage":          {command: "cdk deploy", stack: "prod-web", files: map[string]string{"cdk.out/manifest.json": assembly1, "cdk.out/assembly-prod/manifest.json": assembly2}, want: Location{Region: "eu-west-2", FromCommand: true}},
		"a stack of several regions":  {command: "cdk deploy", stack: "other", files: file("cdk.out/manifest.json", assembly1)},
		"samconfig.toml":              {command: "sam deploy", files: file("samconfig.toml", samconfig), want: Location{Region: "eu-west-3", Profile: "all"}},
		"an environment of SAM":       {command: "sam deploy --config-env prod", files: file("samconfig.toml", samconfig), want: Location{Region: "eu-west-2", Profile: "prod"}},
		"another file of SAM":         {command: "sam deploy --config-file ci.yaml", files: file("ci.yaml", "default:\n  global:\n    parameters: { region: eu-west-1 }\n"), want: Location{Region: "eu-west-1"}},
		"a broken samconfig.toml":     {command: "sam deploy", files: file("samconfig.toml", "[[[")},
		"a flag over samconfig.toml":  {command: "sam deploy --region eu-west-1", files: file("samconfig.toml", samconfig), want: Location{Region: "eu-west-1", Profile: "all", FromCommand: true}},
		"serverless.yml":              {command: "serverless deploy", files: file("serverless.yml", sls), want: Location{Region: "eu-north-1", Profile: "live"}},
		"serverless.yml on one line":  {command: "npx sls deploy", files: file("serverless.yml", "provider: { name: aws, region: 'eu-west-1' }\n"), want: Location{Region: "eu-west-1"}},
		"serverless.json":             {command: "sls deploy", files: file("serverless.json", `{"provider": {"region": "eu-west-1"}}`), want: Location{Region: "eu-west-1"}},
		"serverless without a region": {command: "AWS_REGION=eu-west-1 sls deploy", files: file("serverless.yml", "provider: aws\n"), want: Location{Region: "us-east-1"}},
		"serverless as a program":     {command: "sls deploy", files: file("serverless.ts", "export default {}")},
		"another file of serverless":  {command: "sls deploy -c b.yml", files: file("b.yml", "provider: { region: eu-west-1 }"), want: Location{Region: "eu-west-1"}},
		"a variable of serverless":    {command: "sls deploy", files: file("serverless.yml", "provider:\n  region: ${opt:region}\n")},
		"a default of serverless":     {command: "sls deploy", files: file("serverless.yml", "provider:\n  region: ${opt:region, env:NONE, 'eu-west-1'}\n"), want: Location{Region: "eu-west-1"}},
		"an option of serverless":     {command: "sls deploy -s prod", files: file("serverless.yml", "custom: {regions: {prod: eu-west-2}}\nprovider:\n  region: ${self:custom.regions.${opt:stage, 'dev'}}\n"), want: Location{Region: "eu-west-2"}},
		"a variable of a variable":    {command: "sls deploy", files: file("serverless.yml", "custom: {r: '${env:TARGET}'}\nprovider:\n  region: ${self:custom.r}\n"), want: Location{Region: "ap-south-1"}},
		"a variable in a circle":      {command: "sls deploy", files: file("serverless.yml", "provider:\n  region: ${self:provider.region}\n")},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range c.files {
				path := filepath.Join(dir, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			variables := map[string]string{"TARGET": "ap-south-1", "STACK_NAME": c.stack}
			if got := Locate(c.command, dir, variables); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

// Whatever a command's text is, looking at it ends and starts nothing.
func FuzzLocate(f *testing.F) {
	for _, command := range []string{
		"aws cloudformation deploy --region $(touch /tmp/x)", assume, "env env env", "timeout", "sh -c", "for a in; do b; done",
		"npm run", `x="${a:?b}"`, "${a/b/c} ${#a} ${!a}", "cdk deploy -a", "$((1/0))", "~nobody/x deploy",
		"a=$a$a" + strings.Repeat(";a=$a$a", 60), strings.Repeat("for a in 1 2 3 4 5 6 7 8 9; do ", 12) + "b" + strings.Repeat("; done", 12),
	} {
		f.Add(command)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, command string) {
		Locate(command, dir, map[string]string{"a": "1", "STACK_NAME": "s"})
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%q wrote %v", command, left)
		}
	})
}
