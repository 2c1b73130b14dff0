package doctor

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/runner/notify/notifytest"
)

func TestTheDoctorChecksNotifications(t *testing.T) {
	for name, c := range map[string]struct {
		variables map[string]string
		hub       *notifytest.GitHub // nil for none
		want      []string           // each begins a line; with "!", none
		unsound   bool
	}{
		"no notification is configured": {want: []string{"!ok slack", "!warning slack", "!ok github", "!warning github"}},
		"a webhook": {
			variables: map[string]string{"SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T0/B0/hunter2"},
			want:      []string{"ok slack: SLACK_WEBHOOK_URL looks like a webhook"},
		},
		"what is no webhook": {
			variables: map[string]string{"SLACK_WEBHOOK_URL": "hooks.slack.com/services/T0/B0/hunter2"},
			want:      []string{"warning slack: Slack: its webhook's address does not begin with https"},
		},
		"a webhook that is kept in a file, with the end of its line": {
			variables: map[string]string{"SLACK_WEBHOOK_URL": "file:webhook"},
			want:      []string{"ok slack: "},
		},
		"a reference that leads nowhere": {
			variables: map[string]string{"SLACK_WEBHOOK_URL": "file:gone", "GITHUB_TOKEN": "file:gone"},
			want:      []string{"warning slack: ", "warning github: "},
		},
		"a token that the checkout takes, too": {
			variables: map[string]string{"GITHUB_TOKEN": "file:gone", "REPOSITORY_URL": "https://example.com/x"},
			want:      []string{"failure github: "},
			unsound:   true,
		},
		"a token without a repository": {
			variables: map[string]string{"GITHUB_TOKEN": "hunter2-hunter2"},
			want:      []string{"ok github: GITHUB_REPOSITORY is not set"},
		},
		"a token that does not say what it may": {hub: &notifytest.GitHub{Private: true}, want: []string{"ok github: GITHUB_TOKEN can read acme/shop (private); whether it may set a status shows"}},
		"a classic token that may":              {hub: &notifytest.GitHub{Scopes: "repo:status"}, want: []string{"ok github: GITHUB_TOKEN may set the status of commits of acme/shop (public)"}},
		"a classic token that may not":          {hub: &notifytest.GitHub{Scopes: "read:org"}, want: []string{"warning github: GITHUB_TOKEN may not set the status"}},
		"a token of another repository":         {hub: &notifytest.GitHub{Repository: "acme/other"}, want: []string{"warning github: GitHub answered 404"}},
		"a token that is over":                  {hub: &notifytest.GitHub{Token: "another"}, want: []string{"warning github: GitHub answered 401"}},
		"no status is wanted": {
			variables: map[string]string{"RUNNER_GITHUB_STATUS": "off"}, hub: &notifytest.GitHub{Scopes: "read:org"},
			want: []string{"ok github: GITHUB_TOKEN can read acme/shop (public); RUNNER_GITHUB_STATUS is off"},
		},
		"a workflow has one": {
			variables: map[string]string{"GITHUB_ACTIONS": "true"}, hub: &notifytest.GitHub{},
			want: []string{"ok github: GITHUB_TOKEN can read acme/shop (public); the workflow sets its own status"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			nowhere(t)
			variables := map[string]string{}
			if c.hub != nil {
				if c.hub.Token == "" {
					c.hub.Token = "hunter2-hunter2"
				}
				if c.hub.Repository == "" {
					c.hub.Repository = "acme/shop"
				}
				address, stop := c.hub.Start()
				defer stop()
				variables = map[string]string{
					"GITHUB_TOKEN":      "hunter2-hunter2",
					"GITHUB_REPOSITORY": "acme/shop",
					"GITHUB_API_URL":    address,
				}
			}
			maps.Copy(variables, c.variables)
			lines, sound := examineIn(
				t,
				map[string]string{"webhook": "https://hooks.slack.com/services/T0/B0/hunter2\n"},
				Doctor{Variables: variables},
			)
			for _, want := range c.want {
				begin, not := strings.CutPrefix(want, "!")
				if slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, begin) }) == not {
					t.Errorf("%q in\n%s", want, strings.Join(lines, "\n"))
				}
			}
			if all := strings.Join(lines, "\n"); sound == c.unsound || strings.Contains(all, "hunter2") {
				t.Errorf("sound: %v\n%s", sound, all)
			}
			if c.hub != nil && len(c.hub.Posts()) > 0 {
				t.Error("something was sent")
			}
		})
	}
}
