package source

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Options select a commit, where it comes from, and the workspace.
type Options struct {
	URL        string // https, ssh, git@host:path, file or codecommit; without a password
	SHA        string // full id of a commit or of an annotated tag
	Branch     string // of the commit, or a tag, or a full ref; fetched if the server does not serve the SHA itself
	Dir        string // the top of the work tree
	Token      string // for https only; never in a URL, an argument or a file
	SSHCommand string // the environment's GIT_SSH_COMMAND; "ssh" if empty
	SSHKey     string // text of a private key, for ssh only; never in an argument or a file
	KnownHosts string // lines of known_hosts used with SSHKey; empty: those of the image
	Retries    int    // after failures of the network
	Log        *slog.Logger
}

// Checkout brings the folder to the commit, without history, unless it is there already; it reports whether it changed
// anything. Complete does the rest that the repository's settings ask for.
//
// Ignored files stay, node_modules among them. Files that were tracked before and are not in the commit are removed.
// Changes of tracked files are saved as a stash, and undone.
//
// The error is a *NotFoundError, *AccessError, *HostKeyError, *NetworkError or *Error, or the cause of the context's
// end.
func Checkout(ctx context.Context, run Runner, o Options) (Commit, bool, error) {
	o.SHA = strings.ToLower(o.SHA)
	if !isFullSHA(o.SHA) {
		return Commit{}, false, &Error{
			Message: fmt.Sprintf("GIT_SHA %q is not a full commit id", o.SHA),
			Advice:  "set all 40 digits, as git rev-parse prints them: servers do not look up abbreviations",
		}
	}
	here, err := Describe(ctx, run, o.Dir)
	switch {
	case ctx.Err() != nil:
		return Commit{}, false, context.Cause(ctx)
	case err == nil && here.SHA == o.SHA:
		return here, false, nil
	}
	c, err := newClient(ctx, run, o)
	if err != nil {
		return Commit{}, false, err
	}
	defer c.close()
	sha, err := c.checkout(here)
	if err != nil {
		return Commit{}, false, err
	}
	return Commit{Branch: o.Branch, SHA: sha}, sha != here.SHA, nil
}

// client runs git in one workspace for one repository.
type client struct {
	Options
	ctx    context.Context
	run    Runner
	origin origin
	agent  *keyAgent // nil without a key
}

// newClient checks the options, and starts an agent for the key.
func newClient(ctx context.Context, run Runner, o Options) (*client, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	from, err := parseOrigin(o.URL, o.Token)
	if err != nil {
		return nil, err
	}
	if from.variables == nil && o.Token != "" && strings.HasPrefix(from.url, "http:") {
		o.Log.Info("the token is not sent, because http is not encrypted", "url", from.url)
	}
	c := &client{Options: o, ctx: ctx, run: run, origin: from}
	if o.SSHKey != "" {
		if c.agent, err = openAgent(o.SSHKey, o.KnownHosts); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *client) close() { c.agent.close() }

// checkout fetches the commit and checks it out. It returns the commit's id.
func (c *client) checkout(here Commit) (sha string, err error) {
	fresh, err := c.openRepository()
	if err != nil {
		return "", err
	}
	if sha, err = c.fetchCommit(here); err != nil {
		if fresh { // an empty repository would be in the way of the next attempt
			os.RemoveAll(filepath.Join(c.Dir, ".git"))
		}
		return "", err
	}
	if err := c.setOrigin(); err != nil {
		return "", err
	}
	if sha == here.SHA {
		return sha, nil
	}
	if here.Dirty {
		if err := c.saveChanges(); err != nil {
			return "", err
		}
	}
	_, err = c.git("checkout", "--quiet", "--force", "--detach", sha)
	return sha, err
}

// git runs git and explains its failure.
func (c *client) git(args ...string) (string, error) {
	ssh := cmp.Or(c.SSHCommand, "ssh") + sshOptions
	if c.agent != nil {
		ssh += c.agent.options()
	}
	variables := slices.Concat(gitEnvironment(), []string{
		"GIT_SSH_COMMAND=" + ssh, "GIT_ALLOW_PROTOCOL=" + c.origin.protocols(), "GIT_LFS_SKIP_SMUDGE=1",
	}, c.origin.variables)
	out, err := c.run(c.ctx, c.Dir, variables, slices.Concat(settings(c.Dir), c.origin.settings, args)...)
	if err == nil {
		return out, nil
	}
	if c.ctx.Err() != nil { // whatever git printed, it was stopped
		return out, context.Cause(c.ctx)
	}
	return out, c.explain(out, err)
}

// sshOptions never ask, and give up on a server that does not respond.
const sshOptions = " -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=20 -o ServerAliveInterval=15"

// ask runs git for an answer that it may not have.
func (c *client) ask(args ...string) (string, bool) {
	out, err := c.git(args...)
	return strings.TrimSpace(out), err == nil
}

// openRepository creates a repository where there is none, and reports whether it did.
func (c *client) openRepository() (fresh bool, err error) {
	switch top := findRepository(c.Dir); top {
	case "":
		_, err := c.git("init", "--quiet", "--template=", "--object-format="+objectFormat(c.SHA))
		return true, err
	case realPath(c.Dir):
		return false, nil
	default: // a checkout would touch files outside of the workspace, and a nested repository is hardly intended
		return false, &Error{
			Message: fmt.Sprintf("the workspace %s is a part of the repository in %s", c.Dir, top),
			Advice:  "let RUNNER_WORKSPACE be that folder, and name the part by directory: in runner.yaml",
		}
	}
}

func objectFormat(sha string) string {
	if len(sha) == 64 {
		return "sha256"
	}
	return "sha1"
}

// setOrigin makes the repository known as origin, without credentials, unless there is another origin.
func (c *client) setOrigin() error {
	current, ok := c.ask("config", "--get", "remote.origin.url")
	switch {
	case !ok || current == "":
		_, err := c.git("remote", "add", "origin", c.origin.url)
		return err
	case current != c.origin.url && withoutUser(current) == c.origin.url: // it would show the credentials to the command
		_, err := c.git("remote", "set-url", "origin", c.origin.url)
		return err
	}
	return nil
}

// remote returns how to name the repository to git: origin where that is it, as its settings belong to the name.
func (c *client) remote() string {
	if current, ok := c.ask("config", "--get", "remote.origin.url"); ok && current == c.origin.url {
		return "origin"
	}
	return c.origin.url
}

// withoutUser removes the user and the password from a URL of http.
func withoutUser(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return address
	}
	u.User = nil
	return u.String()
}

// saveChanges keeps changes of tracked files as a stash: on a laptop they may be work in progress.
func (c *client) saveChanges() error {
	out, err := c.git("stash", "create")
	if err != nil {
		return &Error{
			Message: "the changes in the workspace cannot be saved: " + err.Error(), Advice: "commit or discard them",
		}
	}
	out = strings.TrimSpace(out)
	stash := out[strings.LastIndex(out, "\n")+1:]
	if !isFullSHA(stash) { // no tracked file has changed
		return nil
	}
	if _, err := c.git("stash", "store", "--message", "before the checkout of "+c.SHA, stash); err != nil {
		return err
	}
	c.Log.Info("changes in the workspace were saved", "get them back by", "git stash apply "+stash)
	return nil
}
