package cluster

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/awsjson"
)

// webhookTimeout bounds one look at the webhook or at GitHub.
const webhookTimeout = 15 * time.Second

// checkWebhook looks whether the webhook answers.
func (i *Inspection) checkWebhook(ctx context.Context) ([]artifacts.Finding, error) {
	if i.hook.Missing() {
		if i.values["GitHubRoles"] == "true" {
			return []artifacts.Finding{ok("none: workflows put the events")}, nil
		}
		return []artifacts.Finding{broken("there is neither a webhook nor a role for workflows, so that no push comes in",
			"runner cluster deploy --door webhook")}, nil
	}
	problem, err := i.missingSecret(ctx, i.hook.Outputs["SecretArn"])
	if err != nil {
		return nil, err
	}
	if problem != "" {
		return []artifacts.Finding{broken("the webhook's secret "+problem, "restore it, or delete stack "+i.Settings.WebhookStack()+" and deploy it again")}, nil
	}
	address := i.hook.Outputs["Url"]
	if address == "" {
		return []artifacts.Finding{ok("this region has no function URLs; the function is behind an address of your own")}, nil
	}
	status, _, err := i.get(ctx, address)
	switch {
	case err != nil:
		return []artifacts.Finding{broken(fmt.Sprintf("the webhook %s cannot be reached: %v", address, err),
			"look at the function in the console; this machine's network may be the reason, too")}, nil
	case status == http.StatusForbidden:
		return []artifacts.Finding{broken("AWS denies GitHub the webhook: it answers 403",
			"runner cluster deploy sets its two permissions again; a policy of the organization may forbid public functions")}, nil
	case status == http.StatusTooManyRequests:
		return []artifacts.Finding{warning("the webhook is throttled", "raise ReservedConcurrency, or the account's concurrency")}, nil
	case status >= http.StatusInternalServerError:
		return []artifacts.Finding{broken(fmt.Sprintf("the webhook's function fails: it answers %d", status),
			"look into its log: /aws/lambda/, and the name of the function")}, nil
	}
	return []artifacts.Finding{ok("%s answers", address)}, nil
}

// gitHubHook is a webhook as GitHub's API returns it.
type gitHubHook struct {
	ID     int64
	Active bool
	Events []string
	Config struct {
		URL         string `json:"url"`
		ContentType string `json:"content_type"`
	}
	LastResponse struct {
		Code    int
		Message string
	} `json:"last_response"`
}

// isFor reports whether the webhook calls an address.
func (h gitHubHook) isFor(address string) bool {
	return strings.TrimSuffix(h.Config.URL, "/") == strings.TrimSuffix(address, "/")
}

// checkDeliveries asks GitHub for its webhook, and how the last delivery ended.
func (i *Inspection) checkDeliveries(ctx context.Context) ([]artifacts.Finding, error) {
	address := i.hook.Outputs["Url"]
	if i.hook.Missing() || address == "" {
		return nil, nil
	}
	if i.GitHubToken == "" {
		return []artifacts.Finding{warning("GitHub was not asked for its webhook", "set GITHUB_TOKEN to a token that may read the webhooks of the repository")}, nil
	}
	repository := i.Settings.repositoryName()
	status, hooks, err := (&GitHub{i.GitHubToken, i.GitHubURL, i.HTTP}).hooks(ctx, repository)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return []artifacts.Finding{warning(fmt.Sprintf("GitHub does not show the webhooks of %s: it answers %d", repository, status),
			"give GITHUB_TOKEN the right to read webhooks; a webhook of the organization is not shown here")}, nil
	}
	at := slices.IndexFunc(hooks, func(h gitHubHook) bool { return h.isFor(address) })
	if at < 0 {
		return []artifacts.Finding{broken(repository+" has no webhook for "+address,
			"runner cluster deploy registers it, with a GITHUB_TOKEN that may write webhooks, or prints the command to do so")}, nil
	}
	return judgeHook(hooks[at]), nil
}

// judgeHook checks the settings of a webhook, and its last delivery.
func judgeHook(h gitHubHook) []artifacts.Finding {
	var found []artifacts.Finding
	if !h.Active {
		found = append(found, broken("the webhook is not active at GitHub", "activate it in the settings of the repository"))
	}
	if h.Config.ContentType != "json" {
		found = append(found, broken("GitHub sends forms, not JSON", "set the webhook's content type to application/json"))
	}
	for _, event := range hookEvents {
		if slices.Contains(h.Events, event) || slices.Contains(h.Events, "*") {
			continue
		}
		f := warning("GitHub does not send the event "+event, "choose it in the settings of the webhook")
		if event == "push" {
			f.Severity = artifacts.Failure
		}
		found = append(found, f)
	}
	switch {
	case h.LastResponse.Code >= http.StatusBadRequest:
		found = append(found, broken(
			fmt.Sprintf("the last delivery ended with %d %s", h.LastResponse.Code, h.LastResponse.Message),
			"401: GitHub has another secret; else look into the function's log. Redeliver in the settings of the webhook",
		))
	case h.LastResponse.Code == 0:
		found = append(found, warning("GitHub has delivered nothing yet", "push a commit"))
	}
	if found == nil {
		found = append(found, ok("the last delivery ended with %d", h.LastResponse.Code))
	}
	return found
}

// get fetches an address. Errors are without it, as it may be long.
func (i *Inspection) get(ctx context.Context, address string) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, webhookTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, nil, err
	}
	return send(i.HTTP, request)
}

// noCommit is a commit that no repository has.
const noCommit = "0000000000000000000000000000000000000000"

var tableService = awsjson.Service{Name: "dynamodb", ID: "DynamoDB", Target: "DynamoDB_20120810", Version: "1.0"}

// Ping puts an event on the bus, and waits until the machine has seen it. The event has the id of a delivery that the
// machine remembers, so that it is taken for one that arrived twice, and runs nothing.
func (i *Inspection) Ping(ctx context.Context, limit time.Duration) (artifacts.Finding, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	begun := time.Now()
	delivery := "ping-" + rand.Text()
	err := i.call(ctx, tableService, "PutItem", map[string]any{"TableName": i.out("TableName"), "Item": map[string]any{
		"id": map[string]string{"S": "delivery#manual#" + delivery}, "expires": map[string]string{"N": strconv.FormatInt(begun.Add(time.Hour).Unix(), 10)},
	}}, nil)
	if err != nil {
		return artifacts.Finding{}, err
	}
	detail, _ := json.Marshal(map[string]any{
		"repository": i.out("GitHubRepository"), "ref": "refs/heads/" + i.values["MainBranch"], "after": noCommit, "delivery": delivery,
	})
	var put struct {
		FailedEntryCount int
		Entries          []struct {
			EventID                 string `json:"EventId"`
			ErrorCode, ErrorMessage string
		}
	}
	err = i.call(ctx, eventsService, "PutEvents", map[string]any{"Entries": []any{map[string]any{
		"EventBusName": i.out("EventBusName"), "Source": "ci.manual", "DetailType": "manual", "Detail": string(detail),
	}}}, &put)
	switch {
	case err != nil:
		return artifacts.Finding{}, err
	case put.FailedEntryCount > 0 || len(put.Entries) != 1:
		return failure("ping", "the bus does not take an event", "look at its policy in the console"), nil
	}
	for {
		status, err := i.executionOf(ctx, put.Entries[0].EventID)
		switch {
		case ctx.Err() != nil:
			return failure("ping", fmt.Sprintf("the event started nothing within %s", limit),
				"look at the rules of the bus, and at the queue of dead letters"), nil
		case err != nil:
			return artifacts.Finding{}, err
		case status == "SUCCEEDED":
			f := ok("an event went from the bus through the machine in %s", time.Since(begun).Round(time.Second/10))
			f.Subject = "ping"
			return f, nil
		case status != "" && status != "RUNNING":
			return failure("ping", "the event came out of the machine as "+status, "runner pipeline status shows why"), nil
		}
		if i.Account.pause(ctx) != nil {
			continue // the time is up
		}
	}
}

// executionOf returns the status of the execution that an event started; "" if there is none yet.
func (i *Inspection) executionOf(ctx context.Context, eventID string) (string, error) {
	var list struct {
		Executions []struct{ ExecutionArn, Status string }
	}
	err := i.call(ctx, statesService, "ListExecutions", map[string]any{"stateMachineArn": i.out("StateMachineArn"), "maxResults": 10}, &list)
	if err != nil {
		return "", err
	}
	for _, e := range list.Executions {
		var execution struct{ Input string }
		if err := i.call(ctx, statesService, "DescribeExecution", map[string]any{"executionArn": e.ExecutionArn}, &execution); err != nil {
			return "", err
		}
		if strings.Contains(execution.Input, eventID) {
			return e.Status, nil
		}
	}
	return "", nil
}
