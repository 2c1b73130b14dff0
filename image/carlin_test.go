//go:build container

package image

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
)

// carlinVersion is the one that the deploy step is proven with.
const carlinVersion = "1.49.21"

// deploys runs the built-in deploy step in the image, with the real carlin, on an AWS of the host's.
func (e *engine) deploys(t *testing.T, store store, in func(...string) []string) {
	const tag = "localhost/runner-carlin:test"
	e.build(t, "runner-base", tag, "--build-arg", "CARLIN_VERSION="+carlinVersion)
	workspace := func(configuration string) string {
		dir := newWorkspace(t, "version: 1\nsteps: { deploy: { verify: test -f .carlin/latest-deploy.json } }\n")
		for name, text := range map[string]string{
			"package.json": `{"name": "@acme/shop", "version": "1.0.0"}`,
			"carlin.yml":   configuration,
			"src/cloudformation.yml": `AWSTemplateFormatVersion: "2010-09-09"
Resources:
  Bucket: { Type: AWS::S3::Bucket }
`,
		} {
			path := filepath.Join(dir, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644), os.Chown(filepath.Dir(path), 1000, 1000)); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	// carlin's old SDK does not know AWS_ENDPOINT_URL, which only a test needs to be told.
	deploy := func(dir string) ended {
		return e.run(t, in(
			"--env",
			"PIPELINE_STEP=deploy",
			"--env",
			"ENVIRONMENT=production",
			"--volume",
			filepath.Join(top(t), "infra/test/carlin/endpoint.cjs")+":/endpoint.cjs:ro",
			"--env",
			"NODE_OPTIONS=--require=/endpoint.cjs --no-warnings",
			"--volume",
			dir+":/workspace",
			tag,
		)...)
	}

	r := deploy(workspace("{}\n"))
	c, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stacks := cloudformation.NewFromConfig(c)
	found, err := stacks.DescribeStacks(
		t.Context(),
		&cloudformation.DescribeStacksInput{StackName: aws.String("AcmeShop-production")},
	)
	if r.code != 0 || err != nil || found.Stacks[0].StackStatus != "CREATE_COMPLETE" ||
		!aws.ToBool(found.Stacks[0].EnableTerminationProtection) {
		t.Fatalf("exit %d, %v %v\n%s%s", r.code, found, err, tail(r.out), tail(r.stderr))
	}
	if f := store.finished(t, "deploy@production"); !f.Passed {
		t.Errorf("%+v", f)
	}

	r = deploy(workspace("awsAccountId: \"999999999999\"\n"))
	if f := store.finished(t, "deploy@production"); r.code != 125 || f.Reason != "artifacts" ||
		!strings.Contains(r.out, "carlin exited with 0 but deployed nothing") {
		t.Errorf("of the wrong account: exit %d, %+v\n%s%s", r.code, f, tail(r.out), tail(r.stderr))
	}
}
