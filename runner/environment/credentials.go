package environment

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/session"
)

// credentialSources are the variables by which SDKs find credentials outside of the user's own configuration files:
// those of the task's role, of a web identity, and static ones.
var credentialSources = []string{
	"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
	"AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
	"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME",
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN",
}

// dropCredentials removes from a command's variables those that the runner got and that lead to credentials. What the
// step sets itself stays.
func dropCredentials(variables map[string]string, own map[string]string) {
	for _, name := range credentialSources {
		if _, ok := own[name]; !ok {
			delete(variables, name)
		}
	}
	variables["AWS_EC2_METADATA_DISABLED"] = "true"
}

// retrieveTimeout bounds the request for credentials before the command.
const retrieveTimeout = 5 * time.Second

// RedactCredentials retrieves the credentials of the task's role or web identity if the command can get them too, so
// that the redactor knows them before the command prints them. Errors are ignored: whatever needs the credentials
// reports them.
func RedactCredentials(ctx context.Context, s *session.Session, e Environment) {
	reachable := slices.ContainsFunc(credentialSources, func(name string) bool {
		return e.Variables[name] != "" && (strings.HasSuffix(name, "_URI") || strings.HasSuffix(name, "_TOKEN_FILE"))
	})
	if !reachable {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, retrieveTimeout)
	defer cancel()
	if c, err := s.AWS(ctx); err == nil && c.Credentials != nil {
		_, _ = c.Credentials.Retrieve(ctx)
	}
}
