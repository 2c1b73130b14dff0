package source

import (
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Options say which commit to bring where.
type Options struct {
	URL     string // https, ssh, git@host:path or file
	SHA     string // whole
	Branch  string // for people only
	Dir     string
	Token   string // for https; never in a URL, an argument or a file
	Retries int    // further tries after a failure of the network
	Log     func(msg string, args ...any)
}

// Checkout brings the folder to the commit, fetching exactly that one, unless it is there already. Files that the
// commit's .gitignore ignores stay, node_modules among them; changed files are put back, and others that are not
// in the commit are left alone, for what a prebaked image has beside the sources is there on purpose.
//
// The error is a *NotFoundError, *AccessError, *HostKeyError, *NetworkError or *Error.
func Checkout(ctx context.Context, run Runner, o Options) (Commit, bool, error) {
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
	if !isFullSHA(o.SHA) {
		return Commit{}, false, &Error{What: fmt.Sprintf("GIT_SHA %s is not a whole commit id", o.SHA), Advice: "give all 40 digits: a server finds a commit by nothing shorter"}
	}
	if c, err := Describe(ctx, run, o.Dir); err == nil && c.SHA == o.SHA {
		return c, false, nil
	}
	from, credentials, err := origin(o)
	if err != nil {
		return Commit{}, false, err
	}
	git := func(args ...string) error {
		out, err := run(ctx, o.Dir, slices.Concat(quietly, credentials), slices.Concat(trusting, args)...)
		if err != nil {
			return explain(from, o, out, err)
		}
		return nil
	}
	if _, err := os.Lstat(filepath.Join(o.Dir, ".git")); err != nil {
		if err := git("init", "--quiet"); err != nil {
			return Commit{}, false, err
		}
	}
	if err := o.retried(ctx, func() error {
		return git("fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", from, o.SHA)
	}); err != nil {
		return Commit{}, false, err
	}
	if err := git("checkout", "--quiet", "--force", "--detach", o.SHA); err != nil {
		return Commit{}, false, err
	}
	return Commit{Branch: o.Branch, SHA: o.SHA}, true, nil
}

// retried tries again what the network kept from succeeding, each time after a longer while.
func (o Options) retried(ctx context.Context, do func() error) error {
	wait := time.Second
	for try := 0; ; try++ {
		err := do()
		if _, passing := err.(*NetworkError); !passing || try >= o.Retries {
			return err
		}
		pause := wait/2 + rand.N(wait) // so that tasks that failed together do not come back together
		o.Log("the fetch failed and is tried again", "error", err.Error(), "after", pause.Round(time.Millisecond).String())
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		wait = min(2*wait, 15*time.Second)
	}
}

// origin returns the URL without credentials, and those as git takes them from the environment.
func origin(o Options) (string, []string, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme == "" { // git@host:path, or a folder
		return o.URL, nil, nil
	}
	if _, has := u.User.Password(); has {
		return "", nil, &Error{What: "REPOSITORY_URL has a password in it", Advice: "take it out, and give the token as GITHUB_TOKEN"}
	}
	if o.Token == "" || u.Scheme != "https" && !isLoopback(u) {
		return o.URL, nil, nil
	}
	u.User = nil
	header := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("x-access-token:"+o.Token))
	// For this host only: a redirect or a submodule elsewhere does not get it.
	return u.String(), []string{
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=http." + u.Scheme + "://" + u.Host + "/.extraHeader", "GIT_CONFIG_VALUE_0=" + header,
	}, nil
}

// isLoopback allows a token over plain http to this machine, where nobody can listen on the way.
func isLoopback(u *url.URL) bool {
	return u.Scheme == "http" && (u.Hostname() == "127.0.0.1" || u.Hostname() == "localhost" || u.Hostname() == "::1")
}

// explain finds out from git's words what went wrong.
func explain(from string, o Options, output string, err error) error {
	words := lastLines(output, o.Token)
	said := func(phrases ...string) bool {
		for _, p := range phrases {
			if strings.Contains(output, p) {
				return true
			}
		}
		return false
	}
	switch {
	case said("not our ref", "couldn't find remote ref", "no such remote ref", "unadvertised object", "reference is not a tree", "bad object"):
		return &NotFoundError{SHA: o.SHA, URL: from, Said: words}
	case said("Host key verification failed", "REMOTE HOST IDENTIFICATION HAS CHANGED"):
		return &HostKeyError{URL: from, Said: words}
	case said("Authentication failed", "could not read Username", "terminal prompts disabled", "Permission denied", "Repository not found", "not found", "error: 403", "error: 401",
		"does not appear to be a git repository", "does not exist", "dubious ownership"):
		return &AccessError{URL: from, Said: words, HasToken: o.Token != ""}
	case said("Could not resolve host", "Failed to connect", "Couldn't connect", "Connection refused", "Connection timed out", "Connection reset", "Operation timed out", "early EOF", "unexpected disconnect",
		"The requested URL returned error: 5", "RPC failed", "GnuTLS recv error", "SSL_read", "Could not read from remote repository", "the remote end hung up", "Temporary failure"):
		return &NetworkError{URL: from, Said: words}
	}
	if words == "" {
		words = err.Error()
	}
	return &Error{What: "git failed: " + words, Advice: "see that git is in the image, and that the workspace can be written"}
}

// lastLines are git's last words, on one line and without the token.
func lastLines(output, token string) string {
	if token != "" {
		output = strings.ReplaceAll(output, token, "[REDACTED]")
	}
	var kept []string
	for line := range strings.Lines(output) {
		if line = strings.TrimSpace(line); line != "" {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept[max(0, len(kept)-3):], "; ")
}
