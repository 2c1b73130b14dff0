package cluster

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/steps"
)

const digest = "sha256:0123"

// imageFake is an account with a project of CodeBuild. Its builds end at the second look, as ended says.
func imageFake(t *testing.T, ended map[string]any, log ...string) *fakeAWS {
	f := newFakeAWS(t)
	out := f.stacks["ci"].outputs
	out["ImageProject"], out["RepositoryUri"] = "ci-image", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/ci/shop"
	pushed := false
	f.json["DescribeImages"] = func(map[string]any) any {
		if !pushed {
			return refused("ecr", "no image")
		}
		return map[string]any{"imageDetails": []any{map[string]any{"imageSizeInBytes": 1}}}
	}
	f.json["StartBuild"] = map[string]any{"build": map[string]any{"id": "ci-image:1"}}
	f.json["StopBuild"] = map[string]any{}
	looks := 0
	f.json["BatchGetBuilds"] = func(map[string]any) any {
		b := map[string]any{"id": "ci-image:1", "buildStatus": "IN_PROGRESS", "currentPhase": "BUILD"}
		if looks++; looks > 1 {
			pushed = ended["buildStatus"] == "SUCCEEDED"
			for name, value := range ended {
				b[name] = value
			}
		}
		b["logs"] = map[string]any{"groupName": "/carlin-cicd/ci/image", "streamName": "1", "deepLink": "https://console.example/log"}
		return map[string]any{"builds": []any{b}}
	}
	f.json["GetLogEvents"] = func(input map[string]any) any {
		if input["nextToken"] == "t" {
			return map[string]any{"events": []any{}, "nextForwardToken": "t"}
		}
		var events []any
		for _, line := range log {
			events = append(events, map[string]any{"message": line})
		}
		return map[string]any{"events": events, "nextForwardToken": "t"}
	}
	f.json["GetItem"] = map[string]any{}
	f.json["BatchGetImage"] = func(input map[string]any) any {
		image := map[string]any{
			"imageId": map[string]any{"imageDigest": digest}, "imageManifestMediaType": "application/vnd.oci.image.manifest.v1+json",
			"imageManifest": `{"config": {"digest": "sha256:c"}}`,
		}
		if id := input["imageIds"].([]any)[0].(map[string]any); id["imageTag"] == CurrentTag {
			image["imageId"] = map[string]any{"imageDigest": "sha256:before"}
		}
		return map[string]any{"images": []any{image}}
	}
	f.json["PutImage"] = map[string]any{}
	delete(f.objects, "/shop-artifacts/config")
	return f
}

// publish runs what runner cluster image does in a workspace with these files.
func (f *fakeAWS) publish(t *testing.T, files map[string]string, change func(*Image)) (printed string, err error) {
	t.Helper()
	t.Setenv("PATH", t.TempDir()) // no engine, and no git
	i := f.inspect(t)
	folder := t.TempDir()
	fill(t, folder, files)
	var out bytes.Buffer
	d := i.Deployment
	d.Account.Poll = time.Millisecond
	d.Note = func(line string) { fmt.Fprintln(&out, "note: "+line) }
	image := &Image{Deployment: d, Workspace: folder, Tag: "v1", Output: &out}
	if change != nil {
		change(image)
	}
	err = image.Publish(t.Context())
	return out.String(), err
}

var workspace = map[string]string{"Dockerfile": "FROM a", "pnpm-lock.yaml": "1", ".dockerignore": "secret", "secret": "hunter2"}

// Without an engine the image is built in the account: from the context, which goes into the bucket. The log is printed,
// and every step runs it.
func TestAnImageIsBuiltInTheAccountWithoutAnEngine(t *testing.T) {
	f := imageFake(t, map[string]any{"buildStatus": "SUCCEEDED", "currentPhase": "COMPLETED"}, "#1 [1/2] FROM a\n", "#2 DONE 0.1s\n")
	f.stacks["ci"].parameters["ImageTag"], f.stacks["ci-staging"].parameters["ImageTag"] = CurrentTag, CurrentTag
	files := maps.Clone(workspace)
	files[".env"] = "TOKEN=1"
	printed, err := f.publish(t, files, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}
	for _, want := range []string{
		"neither podman nor docker", "the context has files that may hold secrets: .env; leave them out by .dockerignore", "uploading the context", "in the account: build ci-image:1", "build completed", "#1 [1/2] FROM a", "#2 DONE", ":current is v1 now",
	} {
		if !strings.Contains(printed, want) {
			t.Errorf("%q is not in\n%s", want, printed)
		}
	}
	variables := map[string]string{}
	for _, v := range f.asked["StartBuild"][0]["environmentVariablesOverride"].([]any) {
		v := v.(map[string]any)
		variables[v["name"].(string)] = v["value"].(string)
	}
	if variables["TAG"] != "v1" || variables["DOCKERFILE"] != "Dockerfile" || variables["CONTEXT"] != "." || !strings.HasPrefix(variables["SOURCE"], "image-sources/") {
		t.Errorf("the build gets %v", variables)
	}
	names, _ := unpack(t, f.objects["/shop-artifacts/"+variables["SOURCE"]])
	if !slices.Equal(names, []string{".dockerignore", ".env", "Dockerfile", "pnpm-lock.yaml"}) {
		t.Errorf("the context has %q", names)
	}
	item := f.asked["PutItem"][0]["Item"].(map[string]any)
	inputs := item["inputs"].(map[string]any)["S"].(string)
	if inputs != variables["INPUTS"] || !strings.Contains(inputs, "pnpm-lock.yaml") || item["digest"].(map[string]any)["S"] != digest || item["id"].(map[string]any)["S"] != "image" {
		t.Errorf("the machine knows %v", item)
	}
	if put := f.asked["PutImage"][0]; put["imageTag"] != CurrentTag || put["imageDigest"] != digest {
		t.Errorf("the tag: %v", put)
	}
}

// Each way in which a build does not come to its end says what to do. The names of the errors are CodeBuild's.
func TestABuildInTheAccountThatFailsIsExplained(t *testing.T) {
	phase := func(name, status, message string) []any {
		return []any{
			map[string]any{"phaseType": "SUBMITTED", "phaseStatus": "SUCCEEDED"},
			map[string]any{"phaseType": name, "phaseStatus": status, "contexts": []any{map[string]any{"statusCode": "X", "message": message}}},
		}
	}
	failed := map[string]any{"buildStatus": "FAILED", "phases": phase("BUILD", "FAILED", "Error while executing command: bash /tmp/build.sh. Reason: exit status 1")}
	for name, c := range map[string]struct {
		ended  map[string]any
		log    []string
		change func(*fakeAWS)
		files  map[string]string
		wants  []string
	}{
		"a command of the Dockerfile": {
			ended: failed, log: []string{"#7 [3/4] RUN pnpm install --frozen-lockfile\n", "#7 0.812 ERR_PNPM_OUTDATED_LOCKFILE  Cannot install with \"frozen-lockfile\" because pnpm-lock.yaml is not up to date with package.json\n", "#7 ERROR: process did not complete successfully: exit code: 1\n"},
			wants: []string{"FAILED in BUILD", "ERR_PNPM_OUTDATED_LOCKFILE", "https://console.example/log"},
		},
		"no log": {ended: failed, wants: []string{"FAILED in BUILD"}},
		"its time": {
			ended: map[string]any{"buildStatus": "TIMED_OUT", "phases": phase("BUILD", "TIMED_OUT", "Build has timed out. ")}, wants: []string{"TIMED_OUT in BUILD"},
		},
		"its place": {
			ended: map[string]any{"buildStatus": "FAILED", "phases": phase("PROVISIONING", "CLIENT_ERROR", "CodeBuild is not authorized to perform: sts:AssumeRole on service role")},
			wants: []string{"in PROVISIONING: CodeBuild is not authorized to perform: sts:AssumeRole"},
		},
		"a new account": {
			change: func(f *fakeAWS) {
				f.json["StartBuild"] = refusal{"AccountLimitExceededException", "Cannot have more than 0 builds in queue for the account"}
			}, wants: []string{"takes no more builds", "Cannot have more than 0 builds"},
		},
		"no project": {
			change: func(f *fakeAWS) {
				f.json["StartBuild"] = refusal{"ResourceNotFoundException", "Project cannot be found: arn:x"}
			}, wants: []string{"there is no project ci-image"},
		},
		"an older cluster": {
			change: func(f *fakeAWS) { delete(f.stacks["ci"].outputs, "ImageProject") }, wants: []string{"no project of CodeBuild yet"},
		},
		"no right": {
			change: func(f *fakeAWS) { f.json["StartBuild"] = refusal{"AccessDeniedException", "User: x is not authorized"} },
			wants:  []string{"codebuild:StartBuild of ci-image failed"},
		},
		"no Dockerfile":     {files: map[string]string{"a": "1"}, wants: []string{"there is no Dockerfile"}},
		"a log not for one": {ended: failed, change: func(f *fakeAWS) { f.json["GetLogEvents"] = refusal{"AccessDeniedException", "no"} }, wants: []string{"FAILED in BUILD"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := imageFake(t, c.ended, c.log...)
			if c.change != nil {
				c.change(f)
			}
			files := workspace
			if c.files != nil {
				files = c.files
			}
			printed, err := f.publish(t, files, func(i *Image) { i.Remote = true })
			if err == nil {
				t.Fatalf("it passed:\n%s", printed)
			}
			for _, want := range c.wants {
				if !strings.Contains(err.Error()+" "+hintOf(err), want) {
					t.Errorf("%q is not in %q (%s)", want, err, hintOf(err))
				}
			}
			if len(f.asked["PutImage"])+len(f.asked["PutItem"]) > 0 {
				t.Error("the tag was moved")
			}
		})
	}
}

func hintOf(err error) string {
	if e, ok := err.(interface{ Hint() string }); ok {
		return e.Hint()
	}
	return ""
}

// A caller that stops waiting stops the build.
func TestABuildInTheAccountIsStoppedWithTheCommand(t *testing.T) {
	f := imageFake(t, map[string]any{"buildStatus": "IN_PROGRESS"})
	i := f.inspect(t)
	i.Account.Poll = time.Millisecond
	folder := t.TempDir()
	fill(t, folder, workspace)
	ctx, cancel := context.WithCancel(t.Context())
	look := f.json["BatchGetBuilds"].(func(map[string]any) any)
	f.json["BatchGetBuilds"] = func(input map[string]any) any {
		cancel()
		return look(input)
	}
	err := (&Image{Deployment: i.Deployment, Workspace: folder, Tag: "v1", Remote: true, Output: &bytes.Buffer{}}).Publish(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil || len(f.asked["StopBuild"]) != 1 || f.asked["StopBuild"][0]["id"] != "ci-image:1" {
		t.Errorf("%v; stopped: %v", err, f.asked["StopBuild"])
	}
}

// An image that is there is not built again: its labels say what it was built from. Where they do not, the pipeline
// compares nothing.
func TestAnImageThatIsThereSaysWhatItWasBuiltFrom(t *testing.T) {
	for name, c := range map[string]struct{ config, inputs string }{
		"with labels":             {`{"config": {"Labels": {"org.opencontainers.image.revision": "abc", "com.carlin-cicd.inputs": "{\"Dockerfile\":\"1\"}"}}}`, `{"Dockerfile":"1"}`},
		"without labels":          {`{"config": {}}`, ""},
		"with others":             {`{"config": {"Labels": {"com.carlin-cicd.inputs": "{"}}}`, ""},
		"without a configuration": {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := imageFake(t, nil)
			f.json["DescribeImages"] = map[string]any{"imageDetails": []any{map[string]any{}}}
			if c.config != "" {
				f.objects["/shop-artifacts/config"] = []byte(c.config)
			}
			f.stacks["ci"].parameters["ImageTag"], f.stacks["ci-staging"].parameters["ImageTag"] = CurrentTag, CurrentTag
			printed, err := f.publish(t, workspace, nil)
			if err != nil || len(f.asked["StartBuild"]) > 0 {
				t.Fatalf("%v\n%s", err, printed)
			}
			item := f.asked["PutItem"][0]["Item"].(map[string]any)
			inputs, _ := item["inputs"].(map[string]any)
			if got, _ := inputs["S"].(string); got != c.inputs {
				t.Errorf("noted %q\n%s", got, printed)
			}
		})
	}
}

// The tag can stay where it is, and cannot always move.
func TestTheTagOfTheStepsMovesUnlessItIsPinned(t *testing.T) {
	f := imageFake(t, nil)
	f.json["DescribeImages"] = map[string]any{"imageDetails": []any{map[string]any{}}}
	f.stacks["ci"].parameters["ImageTag"], f.stacks["ci-staging"].parameters["ImageTag"] = "v1", "v1"
	pinned := func(i *Image) { i.Settings.Image = steps.ClusterImage{Pinned: true} }
	if printed, err := f.publish(t, workspace, pinned); err != nil || len(f.asked["PutImage"])+len(f.asked["PutItem"]) > 0 {
		t.Errorf("pinned: %v\n%s", err, printed)
	}
	f.json["PutImage"] = refusal{"ImageTagAlreadyExistsException", "The image tag 'current' already exists in the 'ci/shop' repository and cannot be overwritten because the tag is immutable."}
	if _, err := f.publish(t, workspace, nil); err == nil || !strings.Contains(err.Error(), "cannot be moved") {
		t.Errorf("immutable: %v", err)
	}
	f.stacks["ci"].parameters["ImageTag"], f.stacks["ci-staging"].parameters["ImageTag"] = CurrentTag, CurrentTag
	f.json["PutImage"] = refusal{"ImageAlreadyExistsException", "Image with digest 'sha256:0123' and tag 'current' already exists in the repository"}
	if printed, err := f.publish(t, workspace, nil); err != nil {
		t.Errorf("where it should be: %v\n%s", err, printed)
	}
}

// The address of a configuration is signed, and no message shows it.
func TestTheAddressOfAConfigurationIsNotShown(t *testing.T) {
	_, err := readConfig(t.Context(), http.DefaultClient, "http://127.0.0.1:1/x?X-Amz-Signature=secret")
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
}

// An image with several platforms has an index: the labels are those of the first.
func TestLabelsOfAnImageOfSeveralPlatforms(t *testing.T) {
	f := newFakeAWS(t)
	f.json["BatchGetImage"] = func(input map[string]any) any {
		manifest := `{"manifests": [{"digest": "sha256:amd64"}, {"digest": "sha256:arm64"}]}`
		if id := input["imageIds"].([]any)[0].(map[string]any); id["imageDigest"] == "sha256:amd64" {
			manifest = `{"config": {"digest": "sha256:c"}}`
		}
		return map[string]any{"images": []any{map[string]any{"imageManifest": manifest}}}
	}
	if bad, _ := f.run(t, nil); len(bad) > 0 {
		t.Errorf("%+v", bad)
	}
}

func TestVersionsAreCompared(t *testing.T) {
	for _, c := range []struct {
		one, other string
		newer      bool
	}{
		{"0.2.0", "0.2.0", false},
		{"0.10.0", "0.9.1", true},
		{"0.9.1", "0.10.0", false},
		{"1.0.0", "0.99.99", true},
		{"0.2.0", "", true},
		{"", "0.2.0", false},
		{"0.2.1", "0.2", true},
		{"1.0.0-rc.1", "1.0.0", false},
		{"x", "0.1.0", false},
	} {
		if Newer(c.one, c.other) != c.newer {
			t.Errorf("%q after %q: %v", c.one, c.other, !c.newer)
		}
	}
}

// The same again changes nothing.
func TestAnImageThatIsWhereItShouldBeIsLeftAlone(t *testing.T) {
	f := imageFake(t, nil)
	f.json["DescribeImages"] = map[string]any{"imageDetails": []any{map[string]any{}}}
	f.stacks["ci"].parameters["ImageTag"], f.stacks["ci-staging"].parameters["ImageTag"] = CurrentTag, CurrentTag
	f.json["BatchGetImage"] = map[string]any{"images": []any{map[string]any{
		"imageId": map[string]any{"imageDigest": digest}, "imageManifest": `{"config": {"digest": "sha256:c"}}`,
	}}}
	f.objects["/shop-artifacts/config"] = []byte(`{"config": {"Labels": {"com.carlin-cicd.inputs": "{\"Dockerfile\":\"1\"}"}}}`)
	f.json["GetItem"] = map[string]any{"Item": map[string]any{
		"digest": map[string]any{"S": digest}, "inputs": map[string]any{"S": `{"Dockerfile":"1"}`},
	}}
	printed, err := f.publish(t, workspace, nil)
	if err != nil || strings.Count(printed, "\n") != 1 || len(f.asked["PutImage"])+len(f.asked["PutItem"]) > 0 {
		t.Errorf("%v\n%s", err, printed)
	}
}
