package source

import (
	"encoding/base64"
	"strings"
	"unicode"
)

// explain finds out from git's words what went wrong. The order matters: a full disk or a bad key also ends with the
// remote end hanging up.
func (c checkout) explain(output string, err error) error {
	said := func(phrases ...string) bool {
		for _, p := range phrases {
			if strings.Contains(output, p) {
				return true
			}
		}
		return false
	}
	words := lastLines(output, c.Token, base64.StdEncoding.EncodeToString([]byte(c.Token)))
	withheld := c.Token != "" && c.from.variables == nil
	switch {
	case said("No space left on device", "Disk quota exceeded"):
		return &Error{Message: "the workspace is full: " + words, Advice: "give the task more ephemeral storage"}
	case said(".lock': File exists"):
		return &Error{Message: "another git is at work in the workspace, or was killed there: " + words, Advice: "remove the .lock file if nobody uses it"}
	case said("transport '"):
		return &Error{Message: "REPOSITORY_URL is of a kind that is not allowed: " + words, Advice: "use https, ssh or file"}
	case said("HTTP 301", "HTTP 302", "HTTP 307", "HTTP 308"):
		return &Error{Message: c.from.url + " has moved: " + words, Advice: "set REPOSITORY_URL to where it is now"}
	case said("certificate problem", "certificate verification failed", "SSL certificate"):
		return &Error{Message: "the certificate of " + c.from.url + " is not trusted: " + words, Advice: "put the authority that signed it into the image, or name it in GIT_SSL_CAINFO"}
	case said("Host key verification failed", "REMOTE HOST IDENTIFICATION HAS CHANGED"):
		return &HostKeyError{URL: c.from.url, Message: words}
	case said("not our ref", "couldn't find remote ref", "no such remote ref", "unadvertised object", "reference is not a tree"):
		return &NotFoundError{SHA: c.SHA, URL: c.from.url, Message: words}
	case said("returned error: 429", "HTTP 429", "returned error: 408", "HTTP 408"):
		return &NetworkError{URL: c.from.url, Message: words}
	case said("Authentication failed", "could not read Username", "could not read Password", "terminal prompts disabled", "Permission denied (", "Repository not found", "repository not found",
		"' not found", "error: 40", "HTTP 40", "does not appear to be a git repository", "' does not exist"):
		return &AccessError{URL: c.from.url, Message: words, HasToken: c.Token != "", TokenWithheld: withheld}
	case said("Could not resolve", "Failed to connect", "Couldn't connect", "Connection refused", "Connection timed out", "Connection reset", "Operation timed out", "Operation too slow",
		"early EOF", "unexpected disconnect", "returned error: 5", "RPC failed", "Recv failure", "recv error", "SSL_read", "Empty reply from server", "Could not read from remote repository",
		"remote end hung up", "Temporary failure"):
		return &NetworkError{URL: c.from.url, Message: words}
	}
	return &Error{Message: "git failed: " + first(words, err.Error()), Advice: "see that git is in the image, that .git is whole, and that the workspace can be written"}
}

const maxLine = 300 // bytes

// lastLines are git's last words, on one line and without the secrets.
func lastLines(output string, secrets ...string) string {
	for _, secret := range secrets {
		if secret = strings.TrimSpace(secret); secret != "" {
			output = strings.ReplaceAll(output, secret, "[REDACTED]")
		}
	}
	var kept []string
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(strings.Map(func(r rune) rune { // what a server says goes to somebody's terminal
			if unicode.IsPrint(r) || r == '\t' {
				return r
			}
			return -1
		}, line))
		if line == "" || strings.HasPrefix(line, "hint:") || line == "and the repository exists." || strings.HasPrefix(line, "Please make sure you have the correct access") {
			continue
		}
		if len(line) > maxLine {
			line = strings.ToValidUTF8(line[:maxLine], "") + "…"
		}
		kept = append(kept, line)
	}
	return strings.Join(kept[max(0, len(kept)-3):], "; ")
}
