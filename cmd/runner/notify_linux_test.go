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

// listeners are those whom the runs of a transcript can tell.
type listeners struct {
	slack  *notifytest.Slack
	github *notifytest.GitHub
}

// hubToken is a token as GitHub's are not, so that it is known as a secret by its variable only.
const hubToken = "token-of-the-transcripts-0123"

var allListeners sync.Map // of *listeners, by the folder of the transcript

func listening(ts *testscript.TestScript) *listeners {
	l, _ := allListeners.LoadOrStore(ts.MkAbs("."), &listeners{})
	return l.(*listeners)
}

// service is the one that is named.
func (l *listeners) service(ts *testscript.TestScript, name string) *notifytest.Service {
	switch {
	case name == "slack" && l.slack != nil:
		return &l.slack.Service
	case name == "github" && l.github != nil:
		return &l.github.Service
	}
	ts.Fatalf("nobody listens by the name of %s", name)
	return nil
}

// slack: starts one, and has the variable name its webhook.
func cmdSlack(ts *testscript.TestScript, _ bool, _ []string) {
	l := listening(ts)
	l.slack = &notifytest.Slack{}
	address, stop := l.slack.Start()
	ts.Defer(stop)
	ts.Setenv("SLACK_WEBHOOK_URL", address)
}

// github [public] [reads] [app]: starts one for the commit of all transcripts, in a private repository unless it is public, with a
// token that may set a status unless it only reads, and make checks if it is an app's.
func cmdGitHub(ts *testscript.TestScript, _ bool, args []string) {
	l := listening(ts)
	l.github = &notifytest.GitHub{Token: hubToken, Repository: "acme/shop", SHA: testSHA, Private: true}
	for _, arg := range args {
		switch arg {
		case "public":
			l.github.Private = false
		case "reads":
			l.github.ReadsOnly = true
		case "app":
			l.github.App = true
		}
	}
	address, stop := l.github.Start()
	ts.Defer(stop)
	ts.Setenv("GITHUB_API_URL", address)
	ts.Setenv("GITHUB_REPOSITORY", "acme/shop")
	ts.Setenv("GITHUB_TOKEN", hubToken)
}

// mood WHO hang|hold|open|busy N|close STATUS: how who was started answers from now on. What is held is answered by open.
func cmdMood(ts *testscript.TestScript, _ bool, args []string) {
	s := listening(ts).service(ts, args[0])
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

// told WHO N: who has taken N posts by now, and refused none. They are in WHO.posts, a line each.
func cmdTold(ts *testscript.TestScript, _ bool, args []string) {
	s := listening(ts).service(ts, args[0])
	var lines bytes.Buffer
	for _, p := range s.Posts() {
		fmt.Fprintf(&lines, "%s ", p.Kind)
		e := json.NewEncoder(&lines)
		e.SetEscapeHTML(false) // so that it reads as it is shown
		ts.Check(e.Encode(p.JSON))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".posts"), lines.Bytes(), 0o644))
	if got := len(s.Posts()); strconv.Itoa(got) != args[1] {
		ts.Fatalf("%s has taken %d posts, not %s; asked %d times, refused %q\n%s", args[0], got, args[1], s.Asked(), s.Refused(), lines.String())
	}
}

// asked WHO N: who was asked so many times.
func cmdAsked(ts *testscript.TestScript, _ bool, args []string) {
	if got := listening(ts).service(ts, args[0]).Asked(); strconv.Itoa(got) != args[1] {
		ts.Fatalf("%s was asked %d times, not %s", args[0], got, args[1])
	}
}

var linkIn = regexp.MustCompile(`https?://[^"]*X-Amz-Signature=[0-9a-f]{64}[^"]*`)

// follow WHO FILE: follows the link in the newest post without credentials, and keeps what is there. Of what makes it a link nothing
// is on stdout or stderr of the run before, or in the file of the log.
func cmdFollow(ts *testscript.TestScript, _ bool, args []string) {
	link := ""
	for _, p := range listening(ts).service(ts, args[0]).Posts() {
		text, err := json.Marshal(p.JSON)
		ts.Check(err)
		if found := linkIn.FindString(strings.ReplaceAll(string(text), `\u0026`, "&")); found != "" {
			link = found
		}
	}
	if link == "" {
		ts.Fatalf("%s was given no link", args[0])
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
		ts.Fatalf("the link is answered by %s: %s", answer.Status, body)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), body, 0o644))
}

// signed: a bucket, on a server that checks signatures, takes the artifacts. The server is that of all transcripts, and ends with them.
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

// What tells people is linked into every runner, and used by few: starting one that tells nobody must not pay for it.
func TestTellingCostsNothingAtTheStart(t *testing.T) {
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
		t.Errorf("%d packages allocate %d bytes at the start, %d at most are fine: %s", found, bytes, most, out)
	}
}
