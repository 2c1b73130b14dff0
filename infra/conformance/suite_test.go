package conformance

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carlin-cicd/runner/infra/ecs"
	"github.com/carlin-cicd/runner/runner/awsjson"
	"github.com/carlin-cicd/runner/runner/awstest"
)

// What moto cannot do, and so the parts that only an account tests.
var motoLacks = map[Ability]bool{Tasks: true, Images: true, Quotas: true}

func TestTheSuiteRunsAgainstMotoAsFarAsMotoGoes(t *testing.T) {
	server, err := ecs.Start(ecs.Options{Driver: "process", Entrypoint: "/bin/true", Phase: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	folder := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(folder, "runner"), "github.com/carlin-cicd/runner/cmd/runner")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	zip := filepath.Join(folder, "webhook.zip")
	if err := os.WriteFile(zip, []byte("not read before the function runs"), 0o644); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	suite := &Suite{
		Account: "123456789012", Runner: filepath.Join(folder, "runner"), Zip: zip, Repository: "acme/shop", Folder: folder,
		Lacks: motoLacks, Recordings: t.TempDir(), Log: &log, Config: server.Config(),
		Environ: append(server.Environment(), "AWS_REGION="+awstest.Region, "RUNNER_STACK_POLL=20ms"),
	}
	if err := suite.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "has no budget") || log.Len() > 0 {
		t.Fatalf("without a budget: %v\n%s", err, log.String())
	}
	other := *suite
	other.Account = "210987654321"
	if err := other.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "not of 210987654321") {
		t.Fatalf("in another account: %v", err)
	}

	client, err := awsjson.New(t.Context(), suite.Config, budgets)
	if err != nil {
		t.Fatal(err)
	}
	err = client.Call(t.Context(), "CreateBudget", map[string]any{"AccountId": suite.Account, "Budget": map[string]any{
		"BudgetName": "conformance", "BudgetType": "COST", "TimeUnit": "MONTHLY", "BudgetLimit": map[string]string{"Amount": "20", "Unit": "USD"},
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := suite.Run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	t.Log(log.String())
	tested := strings.Count(log.String(), "\nok    ")
	if skipped := suite.Skipped(); tested+len(skipped) != len(Parts()) || tested < 8 {
		t.Errorf("%d parts were tested and %d skipped, of %d", tested, len(skipped), len(Parts()))
	}
	recorded, _ := filepath.Glob(filepath.Join(suite.Recordings, "*.json"))
	if len(recorded) != len(refusals) {
		t.Errorf("%d of %d refusals are recorded", len(recorded), len(refusals))
	}

	// After a failure everything is taken down as well.
	log.Reset()
	suite.Repository = "not a repository"
	if err := suite.Run(t.Context()); err == nil {
		t.Error("a repository without a name was deployed")
	}
}

// Recordings of an account are what the runner knows.
func TestRecordingsAreWhatTheRunnerKnows(t *testing.T) {
	files, err := filepath.Glob("testdata/aws/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		var r Recording
		if err == nil {
			err = json.Unmarshal(text, &r)
		}
		at := slices.IndexFunc(refusals, func(known refusal) bool {
			return known.operation == r.Operation && known.about == r.About
		})
		if err != nil || at < 0 || !slices.Contains(refusals[at].codes, r.Code) {
			t.Errorf("%s: %+v %v", file, r, err)
		}
	}
}
