package runner

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/notify"
	"github.com/carlin-cicd/runner/runner/notify/sticky"
	"github.com/carlin-cicd/runner/runner/present"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/runs"
)

// The runs of a commit share a message of Slack, if there is the token of a bot, and the comment of their pull request.
// Both list what the runs that share them say, and what the index of the branch has of the other runs of the commit.

// hasBot reports whether Slack is notified by an app.
func (r *run) hasBot() bool { return r.Variables["SLACK_BOT_TOKEN"] != "" }

// comments reports whether the pull request of the commit gets a comment. It is asked for, so it does not depend on who
// runs the step, but a workspace with changes is not the commit.
func (r *run) comments() bool {
	const shaLength = 40
	return r.Config.GitHubComment == "on" && r.Variables["GITHUB_TOKEN"] != "" && r.Config.GitHubName != "" &&
		len(r.Ref.SHA) == shaLength && r.Ref.SHA != record.NoCommit && !r.Dirty && !r.in.Undo && !r.isPartial() &&
		!r.isDryRun()
}

// bot returns the client for the channel.
func (r *run) bot(ctx context.Context) (notify.Bot, error) {
	values, err := r.private.Resolve(ctx, &r.Session, "SLACK_BOT_TOKEN")
	return notify.Bot{
		Token: strings.TrimSpace(values["SLACK_BOT_TOKEN"]), Channel: r.Config.SlackChannel, URL: r.Config.SlackAPI,
	}, err
}

// notifyBot shows the run in the message of its commit, with the details below it if they are worth a message.
func (r *run) notifyBot(ctx context.Context, ended record.Run, about present.SlackContext, worthwhile bool) error {
	bot, err := r.bot(ctx)
	if err != nil {
		return err
	}
	store, ok := r.Store.(artifacts.Swapper)
	if !ok || r.Ref.Validate() != nil || r.Ref.SHA == record.NoCommit {
		if worthwhile {
			_, err = bot.Post(ctx, present.SlackMessage(ended, about))
		}
		return err
	}
	shown := ended.Shown()
	shown.Recovered = about.Recovered
	message := sticky.Shared{Store: store, Key: keys.Message(r.Ref), Post: commitMessage{r, bot, ended}}
	id, err := message.Show(ctx, shown, worthwhile)
	if err != nil || id == "" || !worthwhile {
		return err
	}
	return bot.Reply(ctx, notify.MessageID(id), present.SlackMessage(ended, about))
}

// commitMessage implements sticky.Post.
type commitMessage struct {
	run   *run
	bot   notify.Bot
	ended record.Run
}

func (m commitMessage) Create(ctx context.Context, items []record.Shown) (string, error) {
	id, err := m.bot.Post(ctx, present.SlackCommit(m.run.commit(ctx, m.ended, items)))
	return string(id), err
}

func (m commitMessage) Update(ctx context.Context, id string, items []record.Shown) error {
	err := m.bot.Update(ctx, notify.MessageID(id), present.SlackCommit(m.run.commit(ctx, m.ended, items)))
	return goneOr(err)
}

func goneOr(err error) error {
	if notify.Gone(err) {
		return sticky.ErrGone
	}
	return err
}

// commit returns what is known of all runs of the commit.
func (r *run) commit(ctx context.Context, ended record.Run, items []record.Shown) present.Commit {
	return present.Commit{
		Branch: ended.Branch, SHA: ended.SHA, Repository: ended.Repository, RepositoryURL: ended.RepositoryURL,
		Actor: ended.Actor, Steps: r.withIndex(ctx, items), Now: time.Now(),
	}
}

// withIndex adds to the runs that share a post the others of the commit, running ones too. What cannot be read is left
// out.
func (r *run) withIndex(ctx context.Context, items []record.Shown) []record.Shown {
	store, ok := r.Store.(artifacts.Swapper)
	if !ok {
		return items
	}
	head, err := runs.Load(ctx, store, keys.RunIndex(r.Ref.Branch))
	if err != nil {
		return items
	}
	all := append([]record.Shown(nil), items...)
	for _, e := range head.Runs { // the newest first
		if e.SHA != r.Ref.SHA || e.Dirty {
			continue
		}
		known := false
		for i := range all {
			if !e.SamePlace(all[i].Run) {
				continue
			}
			known = true
			if e.RunID > all[i].Run.RunID {
				all[i] = record.Shown{Run: e}
			}
		}
		if !known {
			all = append(all, record.Shown{Run: e})
		}
	}
	return all
}

// author returns the user of Slack who wrote the commit of a run that failed; "" if they are not known.
func (r *run) author(ctx context.Context, ended record.Run) string {
	if ended.Passed || r.Config.SlackUsers == "" || r.Ref.SHA == record.NoCommit {
		return ""
	}
	if sig, _ := r.Stop.Signal(); sig != 0 {
		return ""
	}
	const limit = 2 * time.Second
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	address, err := r.Git(ctx, r.Config.Workspace, nil, "log", "-1", "--format=%ae", r.Ref.SHA, "--")
	if err != nil {
		return ""
	}
	return r.Config.SlackUser(address)
}

// commentOnPull shows the run in the comment of the commit's pull request. That of a fork gets none: its text is a
// stranger's.
func (r *run) commentOnPull(ctx context.Context, ended record.Run) error {
	store, ok := r.Store.(artifacts.Swapper)
	if !ok {
		return errors.New("the store cannot keep the comment to one")
	}
	hub, err := r.github(ctx)
	if err != nil {
		return err
	}
	pull, ok, err := hub.PullRequest(ctx, r.Ref.SHA)
	if err != nil || !ok {
		return err
	}
	if pull.Fork {
		r.Log.Info("the pull request gets no comment: it is from a fork", "pull_request", pull.Number)
		return nil
	}
	comment := sticky.Shared{
		Store: store, Key: keys.Comment(r.Ref.Branch, pull.Number), Post: pullComment{r, hub, ended, pull},
	}
	_, err = comment.Show(ctx, ended.Shown(), true)
	return err
}

// pullComment implements sticky.Post.
type pullComment struct {
	run   *run
	hub   notify.GitHub
	ended record.Run
	pull  notify.PullRequest
}

// Create looks for the comment first: the state of it may be lost.
func (c pullComment) Create(ctx context.Context, items []record.Shown) (string, error) {
	text := c.text(ctx, items)
	id, err := c.hub.FindComment(ctx, c.pull.Number, present.CommentMarker(c.pull.Number))
	if err != nil {
		return "", err
	}
	if id != "" {
		return id, c.hub.ChangeComment(ctx, id, text)
	}
	return c.hub.Comment(ctx, c.pull.Number, text)
}

func (c pullComment) Update(ctx context.Context, id string, items []record.Shown) error {
	return goneOr(c.hub.ChangeComment(ctx, id, c.text(ctx, items)))
}

func (c pullComment) text(ctx context.Context, items []record.Shown) string {
	p := present.PullRequest{
		Commit: c.run.commit(ctx, c.ended, items), Number: c.pull.Number, Base: c.pull.Base,
	}
	p.Before = c.run.coverageOf(ctx, c.pull.Base)
	return present.PullRequestComment(p)
}

// coverageOf returns the coverage of the newest runs of a branch that passed, by step.
func (r *run) coverageOf(ctx context.Context, branch string) map[string]float64 {
	store, ok := r.Store.(artifacts.Swapper)
	if !ok || keys.CheckBranch(branch) != nil {
		return nil
	}
	head, err := runs.Load(ctx, store, keys.RunIndex(branch))
	if err != nil {
		return nil
	}
	before := map[string]float64{}
	for _, e := range head.Runs {
		if _, known := before[e.Step]; !known && e.State == record.Passed && e.Coverage > 0 && !e.Dirty {
			before[e.Step] = e.Coverage
		}
	}
	return before
}
