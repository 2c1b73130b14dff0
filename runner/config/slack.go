package config

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/carlin-cicd/runner/runner/outcome"
)

var (
	emailAddress = regexp.MustCompile(`^[^\s@=,<>]+@[^\s@=,<>]+$`)
	slackUser    = regexp.MustCompile(`^[UW][A-Z0-9]{6,}$`)
)

// slackUsers returns the ids of Slack by address. The error is a *outcome.ConfigError.
func (c Config) slackUsers() (map[string]string, error) {
	users := map[string]string{}
	for entry := range strings.FieldsFuncSeq(c.SlackUsers, func(r rune) bool { return r == ',' || r == '\n' }) {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		address, id, _ := strings.Cut(entry, "=")
		address, id = strings.ToLower(strings.TrimSpace(address)), strings.TrimSpace(id)
		_, twice := users[address]
		switch {
		case !emailAddress.MatchString(address) || !slackUser.MatchString(id):
			return nil, &outcome.ConfigError{
				Message: fmt.Sprintf("RUNNER_SLACK_USERS has %q", entry),
				Advice:  "write the address of an author and the member ID that Slack shows, as in ana@example.com=U0123456789",
			}
		case twice:
			return nil, &outcome.ConfigError{
				Message: "RUNNER_SLACK_USERS has " + address + " twice", Advice: "write each address once",
			}
		}
		users[address] = id
	}
	return users, nil
}

// SlackUser returns the id of the user of Slack with the address; "" if there is none.
func (c Config) SlackUser(address string) string {
	users, _ := c.slackUsers() // checked when the configuration was read
	return users[strings.ToLower(strings.TrimSpace(address))]
}
