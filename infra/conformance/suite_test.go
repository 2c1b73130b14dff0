package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/carlin-cicd/runner/infra/ecs"
	"github.com/carlin-cicd/runner/runner/awsjson"
	"github.com/carlin-cicd/runner/runner/awstest"
	"github.com/carlin-cicd/runner/runner/awstest/recorded"
	"github.com/carlin-cicd/runner/runner/cluster/clustertest"
)

// What moto cannot do, and so the parts that only an account tests. README.md has the reasons.
var motoLacks = map[Ability]bool{
	Machine: true, Memory: true, Images: true, Quotas: true, Policies: true, Actions: true, Costs: true,
}

// makeBudget makes what the suite asks for.
func makeBudget(t *testing.T, config aws.Config, account string) {
	t.Helper()
	client, err := awsjson.New(t.Context(), config, budgets)
	if err != nil {
		t.Fatal(err)
	}
	err = client.Call(t.Context(), "CreateBudget", map[string]any{"AccountId": account, "Budget": map[string]any{
		"BudgetName": "conformance", "BudgetType": "COST", "TimeUnit": "MONTHLY", "BudgetLimit": map[string]string{"Amount": "20", "Unit": "USD"},
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
}

// checkout makes a clone of the sample, without a remote: a task on moto starts in a copy of the folder that stands for its image.
func checkout(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS("sample")); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"init", "-q", "-b", "main"},
		{"add", "."},
		{"-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false", "commit", "-qm", "sample"},
	} {
		if out, err := exec.Command("git", append([]string{"-C", folder}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	return folder
}

func TestTheSuiteRunsAgainstMotoAsFarAsMotoGoes(t *testing.T) {
	folder := t.TempDir()
	program := filepath.Join(folder, "runner")
	build := exec.Command("make", "-s", "-C", "../..", "build", "OUT="+program)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	sample := checkout(t)
	server, err := ecs.Start(ecs.Options{
		Driver: "process", Entrypoint: program, Image: sample, Phase: 100 * time.Millisecond, LogDelay: 200 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	zip := filepath.Join(folder, "webhook.zip")
	if err := os.WriteFile(zip, clustertest.Webhook{}.Zip(), 0o644); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	suite := &Suite{
		Account: "123456789012", Runner: program, Zip: zip, Repository: "acme/shop", Second: "acme/second", Folder: sample,
		Limit: 2 * time.Minute, Lacks: motoLacks, Recordings: t.TempDir(), Log: &log, Config: server.Config(),
		Environ: append(server.Environment(), "AWS_REGION="+awstest.Region, "RUNNER_STACK_POLL=20ms", "RUNNER_TASK_POLL=100ms"),
	}
	if err := suite.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "has no budget") || log.Len() > 0 {
		t.Fatalf("without a budget: %v\n%s", err, log.String())
	}
	other := *suite
	other.Account = "210987654321"
	if err := other.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "not of 210987654321") {
		t.Fatalf("in another account: %v", err)
	}
	makeBudget(t, suite.Config, suite.Account)
	if err := suite.Run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	t.Log(log.String())
	tested, skipped := strings.Count(log.String(), "\nok    "), strings.Count(log.String(), "\nskip  ")
	if tested+skipped != len(Parts()) || skipped != len(suite.Skipped()) || tested < 14 {
		t.Errorf("%d parts were tested and %d skipped, of %d", tested, skipped, len(Parts()))
	}
	for _, known := range recorded.Documented() {
		if _, asked := requests[known.Service+": "+known.About]; !asked {
			continue
		}
		got, err := recorded.In(suite.Recordings, known.Service, known.About)
		if err != nil || got.Status == 0 {
			t.Errorf("%s about %s: %+v %v", known.Service, known.About, got, err)
		}
	}
	if files, _ := filepath.Glob(filepath.Join(suite.Recordings, "*.json")); len(files) != len(requests) {
		t.Errorf("%d of %d refusals are recorded", len(files), len(requests))
	}
}

// Each refusal that the runner knows is asked for, by one request; what asks by a policy of its own is a part.
func TestEachRefusalIsAskedFor(t *testing.T) {
	var without []string
	for _, known := range recorded.Documented() {
		if _, asked := requests[known.Service+": "+known.About]; !asked {
			without = append(without, known.About)
		}
	}
	if !slices.Equal(without, []string{policyRefusal().About}) || len(requests)+1 != len(recorded.Documented()) {
		t.Errorf("%d requests for %d refusals, none for %v", len(requests), len(recorded.Documented()), without)
	}
}

// The page lists each part that moto does not test, with what it needs.
func TestThePageListsWhatIsSkipped(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	for _, p := range Parts() {
		against := "yes"
		if motoLacks[p.Needs] {
			against = "no: it needs an account in which " + string(p.Needs)
		}
		fmt.Fprintf(&want, "| %s | %s |\n", p.Name, against)
	}
	if !bytes.Contains(page, want.Bytes()) {
		t.Errorf("the table of README.md should be\n%s", want.String())
	}
}

// interruptedSuite is a suite of one part, with a program that writes down its arguments.
func interruptedSuite(t *testing.T, part func(*Suite, context.Context) error) (suite *Suite, said func() string) {
	t.Helper()
	server, err := awstest.StartMoto()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	script := "#!/bin/sh\necho \"$@\" >>" + filepath.Join(folder, "said") + "\n"
	if err := os.WriteFile(filepath.Join(folder, "runner"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	config := (&ecs.Server{AWS: server}).Config()
	makeBudgetOnce(t, config)
	suite = &Suite{
		Account: "123456789012", Runner: filepath.Join(folder, "runner"), Folder: folder, Log: &bytes.Buffer{}, Config: config,
		parts: []Part{{"a part", Stacks, part}},
	}
	return suite, func() string {
		text, _ := os.ReadFile(filepath.Join(folder, "said"))
		return string(text)
	}
}

var budgetMade bool

func makeBudgetOnce(t *testing.T, config aws.Config) {
	t.Helper()
	if !budgetMade {
		makeBudget(t, config, "123456789012")
		budgetMade = true
	}
}

func wantTornDown(t *testing.T, suite *Suite, said string) {
	t.Helper()
	for _, want := range []string{
		"cluster destroy --stack " + suite.second() + " --base " + suite.base() + " --all --yes\n",
		"cluster destroy --stack " + suite.stack() + " --base " + suite.base() + " --all --yes\n",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("%s was not run:\n%s", strings.TrimSpace(want), said)
		}
	}
}

func TestEverythingIsTakenDownAfterAFailure(t *testing.T) {
	suite, said := interruptedSuite(t, func(*Suite, context.Context) error { return errors.New("no") })
	if err := suite.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "a part: no") {
		t.Error(err)
	}
	wantTornDown(t, suite, said())
}

// What cannot be removed at first is removed at the second try, and named with its command if that fails, too.
func TestWhatIsLeftBehindIsNamed(t *testing.T) {
	suite, said := interruptedSuite(t, func(*Suite, context.Context) error { return errors.New("no") })
	script := "#!/bin/sh\necho \"$@\" >>said\ntest $(grep -cxF \"$*\" said) -ge 2\n"
	if err := os.WriteFile(suite.Runner, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	_ = suite.Run(t.Context())
	log := suite.Log.(*bytes.Buffer).String()
	first, second := strings.Join(suite.removals()[0], " "), strings.Join(suite.removals()[1], " ")
	if strings.Count(said(), first+"\n") != 2 {
		t.Errorf("no second try:\n%s", said())
	}
	for _, removal := range []string{first, second} {
		if !strings.Contains(log, "if this is killed: runner "+removal+"\n") {
			t.Errorf("the log does not say how to remove everything:\n%s", log)
		}
	}
	if strings.Contains(log, "left behind") {
		t.Errorf("something is left behind:\n%s", log)
	}
	if err := os.WriteFile(suite.Runner, []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	suite.tearDown(t.Context())
	if log = suite.Log.(*bytes.Buffer).String(); !strings.Contains(log, "left behind: run runner "+second+"\n") {
		t.Errorf("what is left is not named:\n%s", log)
	}
}

func TestEverythingIsTakenDownAfterAPanic(t *testing.T) {
	suite, said := interruptedSuite(t, func(*Suite, context.Context) error { panic("no") })
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is lost")
			}
		}()
		_ = suite.Run(t.Context())
	}()
	wantTornDown(t, suite, said())
}

func TestEverythingIsTakenDownAfterCtrlC(t *testing.T) {
	suite, said := interruptedSuite(t, func(_ *Suite, ctx context.Context) error {
		if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Minute):
			return errors.New("the signal ends nothing")
		}
	})
	ctx, stop := UntilInterrupted(t.Context())
	defer stop()
	if err := suite.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	wantTornDown(t, suite, said())
}

// The policy that denies uploads keeps what it had, whatever form that has.
func TestAPolicyDeniesUploadsOnTopOfWhatItHas(t *testing.T) {
	for _, before := range []string{
		`{"Version":"2012-10-17","Statement":[{"Sid":"tls","Effect":"Deny"}]}`,
		`{"Version":"2012-10-17","Statement":{"Sid":"tls","Effect":"Deny"}}`,
	} {
		got, err := denying(before, "builds", "aws")
		want := `{"Statement":[{"Effect":"Deny","Sid":"tls"},{"Action":"s3:PutObject","Effect":"Deny","Principal":"*","Resource":"arn:aws:s3:::builds/*",` +
			`"Sid":"conformance"}],"Version":"2012-10-17"}`
		if err != nil || got != want {
			t.Errorf("%s %v\nwant %s", got, err, want)
		}
	}
	if _, err := denying("{", "builds", "aws"); err == nil {
		t.Error("a policy that is no JSON")
	}
}
