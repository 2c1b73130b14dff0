// Package infra holds the CloudFormation templates of the cluster, for programs that deploy them.
package infra

import (
	"embed"
	"strings"
)

//go:embed base.yaml cicd.yaml environment.yaml target.yaml webhook.yaml
var templates embed.FS

// Template returns the text of a template by its name, such as cicd.yaml; "" if there is none of that name.
func Template(name string) string {
	text, err := templates.ReadFile(name)
	if err != nil {
		return ""
	}
	return string(text)
}

// Version is the version of the runner that the templates belong to. A release sets it in all of them.
func Version() string {
	_, after, _ := strings.Cut(Template("base.yaml"), `RunnerVersion: { Value: "`)
	version, _, _ := strings.Cut(after, `"`)
	return version
}

// WebhookComment begins the comment of webhook.zip, which ends with the version.
const WebhookComment = "carlin-cicd runner webhook "
