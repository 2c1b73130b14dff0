package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/carlin-cicd/runner/runner/awsjson"
)

// AwaitingApproval returns the only execution of a branch or tag that waits for approval. If there is none, or more
// than one, the error is an *Error.
func (p *Pipeline) AwaitingApproval(ctx context.Context, branch string) (Execution, error) {
	running, err := p.list(ctx, branch, map[string]any{"statusFilter": "RUNNING"}, searchLimit)
	if err != nil {
		return Execution{}, err
	}
	var waiting []Execution
	var names []string
	for _, e := range running {
		events, err := p.history(ctx, e.Name)
		if err != nil {
			return Execution{}, err
		}
		if slices.ContainsFunc(stepsOf(events), func(s Step) bool { return s.Status == "waiting" }) {
			waiting, names = append(waiting, e), append(names, e.Name)
		}
	}
	of := strings.TrimSuffix("of "+branch, "of ")
	switch len(waiting) {
	case 0:
		return Execution{}, &Error{
			Message: strings.TrimSpace("no execution "+of) + " waits for approval",
			Advice:  "runner pipeline status shows the newest",
		}
	case 1:
		return waiting[0], nil
	}
	return Execution{}, &Error{
		Message: fmt.Sprintf("%d executions %s wait for approval", len(waiting), of),
		Advice:  "name the one: " + strings.Join(names, ", "),
	}
}

// Approval is what an execution asks for. Its token stays in here.
type Approval struct {
	Execution, Environment, Ref, SHA string
	Since                            string
	Digests                          string // KIND=SHA256 of what the build published, separated by commas; "none" without a record
	token, expires                   string
}

// Sets describes what the build published, for a question: ", builds sha256 0123456789ab". It is "" if the build
// published nothing, or the pipeline is of a release that did not say.
func (a Approval) Sets() string {
	if a.Digests == "none" {
		return ", no build on record"
	}
	var text strings.Builder
	for entry := range strings.SplitSeq(a.Digests, ",") {
		if kind, digest, ok := strings.Cut(entry, "="); ok {
			fmt.Fprintf(&text, ", %s sha256 %.12s", kind, digest)
		}
	}
	return text.String()
}

// Approval returns what an execution waits for. The error is an *Error. The token is in an item of its own, whose key
// has the environment's name, so that policies can tell who may answer for which environment.
func (p *Pipeline) Approval(ctx context.Context, execution string) (Approval, error) {
	i, err := p.item(ctx, "approval#"+execution, "could not read the approval")
	if err != nil {
		return Approval{}, err
	}
	a := Approval{Execution: execution, Environment: i["environment"], Ref: i["ref"], SHA: i["sha"], Since: i["since"], Digests: i["digests"], expires: i["expires"]}
	if a.Environment != "" && i["decision"] == "" {
		i, err = p.item(ctx, "token#"+a.Environment+"#"+execution, "could not read the token that approves for "+a.Environment)
		if err != nil {
			return Approval{}, err
		}
		a.token = i["token"]
	}
	if a.token == "" {
		return Approval{}, &Error{
			Message: execution + " does not wait for an approval", Advice: "runner pipeline status " + execution + " shows its steps",
		}
	}
	return a, nil
}

// Decide approves or rejects, and records who did and why. The error is an *Error. The token ends the waiting, and is in
// the history of the execution; what approves is an item whose key has the environment's name, as that of the token.
func (p *Pipeline) Decide(ctx context.Context, a Approval, yes bool, who, reason string) error {
	operation, action := "SendTaskSuccess", "states:SendTaskSuccess"
	input := map[string]string{"taskToken": a.token}
	said := strings.TrimSuffix("by "+who+": "+reason, ": ")
	if yes {
		output, err := json.Marshal(map[string]string{"approved": said})
		if err != nil {
			return err
		}
		input["output"] = string(output)
		if err := p.putAnswer(ctx, a, string(output)); err != nil {
			return err
		}
	} else {
		operation, action = "SendTaskFailure", "states:SendTaskFailure"
		input["error"], input["cause"] = "Rejected", said
	}
	err := p.states.Call(ctx, operation, input, nil)
	if awsjson.HasCode(err, "TaskTimedOut", "TaskDoesNotExist", "InvalidToken") {
		return &Error{
			Message: a.Execution + " no longer waits for an approval",
			Advice:  "it was answered, superseded or timed out: runner pipeline status " + a.Execution,
		}
	}
	return p.explain(ctx, "the decision cannot be passed on", action, err)
}

// putAnswer writes the item that the machine reads once it is woken.
func (p *Pipeline) putAnswer(ctx context.Context, a Approval, decision string) error {
	id := "answer#" + a.Environment + "#" + a.Execution
	item := map[string]any{"id": map[string]string{"S": id}, "decision": map[string]string{"S": decision}}
	if a.expires != "" {
		item["expires"] = map[string]string{"N": a.expires}
	}
	err := p.dynamo.Call(ctx, "PutItem", map[string]any{"TableName": p.table, "Item": item}, nil)
	return p.explain(ctx, "the approval cannot be recorded", "dynamodb:PutItem on the item "+id+", as the policies of cicd.yaml do", err)
}
