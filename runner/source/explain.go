package source

import (
	"cmp"
	"encoding/base64"
	"slices"
	"strings"
	"unicode"
)

// What git and ssh print for the reasons that are distinguished.
var (
	fullPhrases        = []string{"No space left on device", "Disk quota exceeded"}
	lockPhrases        = []string{".lock': File exists"}
	protocolPhrases    = []string{"transport '"}
	movedPhrases       = []string{"HTTP 301", "HTTP 302", "HTTP 307", "HTTP 308"}
	certificatePhrases = []string{"certificate problem", "certificate verification failed", "SSL certificate"}
	hostKeyPhrases     = []string{"Host key verification failed", "REMOTE HOST IDENTIFICATION HAS CHANGED"}
	missingPhrases     = []string{
		"not our ref", "couldn't find remote ref", "no such remote ref", "unadvertised object", "reference is not a tree",
		"Direct fetching of that commit failed",
	}
	busyPhrases   = []string{"returned error: 429", "HTTP 429", "returned error: 408", "HTTP 408"}
	accessPhrases = []string{
		"Authentication failed", "could not read Username", "could not read Password", "terminal prompts disabled",
		"Permission denied (", "Repository not found", "repository not found", "' not found", "error: 40", "HTTP 40",
		"does not appear to be a git repository", "' does not exist",
	}
	networkPhrases = []string{
		"Could not resolve", "Failed to connect", "Couldn't connect", "Connection refused", "Connection timed out",
		"Connection reset", "Operation timed out", "Operation too slow", "early EOF", "unexpected disconnect",
		"returned error: 5", "RPC failed", "Recv failure", "recv error", "SSL_read", "Empty reply from server",
		"Could not read from remote repository", "remote end hung up", "Temporary failure",
	}
	filterPhrases = []string{"smudge filter", "clean filter"}
)

// explain derives the reason of a failure from git's output. The order matters: with a full disk or a wrong key the
// remote end hangs up as well.
func (c *client) explain(output string, err error) error {
	says := func(phrases []string) bool {
		return slices.ContainsFunc(phrases, func(p string) bool { return strings.Contains(output, p) })
	}
	message := lastLines(output, c.Token, base64.StdEncoding.EncodeToString([]byte(c.Token)))
	switch {
	case says(fullPhrases):
		return &Error{"the workspace's disk is full: " + message, "give the task more ephemeral storage"}
	case says(lockPhrases):
		return &Error{
			"another git is at work in the workspace, or was " +
				"killed there: " + message, "remove the .lock file if no process uses it",
		}
	case says(protocolPhrases):
		return &Error{
			"the repository's protocol is not allowed: " + message,
			"use https or ssh in REPOSITORY_URL and .gitmodules",
		}
	case says(movedPhrases):
		return &Error{c.origin.url + " has moved: " + message, "set REPOSITORY_URL to its new address"}
	case says(certificatePhrases):
		return &Error{
			"the certificate of " + c.origin.url + " is not trusted: " + message,
			"put the authority that signed it into the image, or name it in GIT_SSL_CAINFO",
		}
	case says(hostKeyPhrases):
		return &HostKeyError{URL: c.origin.url, Message: message}
	case says(missingPhrases):
		return &NotFoundError{SHA: c.SHA, URL: c.origin.url, Message: message}
	case says(busyPhrases):
		return &NetworkError{URL: c.origin.url, Message: message}
	case says(accessPhrases):
		withheld := c.Token != "" && c.origin.variables == nil
		return &AccessError{URL: c.origin.url, Message: message, HasToken: c.Token != "", TokenWithheld: withheld}
	case says(networkPhrases):
		return &NetworkError{URL: c.origin.url, Message: message}
	case says(filterPhrases):
		return &Error{
			"a filter of git failed: " + message,
			"check that the program of the filter in .gitattributes is in the image",
		}
	}
	return &Error{
		"git failed: " + cmp.Or(message, err.Error()),
		"check that git is in the image, that .git is complete, and that the workspace is writable",
	}
}

const maxLine = 300 // bytes

// lastLines returns the last lines of git's output as one line, without the secrets.
func lastLines(output string, secrets ...string) string {
	for _, secret := range secrets {
		if secret = strings.TrimSpace(secret); secret != "" {
			output = strings.ReplaceAll(output, secret, "[REDACTED]")
		}
	}
	var kept []string
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(strings.Map(func(r rune) rune { // a server's text may reach a terminal
			if unicode.IsPrint(r) || r == '\t' {
				return r
			}
			return -1
		}, line))
		if line == "" || isAdvice(line) {
			continue
		}
		if len(line) > maxLine {
			line = strings.ToValidUTF8(line[:maxLine], "") + "…"
		}
		kept = append(kept, line)
	}
	return strings.Join(kept[max(0, len(kept)-3):], "; ")
}

// isAdvice reports whether a line of git's output says nothing about the failure.
func isAdvice(line string) bool {
	return strings.HasPrefix(line, "hint:") || line == "and the repository exists." ||
		strings.HasPrefix(line, "Please make sure you have the correct access")
}
