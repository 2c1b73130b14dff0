package cluster

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/steps"
)

func TestTheRepositoryIsFoundInARemote(t *testing.T) {
	for remote, want := range map[string]string{
		"https://github.com/acme/shop.git": "acme/shop", "https://github.com/acme/shop": "acme/shop",
		"git@github.com:acme/shop.git": "acme/shop", "ssh://git@github.com/acme/shop.git": "acme/shop",
		"https://user:secret@github.com/acme/shop.git": "acme/shop", "/srv/git/shop.git": "", "": "", "https://git.example.com/a/b/c.git": "",
	} {
		if got := repositoryOf(remote); got != want {
			t.Errorf("%s is %q, want %q", remote, got, want)
		}
	}
}

func TestAStackIsNamedAfterTheRepositoryAndTheEnvironment(t *testing.T) {
	for repository, want := range map[string]string{
		"acme/shop": "Shop-Staging", "acme/web-shop": "Web-Shop-Staging", "acme@1/shop.js@2": "Shop-Js-Staging", "acme/9lives": "Stack-9lives-Staging",
	} {
		got := stackNameOf(repository, "staging")
		if got != want || !steps.IsStackName(got) {
			t.Errorf("%s gives %s, want %s", repository, got, want)
		}
	}
}

func TestEachParameterOfOursIsOneOfItsTemplate(t *testing.T) {
	no := false
	s := Settings{Cluster: steps.Cluster{
		Repository: "acme/shop", AlarmEmail: "a@example.com", Door: steps.BothDoors,
		Network: steps.ClusterNetwork{VPC: "vpc-1", Subnets: []string{"subnet-1", "subnet-2"}, PublicIP: &no},
		Sizes:   steps.ClusterSizes{Build: "2-4", Test: "4-8", Migrate: "0.5-1", Deploy: "1-2"},
	}, ImageTag: "0123abc"}
	if err := s.Complete(); err != nil {
		t.Fatal(err)
	}
	e := steps.ClusterEnvironment{Name: "staging", Stack: "Shop", Policy: "arn:aws:iam::123456789012:policy/shop"}
	for name, set := range map[string]map[string]string{
		baseTemplate: s.baseParameters(), pipelineTemplate: s.pipelineParameters(), environmentTemplate: s.environmentParameters(e, false),
		targetTemplate: s.targetParameters(e), webhookTemplate: s.webhookParameters(),
	} {
		template, err := LoadTemplate(name)
		if err != nil {
			t.Fatal(err)
		}
		if unknown := unknownParameter(part{template: template, set: set}); unknown != "" {
			t.Errorf("%s has no parameter %s", name, unknown)
		}
	}
	if got := s.baseParameters()["AssignPublicIp"]; got != "DISABLED" {
		t.Errorf("AssignPublicIp is %s", got)
	}
}

func TestWhatIsMadeDependsOnTheConditions(t *testing.T) {
	template, err := LoadTemplate(baseTemplate)
	if err != nil {
		t.Fatal(err)
	}
	has := func(values map[string]string, id string) bool {
		_, ok := template.resources(values, "eu-west-1")[id]
		return ok
	}
	own := map[string]string{"VpcId": "vpc-1", "SubnetIds": "subnet-1,subnet-2"}
	if !has(nil, "Vpc") || has(own, "Vpc") || has(own, "S3Gateway") || has(nil, "Key") || !has(map[string]string{"CreateKey": "true"}, "Key") {
		t.Error("the conditions of base.yaml are not evaluated as CloudFormation does")
	}
	own["RouteTableIds"] = "rtb-1"
	if !has(own, "S3Gateway") {
		t.Error("route tables of one's own need the gateway")
	}
	hook, err := LoadTemplate(webhookTemplate)
	if err != nil {
		t.Fatal(err)
	}
	for region, want := range map[string]bool{"eu-west-1": true, "us-gov-west-1": false, "cn-northwest-1": false} {
		if _, ok := hook.resources(nil, region)["Url"]; ok != want {
			t.Errorf("a function URL in %s: %v", region, ok)
		}
	}
}

func TestTheZipOfAReleaseIsTheOneThatWasBuiltIn(t *testing.T) {
	const zip = "the zip"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1.2.3/webhook.zip" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(zip))
	}))
	defer server.Close()
	t.Setenv("TMPDIR", t.TempDir())
	sum := sha256.Sum256([]byte(zip))
	source := ZipSource{Version: "1.2.3", SHA256: hex.EncodeToString(sum[:]), Releases: server.URL}
	found, err := source.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(found.Path); err != nil || string(text) != zip || found.Source != "release 1.2.3" {
		t.Errorf("%s %v %v", text, err, found)
	}
	found.Remove()
	for name, c := range map[string]struct {
		change func(*ZipSource)
		want   string
	}{
		"another zip":  {func(s *ZipSource) { s.SHA256 = strings.Repeat("0", 64) }, "has the SHA-256"},
		"no release":   {func(s *ZipSource) { s.Version = "9.9.9" }, "404"},
		"no server":    {func(s *ZipSource) { s.Releases = "http://127.0.0.1:1" }, "could not download"},
		"a named file": {func(s *ZipSource) { s.File = "nowhere.zip" }, "the webhook's zip cannot be read"},
		"no source":    {func(s *ZipSource) { *s = ZipSource{} }, "is no release"},
	} {
		bad := source
		c.change(&bad)
		if _, err := bad.Find(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if left, _ := os.ReadDir(os.Getenv("TMPDIR")); len(left) > 0 {
		t.Errorf("%v is left behind", left)
	}
}
