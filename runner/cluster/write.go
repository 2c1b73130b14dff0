package cluster

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/carlin-cicd/runner/runner/deploy/stack"
)

// Write writes the templates and the parameters of each stack to a folder, for people who deploy by other means, and
// returns the commands of the AWS CLI and of carlin that deploy them, in this order. It asks no account.
func (d *Deployment) Write(folder string) (commands []string, err error) {
	d.Account = &Account{ID: d.Settings.Account, Region: d.Settings.Region}
	d.Targets = map[string]*Account{}
	for _, e := range d.Settings.Environments {
		d.Targets[e.Name] = &Account{ID: e.Account, Region: e.Region}
	}
	parts, err := d.parts(facts{})
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	for _, p := range parts {
		template := filepath.Join(folder, p.template.Name)
		if err := os.WriteFile(template, []byte(p.template.Text), 0o644); err != nil {
			return nil, err
		}
		set, _, err := d.parameters(p, stack.Snapshot{Status: stack.Absent}, nil)
		if err != nil {
			return nil, err
		}
		name := strings.ReplaceAll(p.label, " ", "-")
		if err := writeParameters(folder, p.stack, set); err != nil {
			return nil, err
		}
		command := fmt.Sprintf("# %s\naws cloudformation deploy --stack-name %s --template-file %s --capabilities CAPABILITY_IAM --parameter-overrides file://%s",
			strings.ReplaceAll(name, "-", " "), p.stack, template, filepath.Join(folder, p.stack+".parameters.json"))
		if len(p.template.Text) > maxBody {
			command += " --s3-bucket TEMPLATE-BUCKET"
		}
		if left := p.template.missing(set); len(left) > 0 {
			command += fmt.Sprintf("\n#   add to the parameters, from the outputs of %s: %s", strings.Join(p.from, " and "), strings.Join(left, ", "))
		}
		command += fmt.Sprintf("\n#   or by carlin: carlin deploy -t %s --stack-name %s --config %s",
			template, p.stack, filepath.Join(folder, p.stack+".carlin.yml"))
		commands = append(commands, command)
	}
	return commands, nil
}

// writeParameters writes the parameters of a stack, for the AWS CLI and for carlin.
func writeParameters(folder, name string, set map[string]string) error {
	type awsParameter struct{ ParameterKey, ParameterValue string }
	type carlinParameter struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	}
	forAWS, forCarlin := []awsParameter{}, []carlinParameter{}
	for _, key := range sortedKeys(set) {
		forAWS = append(forAWS, awsParameter{key, set[key]})
		forCarlin = append(forCarlin, carlinParameter{key, set[key]})
	}
	for file, value := range map[string]any{
		name + ".parameters.json": forAWS,
		name + ".carlin.yml":      map[string]any{"parameters": forCarlin}, // JSON is YAML
	} {
		text, err := json.MarshalIndent(value, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, file), append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	return nil
}
