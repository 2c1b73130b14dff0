// Package infra holds the CloudFormation templates of the cluster, for programs that deploy them.
package infra

import "embed"

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
