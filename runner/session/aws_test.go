package session

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go/logging"

	"github.com/carlin-cicd/runner/runner/config"
)

const assumed = `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>ASIASTORE</AccessKeyId><SecretAccessKey>secret-of-the-store</SecretAccessKey><SessionToken>token-of-the-store</SessionToken>
<Expiration>%s</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`

func TestTheStoreIsUsedWithARoleOfItsOwnConfinedToThePrefix(t *testing.T) {
	var asked url.Values
	sts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		asked = r.Form
		fmt.Fprintf(w, assumed, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	defer sts.Close()
	own := aws.Config{
		Region: "eu-central-1", BaseEndpoint: &sts.URL,
		Credentials: credentials.NewStaticCredentialsProvider("AKIATASK", "secret-of-the-task", ""),
	}

	s := New(t.Context(), nil, config.Config{StoreRole: "arn:aws:iam::123456789012:role/store"})
	got, err := s.scope(own, "pr/5").Credentials.Retrieve(t.Context())
	if err != nil || got.AccessKeyID != "ASIASTORE" {
		t.Fatalf("%+v %v", got.AccessKeyID, err)
	}
	for name, want := range map[string]string{
		"Action": "AssumeRole", "RoleArn": "arn:aws:iam::123456789012:role/store", "RoleSessionName": "runner-" + s.ID,
		"Tags.member.1.Key": "prefix", "Tags.member.1.Value": "pr/5",
	} {
		if asked.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, asked.Get(name), want)
		}
	}
	if text := s.Redactor.String("secret-of-the-store token-of-the-store"); strings.Contains(text, "of-the-store") {
		t.Errorf("the log would show %s", text)
	}

	s = New(t.Context(), nil, config.Config{})
	if got, err := s.scope(own, "pr/5").Credentials.Retrieve(t.Context()); err != nil || got.AccessKeyID != "AKIATASK" {
		t.Errorf("without a role the store is used with %s, %v", got.AccessKeyID, err)
	}
}

// The SDK's own lines would stand between those of the log, which a machine reads.
func TestTheSDKWritesNoLines(t *testing.T) {
	c, err := LoadAWS(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, silent := c.Logger.(logging.Nop); !silent {
		t.Errorf("the SDK's logger is %T", c.Logger)
	}
}
