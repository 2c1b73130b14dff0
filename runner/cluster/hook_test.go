package cluster

import (
	"encoding/json"
	"strings"
	"testing"
)

// hookPlan plans the webhook of the fake's cluster.
func hookPlan(t *testing.T, f *fakeAWS, token, address string) (*Deployment, *Plan) {
	t.Helper()
	d := f.inspect(t).Deployment
	d.GitHub = &GitHub{Token: token, URL: f.URL, HTTP: f.Client()}
	plan := &Plan{}
	outputs := map[string]string{"Url": address}
	if address == "later" {
		outputs = nil
	}
	if err := d.planHook(t.Context(), plan, outputs); err != nil {
		t.Fatal(err)
	}
	return d, plan
}

func TestAWebhookIsRegisteredOnce(t *testing.T) {
	f := newFakeAWS(t)
	f.hooks = []any{hookOf(f, "")}
	const address = "https://abc.lambda-url.eu-west-1.on.aws/"
	f.json["GetSecretValue"] = map[string]any{"SecretString": "the-secret-of-the-webhook"}
	d, plan := hookPlan(t, f, "token", address)
	if plan.Webhook != "acme/shop" || !plan.Changes() {
		t.Fatalf("%+v", plan)
	}
	if err := d.addHook(t.Context(), plan.Webhook, map[string]string{"Url": address, "SecretArn": "arn:secret"}); err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(f.hooks.([]any)[1])
	want := `{"active":true,"config":{"content_type":"json","insecure_ssl":"0","secret":"the-secret-of-the-webhook","url":"` + address +
		`"},"events":["push","pull_request","merge_group"],"name":"web"}`
	if string(text) != want {
		t.Errorf("%s\nwant %s", text, want)
	}
	if _, plan = hookPlan(t, f, "token", address); plan.Webhook != "" || plan.Changes() {
		t.Errorf("it is registered again: %+v", plan)
	}
}

func TestAWebhookIsPlannedOnlyWithTheRightToRegisterIt(t *testing.T) {
	f := newFakeAWS(t)
	for name, c := range map[string]struct {
		token, address string
		hooks          any
		want           string
	}{
		"without a token":                {"", "https://x/", []any{}, ""},
		"with one that may not":          {"other", "https://x/", []any{}, ""},
		"before there is an address":     {"token", "later", []any{}, "acme/shop"},
		"where there will be none":       {"token", "", []any{}, ""},
		"with the address of this stack": {"token", f.URL + "/hook/", []any{hookOf(f, "")}, ""},
		"with that of another stack":     {"token", "https://x/", []any{hookOf(f, "")}, "acme/shop"},
	} {
		t.Run(name, func(t *testing.T) {
			f.hooks = c.hooks
			if _, plan := hookPlan(t, f, c.token, c.address); plan.Webhook != c.want {
				t.Errorf("%q, want %q", plan.Webhook, c.want)
			}
		})
	}
}

func TestAWebhookThatIsNotTakenIsSaidWithoutItsSecret(t *testing.T) {
	f := newFakeAWS(t)
	d, _ := hookPlan(t, f, "token", "")
	f.json["GetSecretValue"] = map[string]any{"SecretString": "the-secret-of-the-webhook"}
	d.GitHub.Token = "another"
	err := d.addHook(t.Context(), "acme/shop", map[string]string{"Url": "https://x/", "SecretArn": "arn:secret"})
	if err == nil || !strings.Contains(err.Error(), "it answers 404") || strings.Contains(err.Error(), "the-secret") {
		t.Error(err)
	}
}
