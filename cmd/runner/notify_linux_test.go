package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/carlin-cicd/runner/artifacts/s3test"
	"github.com/carlin-cicd/runner/runner/awstest"
	"github.com/carlin-cicd/runner/runner/notify/notifytest"
)

// services are the ones that the runs of a transcript notify.
type services struct {
	slack  *notifytest.Slack
	bot    *notifytest.Bot
	github *notifytest.GitHub
}

// hubToken does not look like a token of GitHub, so that only its variable shows that it is a secret.
const hubToken = "token-of-the-transcripts-0123"

var allServices sync.Map // of *services, by the folder of the transcript

func servicesOf(ts *testscript.TestScript) *services {
	s, _ := allServices.LoadOrStore(ts.MkAbs("."), &services{})
	return s.(*services)
}

// service returns one by its name.
func (l *services) service(ts *testscript.TestScript, name string) *notifytest.Service {
	switch {
	case name == "slack" && l.slack != nil:
		return &l.slack.Service
	case name == "bot" && l.bot != nil:
		return &l.bot.Service
	case name == "github" && l.github != nil:
		return &l.github.Service
	}
	ts.Fatalf("there is no service %s", name)
	return nil
}

// slack: starts a Slack and sets the variable of its webhook.
func cmdSlack(ts *testscript.TestScript, _ bool, _ []string) {
	l := servicesOf(ts)
	l.slack = &notifytest.Slack{}
	address, stop := l.slack.Start()
	ts.Defer(stop)
	ts.Setenv("SLACK_WEBHOOK_URL", address)
}

// bot: starts an API of Slack and sets the variables of its app.
func cmdBot(ts *testscript.TestScript, _ bool, _ []string) {
	l := servicesOf(ts)
	l.bot = &notifytest.Bot{Token: "xoxb-token-of-the-transcripts", Channel: "C0123456789"}
	address, stop := l.bot.Start()
	ts.Defer(stop)
	ts.Setenv("SLACK_API_URL", address)
	ts.Setenv("SLACK_BOT_TOKEN", l.bot.Token)
	ts.Setenv("SLACK_CHANNEL", l.bot.Channel)
}

// botfails [NAME]: the API of Slack answers with an error from here on; without a name it works again, but has lost all
// messages.
func cmdBotFails(ts *testscript.TestScript, _ bool, args []string) {
	b := servicesOf(ts).bot
	b.Fail(strings.Join(args, ""))
	if len(args) == 0 {
		b.Forget()
	}
}

// comments N: the pull request has N comments of the runner, the last of which is in the file comment.
func cmdComments(ts *testscript.TestScript, _ bool, args []string) {
	all := servicesOf(ts).github.Comments()
	if strconv.Itoa(len(all)) != args[0] {
		ts.Fatalf("there are %d comments, want %s: %q", len(all), args[0], all)
	}
	last := ""
	if len(all) > 0 {
		last = all[len(all)-1]
	}
	ts.Check(os.WriteFile(ts.MkAbs("comment"), []byte(last), 0o644))
}

// hooks [N]: the repository has N webhooks, and they are in the file hooks. Without a number all are removed.
func cmdHooks(ts *testscript.TestScript, _ bool, args []string) {
	g := servicesOf(ts).github
	if len(args) == 0 {
		g.ForgetHooks()
		return
	}
	all := g.Hooks()
	if strconv.Itoa(len(all)) != args[0] {
		ts.Fatalf("there are %d webhooks, want %s", len(all), args[0])
	}
	text, err := json.Marshal(all)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("hooks"), text, 0o644))
}

// github [public] [reads] [app] [pull] [fork] [silent] [busy]: starts a GitHub with the commit of all transcripts. The repository is private unless
// it is public. The token may set a status unless it only reads, and may create checks if it is that of an app. The commit
// may have a pull request, maybe from a fork, with comments of people, and with none of the token.
func cmdGitHub(ts *testscript.TestScript, _ bool, args []string) {
	l := servicesOf(ts)
	l.github = &notifytest.GitHub{Token: hubToken, Repository: "acme/shop", SHA: testSHA, Private: true}
	for _, arg := range args {
		switch arg {
		case "public":
			l.github.Private = false
		case "reads":
			l.github.ReadsOnly = true
		case "app":
			l.github.App = true
		case "pull":
			l.github.Pull.Number = 12
		case "fork":
			l.github.Pull.Fork = true
		case "silent":
			l.github.Pull.Denied = true
		case "busy":
			l.github.Pull.Others = 130
		}
	}
	address, stop := l.github.Start()
	ts.Defer(stop)
	ts.Setenv("GITHUB_API_URL", address)
	ts.Setenv("GITHUB_REPOSITORY", "acme/shop")
	ts.Setenv("GITHUB_TOKEN", hubToken)
}

// behave SERVICE hang|hold|open|busy N|close STATUS: how a service answers from here on. Requests that it holds are
// answered when it opens.
func cmdBehave(ts *testscript.TestScript, _ bool, args []string) {
	s := servicesOf(ts).service(ts, args[0])
	number := 0
	if len(args) == 3 {
		var err error
		number, err = strconv.Atoi(args[2])
		ts.Check(err)
	}
	switch args[1] {
	case "hold":
		s.Hold()
	case "open":
		s.Release()
	}
	s.Hang(args[1] == "hang")
	s.Close(map[bool]int{true: number}[args[1] == "close"])
	s.FailFirst(map[bool]int{true: number}[args[1] == "busy"])
}

// received SERVICE N: the service has accepted N posts so far. They are in SERVICE.posts, a line each.
func cmdReceived(ts *testscript.TestScript, _ bool, args []string) {
	s := servicesOf(ts).service(ts, args[0])
	var lines bytes.Buffer
	for _, p := range s.Posts() {
		fmt.Fprintf(&lines, "%s ", p.Kind)
		e := json.NewEncoder(&lines)
		e.SetEscapeHTML(false) // for readable patterns
		ts.Check(e.Encode(p.JSON))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".posts"), lines.Bytes(), 0o644))
	if got := len(s.Posts()); strconv.Itoa(got) != args[1] {
		ts.Fatalf(
			"%s received %d posts, want %s; %d requests, refused %q\n%s",
			args[0],
			got,
			args[1],
			s.Asked(),
			s.Refused(),
			&lines,
		)
	}
}

// posts SERVICE: what the service has accepted so far is in SERVICE.posts, however much it is.
func cmdPosts(ts *testscript.TestScript, _ bool, args []string) {
	cmdReceived(ts, false, []string{args[0], strconv.Itoa(len(servicesOf(ts).service(ts, args[0]).Posts()))})
}

// last SERVICE KINDS PATTERN: the last post of one of the kinds, which are a pattern, matches.
func cmdLast(ts *testscript.TestScript, _ bool, args []string) {
	text := ""
	for _, p := range servicesOf(ts).service(ts, args[0]).Posts() {
		if regexp.MustCompile("^(?:" + args[1] + ")$").MatchString(p.Kind) {
			text = fmt.Sprint(p.JSON)
		}
	}
	if !regexp.MustCompile(args[2]).MatchString(text) {
		ts.Fatalf("the last is %s", text)
	}
}

// forget: the comments of the pull request are deleted.
func cmdForget(ts *testscript.TestScript, _ bool, _ []string) { servicesOf(ts).github.Forget() }

// requests SERVICE N: the service has received N requests so far.
func cmdRequests(ts *testscript.TestScript, _ bool, args []string) {
	if got := servicesOf(ts).service(ts, args[0]).Asked(); strconv.Itoa(got) != args[1] {
		ts.Fatalf("%s received %d requests, want %s", args[0], got, args[1])
	}
}

var linkIn = regexp.MustCompile(`https?://[^"]*X-Amz-Signature=[0-9a-f]{64}[^"]*`)

// follow SERVICE FILE: follows the link in the newest post without credentials, and keeps the answer in the file. The
// signature of the link is neither on stdout nor on stderr of the run before.
func cmdFollow(ts *testscript.TestScript, _ bool, args []string) {
	link := ""
	for _, p := range servicesOf(ts).service(ts, args[0]).Posts() {
		text, err := json.Marshal(p.JSON)
		ts.Check(err)
		if found := linkIn.FindString(strings.ReplaceAll(string(text), `\u0026`, "&")); found != "" {
			link = found
		}
	}
	if link == "" {
		ts.Fatalf("%s received no link", args[0])
	}
	_, signature, _ := strings.Cut(link, "X-Amz-Signature=")
	for _, name := range []string{"stdout", "stderr"} {
		if strings.Contains(ts.ReadFile(name), signature[:64]) {
			ts.Fatalf("the link is on %s", name)
		}
	}
	answer, err := http.Get(link)
	ts.Check(err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	ts.Check(err)
	if answer.StatusCode != http.StatusOK {
		ts.Fatalf("the link leads to %s: %s", answer.Status, body)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), body, 0o644))
}

// signed: sets a bucket for the artifacts, on a server that checks signatures. All transcripts share the server.
func cmdSigned(t *testing.T) func(*testscript.TestScript, bool, []string) {
	server := sync.OnceValue(func() string { return s3test.Versity(t, false) })
	return func(ts *testscript.TestScript, _ bool, _ []string) {
		account := awstest.AWS{Endpoint: server()}
		for _, entry := range account.Environment() {
			name, value, _ := strings.Cut(entry, "=")
			ts.Setenv(name, value)
		}
		bucket := "t-" + strings.ToLower(rand.Text())
		_, err := bucketClient(account).CreateBucket(context.Background(), &s3.CreateBucketInput{
			Bucket: &bucket, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: s3test.Region},
		})
		ts.Check(err)
		ts.Setenv("ARTIFACT_BUCKET", "s3://"+bucket+"/team")
	}
}

// The notifiers are linked into every runner and used by few: a start without them must not pay for them.
func TestNotifiersCostNothingAtStart(t *testing.T) {
	c := exec.Command("runner", "version")
	c.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	bytes, found := 0, 0
	for _, m := range regexp.MustCompile(`init (\S+) @.*?(\d+) bytes`).FindAllStringSubmatch(string(out), -1) {
		if regexp.MustCompile(`/(go-github|go-querystring|slack|websocket|notify)\b`).MatchString(m[1]) {
			n, _ := strconv.Atoi(m[2])
			bytes, found = bytes+n, found+1
		}
	}
	const most = 64 << 10
	if found == 0 || bytes > most {
		t.Errorf("%d packages allocate %d bytes at start, want at most %d: %s", found, bytes, most, out)
	}
}
