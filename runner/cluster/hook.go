package cluster

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// GitHub is the API of GitHub, with a token; "" leaves out what needs one.
type GitHub struct {
	Token string // a secret
	URL   string // of the API
	HTTP  *http.Client
}

// hookEvents are the events that the webhook takes.
var hookEvents = []string{"push", "pull_request", "merge_group"}

// planHook finds out whether GitHub lacks the webhook. Without a token, or the right to look, it leaves it to a person.
func (d *Deployment) planHook(ctx context.Context, plan *Plan, outputs map[string]string) error {
	if !d.Settings.Door.Webhook() || d.GitHub == nil || d.GitHub.Token == "" {
		return nil
	}
	repository := d.Settings.repositoryName()
	if outputs != nil { // else the stack is made on the way
		address := outputs["Url"]
		if address == "" {
			return nil // the region has no function URLs
		}
		status, hooks, err := d.GitHub.hooks(ctx, repository)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil || status != http.StatusOK:
			d.note(fmt.Sprintf("GITHUB_TOKEN does not show the webhooks of %s, so none is registered", repository))
			return nil
		case slices.ContainsFunc(hooks, func(h gitHubHook) bool { return h.isFor(address) }):
			return nil
		}
	}
	plan.Webhook = repository
	return nil
}

// addHook registers the webhook at GitHub, with the secret that its stack has made.
func (d *Deployment) addHook(ctx context.Context, repository string, outputs map[string]string) error {
	advice := "give GITHUB_TOKEN the right to write webhooks of " + repository + ", and run the command again; or register it by hand"
	address, arn := outputs["Url"], outputs["SecretArn"]
	if address == "" {
		return nil // the region has no function URLs
	}
	var secret struct{ SecretString string }
	if err := d.callOnce(ctx, secretsService, "GetSecretValue", map[string]string{"SecretId": arn}, &secret); err != nil {
		return &Error{Message: "the webhook's secret " + arn + " cannot be read, so that it was not registered", Err: err, Advice: "allow secretsmanager:GetSecretValue"}
	}
	body, err := json.Marshal(map[string]any{
		"name": "web", "active": true, "events": hookEvents,
		"config": map[string]string{"url": address, "content_type": "json", "insecure_ssl": "0", "secret": secret.SecretString},
	})
	if err != nil {
		return err
	}
	status, _, err := d.GitHub.request(ctx, http.MethodPost, "/repos/"+repository+"/hooks", body)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return &Error{Message: "the webhook was not registered at GitHub", Err: err, Advice: advice}
	case status != http.StatusCreated:
		return &Error{Message: fmt.Sprintf("GitHub does not register the webhook of %s: it answers %d", repository, status), Advice: advice}
	}
	d.note("registered the webhook at GitHub, in " + repository)
	return nil
}

// HookCommand registers the webhook by the AWS CLI, jq and gh. The secret is on no command line.
func HookCommand(s Settings, outputs map[string]string) string {
	return fmt.Sprintf(`aws secretsmanager get-secret-value --secret-id '%s' --query SecretString --output json |
  jq '{name: "web", events: ["%s"], config: {url: "%s", content_type: "json", secret: .}}' |
  gh api repos/%s/hooks --method POST --input -`,
		outputs["SecretArn"], strings.Join(hookEvents, `", "`), outputs["Url"], s.repositoryName())
}

// hooks are the webhooks of a repository.
func (g *GitHub) hooks(ctx context.Context, repository string) (status int, hooks []gitHubHook, err error) {
	status, body, err := g.request(ctx, http.MethodGet, "/repos/"+repository+"/hooks?per_page=100", nil)
	if err != nil || status != http.StatusOK {
		return status, nil, err
	}
	if json.Unmarshal(body, &hooks) != nil {
		return status, nil, errors.New("GitHub's answer is not valid JSON")
	}
	return status, hooks, nil
}

// request sends a request. Errors are without its address and its body.
func (g *GitHub) request(ctx context.Context, method, path string, body []byte) (status int, answer []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, webhookTimeout)
	defer cancel()
	address := strings.TrimSuffix(cmp.Or(g.URL, "https://api.github.com"), "/") + path
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Authorization", "Bearer "+g.Token)
	request.Header.Set("Accept", "application/vnd.github+json")
	request.Header.Set("User-Agent", "carlin-cicd-runner") // GitHub refuses requests without
	return send(g.HTTP, request)
}

// send sends a request, and reads at most 1 MiB of the answer. Errors are without the address.
func send(client *http.Client, request *http.Request) (status int, answer []byte, err error) {
	response, err := client.Do(request)
	if failed := (*url.Error)(nil); errors.As(err, &failed) {
		err = failed.Err
	}
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(response.Body, 1<<20))
	return response.StatusCode, answer, err
}
