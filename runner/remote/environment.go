package remote

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/carlin-cicd/runner/runner/awsjson"
)

// settings returns what runs a step. The error is an *Error or the context's.
func (c *Client) settings(ctx context.Context, r Request) (taskSettings, error) {
	var s taskSettings
	var err error
	switch {
	case r.Step != "deploy" && r.Step != "migrate":
		s, err = c.Cluster.checkSettings(r.Step, r.Variables["BRANCH"])
	case r.Environment == "":
		return s, &Error{Message: "ENVIRONMENT is required for step " + r.Step, Advice: "name it, as in --environment staging"}
	case c.Cluster.Outputs[title(r.Step)+title(r.Environment)+"TaskDefinitionArn"] != "":
		s.Definition = c.Cluster.Outputs[title(r.Step)+title(r.Environment)+"TaskDefinitionArn"]
	default:
		s, err = c.environmentSettings(ctx, r.Step, r.Environment)
	}
	if err != nil {
		return s, err
	}
	return s, c.Cluster.completeNetwork(&s)
}

// environmentSettings reads the parameter that the stack of environment.yaml keeps for an environment.
func (c *Client) environmentSettings(ctx context.Context, step, environment string) (taskSettings, error) {
	name := "/" + c.Cluster.Stack + "/environments/" + environment
	var output struct{ Parameter struct{ Value string } }
	err := c.ssm.Call(ctx, "GetParameter", map[string]string{"Name": name}, &output)
	switch {
	case ctx.Err() != nil:
		return taskSettings{}, ctx.Err()
	case awsjson.HasCode(err, "ParameterNotFound"):
		return taskSettings{}, &Error{
			Message: fmt.Sprintf("the pipeline %s has no environment %s", c.Cluster.Stack, environment),
			Advice:  "deploy environment.yaml for it, or correct --environment",
		}
	case err != nil:
		return taskSettings{}, &Error{
			Message: "could not read the settings of the environment " + environment,
			Advice:  "allow ssm:GetParameter on the parameter " + name, Err: err,
		}
	}
	var steps map[string]taskSettings
	if err := json.Unmarshal([]byte(output.Parameter.Value), &steps); err != nil || steps[step].Definition == "" {
		return taskSettings{}, &Error{
			Message: fmt.Sprintf("the parameter %s has no task definition for %s", name, step),
			Advice:  "deploy environment.yaml again", Err: err,
		}
	}
	return steps[step], nil
}
