package source

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts/retry"
)

// Options say which commit to bring where.
type Options struct {
	URL        string // https, ssh, git@host:path, file or codecommit; without a password
	SHA        string // whole
	Branch     string // for people only
	Dir        string // the top of the work tree
	Token      string // for https only; never in a URL, an argument or a file
	SSHCommand string // the environment's GIT_SSH_COMMAND; "ssh" if empty
	SSHKey     string // a private key's text, for ssh only; never in an argument or a file
	KnownHosts string // lines of known_hosts that count with SSHKey; the image's own if empty
	Retries    int    // further tries after a failure of the network
	Log        func(msg string, args ...any)
}

// Checkout brings the folder to the commit, fetching exactly that one, unless it is there already; it reports whether
// it changed anything.
//
// Ignored files stay, node_modules among them. Files that were tracked before and are not in the commit go. Tracked
// files that were changed are put back, after they were saved as a stash. Files that git has never heard of stay: what
// a prebaked image has beside the sources is there on purpose, and a wrong folder must not be emptied. Where there was
// no .git, such files may be leftovers of an older commit, hence they are named in the log.
//
// The error is a *NotFoundError, *AccessError, *HostKeyError, *NetworkError or *Error, or the cause of the context's end.
func Checkout(ctx context.Context, run Runner, o Options) (Commit, bool, error) {
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
	o.SHA = strings.ToLower(o.SHA)
	if !isWhole(o.SHA) {
		return Commit{}, false, &Error{Message: fmt.Sprintf("GIT_SHA %q is not a whole commit id", o.SHA), Advice: "give all 40 digits, as git rev-parse prints them: a server finds a commit by nothing shorter"}
	}
	here, err := Describe(ctx, run, o.Dir)
	switch {
	case ctx.Err() != nil:
		return Commit{}, false, context.Cause(ctx)
	case err == nil && here.SHA == o.SHA:
		return here, false, nil
	}
	from, err := parseOrigin(o.URL, o.Token)
	if err != nil {
		return Commit{}, false, err
	}
	if from.variables == nil && o.Token != "" && strings.HasPrefix(from.url, "http:") {
		o.Log("the token is not sent, since http would show it to everybody on the way", "url", from.url)
	}
	c := checkout{ctx: ctx, run: run, Options: o, from: from}
	if o.SSHKey != "" {
		if c.agent, err = openAgent(o.SSHKey, o.KnownHosts); err != nil {
			return Commit{}, false, err
		}
		defer c.agent.close()
	}
	if err := c.perform(here); err != nil {
		return Commit{}, false, err
	}
	return Commit{Branch: o.Branch, SHA: o.SHA}, true, nil
}

// checkout is one on its way.
type checkout struct {
	Options
	ctx  context.Context
	run  Runner
	from origin

	agent *keyAgent // nil without a key
}

func (c checkout) perform(here Commit) error {
	fresh, err := c.openRepository()
	if err != nil {
		return err
	}
	if err := c.fetch(here); err != nil {
		if fresh { // an empty repository would only be in the way
			os.RemoveAll(filepath.Join(c.Dir, ".git"))
		}
		return err
	}
	if here.Dirty {
		if err := c.save(); err != nil {
			return err
		}
	}
	if _, err := c.git("checkout", "--quiet", "--force", "--detach", c.SHA); err != nil {
		return err
	}
	if fresh {
		c.nameStrangers()
	}
	if _, err := os.Lstat(filepath.Join(c.Dir, ".gitmodules")); err == nil {
		c.Log("the commit has submodules; they are not fetched")
	}
	return nil
}

// git runs git and explains its failure.
func (c checkout) git(args ...string) (string, error) {
	ssh := first(c.SSHCommand, "ssh") + " -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=20 -o ServerAliveInterval=15"
	if c.agent != nil {
		ssh += c.agent.options()
	}
	variables := slices.Concat(quietly(), []string{"GIT_SSH_COMMAND=" + ssh, "GIT_ALLOW_PROTOCOL=file:git:http:https:ssh:codecommit"}, c.from.variables)
	out, err := c.run(c.ctx, c.Dir, variables, slices.Concat(settings, c.from.settings, args)...)
	if err == nil {
		return out, nil
	}
	if c.ctx.Err() != nil { // whatever git says, it was stopped
		return out, context.Cause(c.ctx)
	}
	return out, c.explain(out, err)
}

// openRepository makes a repository where there is none, and reports whether it did.
func (c checkout) openRepository() (fresh bool, err error) {
	switch top := enclosing(c.Dir); top {
	case "":
		_, err := c.git("init", "--quiet", "--template=", "--object-format="+format(c.SHA))
		return true, err
	case physical(c.Dir):
		return false, nil
	default: // to check out all of it would touch files outside of the workspace, to nest one in it is hardly meant
		return false, &Error{
			Message: fmt.Sprintf("the workspace %s is a part of the repository in %s", c.Dir, top),
			Advice:  "let RUNNER_WORKSPACE be that folder, and name the part by directory: in runner.yaml",
		}
	}
}

func format(sha string) string {
	if len(sha) == 64 {
		return "sha256"
	}
	return "sha1"
}

// fetch gets the commit, if it is not there. In a complete clone it also gets what lies between, which is little: a
// depth would cut off the history of that clone for good.
func (c checkout) fetch(here Commit) error {
	if _, err := c.git("cat-file", "-e", c.SHA+"^{commit}"); err == nil {
		return nil
	}
	args := []string{"fetch", "--quiet", "--no-tags", "--no-recurse-submodules"}
	if !c.isComplete(here) {
		args = append(args, "--depth=1")
	}
	args = append(args, "--", c.from.url, c.SHA)
	return c.withRetries(func() error {
		_, err := c.git(args...)
		return err
	})
}

func (c checkout) isComplete(here Commit) bool {
	if here.SHA == "" {
		return false
	}
	out, err := c.git("rev-parse", "--is-shallow-repository")
	return err == nil && strings.TrimSpace(out) == "false"
}

// withRetries repeats an operation that the network made fail, up to c.Retries times.
func (c checkout) withRetries(operation func() error) error {
	policy := retry.Policy{
		Attempts: c.Retries + 1, First: time.Second, Longest: 15 * time.Second,
		Retryable: func(err error) bool {
			_, network := err.(*NetworkError)
			return network
		},
		Notify: func(err error, pause time.Duration) {
			c.Log("the fetch failed and is tried again", "error", err.Error(), "after", pause.Round(time.Millisecond).String())
		},
	}
	err := retry.Do(c.ctx, policy, operation)
	if err != nil && c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	return err
}

// save keeps changes of tracked files as a stash: on a laptop they may be somebody's work.
func (c checkout) save() error {
	out, err := c.git("stash", "create")
	if err != nil {
		return &Error{Message: "the workspace has changes that cannot be saved: " + err.Error(), Advice: "commit or discard them"}
	}
	stash := strings.TrimSpace(out[strings.LastIndex(strings.TrimSpace(out), "\n")+1:])
	if !isWhole(stash) { // nothing that is tracked has changed
		return nil
	}
	if _, err := c.git("stash", "store", "--message", "before the checkout of "+c.SHA, stash); err != nil {
		return err
	}
	c.Log("changes in the workspace were saved", "get them back by", "git stash apply "+stash)
	return nil
}

// nameStrangers tells of files that are neither in the commit nor ignored.
func (c checkout) nameStrangers() {
	out, err := c.git("ls-files", "--others", "--exclude-standard", "--directory", "--", ".", ":(exclude).runner")
	if names := strings.Split(strings.TrimSpace(out), "\n"); err == nil && names[0] != "" {
		c.Log("files that are not in the commit stay in the workspace", "count", len(names), "first", strings.Join(names[:min(len(names), 5)], ", "))
	}
}
