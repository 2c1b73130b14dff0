// Package github tests the workflows and the action: it runs their shell scripts against stand-ins for AWS and GitHub.
package github

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

type step struct {
	Name  string            `yaml:"name"`
	Uses  string            `yaml:"uses"`
	Run   string            `yaml:"run"`
	Shell string            `yaml:"shell"`
	Env   map[string]string `yaml:"env"`
	With  map[string]string `yaml:"with"`
}

type workflow struct {
	Permissions map[string]string `yaml:"permissions"`
	Jobs        map[string]struct {
		Permissions map[string]string `yaml:"permissions"`
		Timeout     int               `yaml:"timeout-minutes"`
		Steps       []step            `yaml:"steps"`
	} `yaml:"jobs"`
	Inputs map[string]struct {
		Description string `yaml:"description"`
		Required    bool   `yaml:"required"`
		Default     string `yaml:"default"`
	} `yaml:"inputs"`
	Runs struct {
		Using string `yaml:"using"`
		Steps []step `yaml:"steps"`
	} `yaml:"runs"`
}

func read(t *testing.T, name string) workflow {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var w workflow
	if err := yaml.Unmarshal(text, &w); err != nil {
		t.Fatal(err)
	}
	return w
}

// shellOf returns the script of the step with a name; there is one in a file.
func shellOf(t *testing.T, w workflow, name string) string {
	t.Helper()
	steps := w.Runs.Steps
	for _, j := range w.Jobs {
		steps = append(steps, j.Steps...)
	}
	for _, s := range steps {
		if s.Name == name {
			return s.Run
		}
	}
	t.Fatalf("no step is called %q", name)
	return ""
}

var pinned = regexp.MustCompile(`^[\w.-]+(/[\w.-]+)+@[0-9a-f]{40}$`)

func TestWorkflowsPinActionsAndLimitPermissions(t *testing.T) {
	for _, name := range []string{"action.yml", "hybrid.yml", "push-events.yml"} {
		w := read(t, name)
		steps := w.Runs.Steps
		for job, j := range w.Jobs {
			steps = append(steps, j.Steps...)
			if len(j.Permissions) != 1 || j.Permissions["id-token"] != "write" {
				t.Errorf("%s: the job %s has the permissions %v", name, job, j.Permissions)
			}
			if j.Timeout == 0 {
				t.Errorf("%s: the job %s has no timeout", name, job)
			}
		}
		if w.Jobs != nil && (w.Permissions == nil || len(w.Permissions) != 0) {
			t.Errorf("%s: all jobs have the permissions %v", name, w.Permissions)
		}
		for _, s := range steps {
			if strings.Contains(s.Run, "${{") {
				t.Errorf("%s: %q has an expression in its shell: put it into env", name, s.Name)
			}
			if s.Run != "" && !strings.HasPrefix(s.Run, "set -euo pipefail\n") {
				t.Errorf("%s: %q does not stop at a failure", name, s.Name)
			}
			if s.Uses != "" && !pinned.MatchString(s.Uses) {
				t.Errorf("%s: %s is not pinned by its commit", name, s.Uses)
			}
			if w.Runs.Using == "composite" && s.Shell != "bash" {
				t.Errorf("%s: %q does not name its shell", name, s.Name)
			}
		}
	}
}

// The workflow passes each input that the action requires, and no other.
func TestTheWorkflowPassesTheInputsOfTheAction(t *testing.T) {
	action := read(t, "action.yml")
	var with map[string]string
	var raw struct {
		Jobs map[string]struct {
			Steps []struct {
				Uses string            `yaml:"uses"`
				With map[string]string `yaml:"with"`
			} `yaml:"steps"`
		} `yaml:"jobs"`
	}
	text, err := os.ReadFile("hybrid.yml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &raw); err != nil {
		t.Fatal(err)
	}
	for _, j := range raw.Jobs {
		for _, s := range j.Steps {
			if strings.Contains(s.Uses, "/infra/github@") {
				with = s.With
			}
		}
	}
	for name := range with {
		if _, ok := action.Inputs[name]; !ok {
			t.Errorf("the action has no input %s", name)
		}
	}
	for name, input := range action.Inputs {
		if input.Required && with[name] == "" {
			t.Errorf("the workflow does not pass %s", name)
		}
		if input.Description == "" {
			t.Errorf("the input %s has no description", name)
		}
	}
}

// The action fetches files that make release makes, by their names in SHA256SUMS.
func TestTheActionFetchesFilesOfARelease(t *testing.T) {
	release, err := os.ReadFile("../../image/release/build")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`for platform in linux-amd64 linux-arm64 `, `-o "$1/runner-$platform" ./cmd/runner`, `sha256sum >SHA256SUMS`} {
		if !strings.Contains(string(release), part) {
			t.Errorf("image/release/build does not have %s", part)
		}
	}
	action := read(t, "action.yml")
	for _, name := range []string{"runner-linux-amd64", "runner-linux-arm64", "SHA256SUMS"} {
		if !strings.Contains(action.Inputs["sha256"].Description, name) {
			t.Errorf("the documentation does not say where the checksum of %s is", name)
		}
	}
	for name, input := range action.Inputs {
		optional := slices.Contains([]string{"step", "environment", "branch", "sha", "version", "sha256"}, name)
		if input.Required == (input.Default != "") && !optional {
			t.Errorf("%s is not required and has no default", name)
		}
	}
}

// Credentials that expire before the job ends would leave the task running.
func TestCredentialsAreValidForTheWholeJob(t *testing.T) {
	text, err := os.ReadFile("../cicd.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Resources map[string]struct {
			Properties struct {
				MaxSessionDuration int `yaml:"MaxSessionDuration"`
			} `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(text, &template); err != nil {
		t.Fatal(err)
	}
	most := template.Resources["GitHubTriggerRole"].Properties.MaxSessionDuration
	for _, name := range []string{"hybrid.yml", "push-events.yml"} {
		for job, j := range read(t, name).Jobs {
			for _, s := range j.Steps {
				if !strings.HasPrefix(s.Uses, "aws-actions/configure-aws-credentials@") {
					continue
				}
				seconds, err := strconv.Atoi(s.With["role-duration-seconds"])
				if err != nil || seconds < 60*j.Timeout || seconds > most {
					t.Errorf(
						"%s: the credentials of %s last %d seconds, the job up to %d, and the role gives %d at most (%v)",
						name,
						job,
						seconds,
						60*j.Timeout,
						most,
						err,
					)
				}
			}
		}
	}
}

// stage is a folder of stand-ins for programs, first on the PATH.
type stage struct {
	*testing.T
	dir string
	env []string
}

func newStage(t *testing.T, env ...string) *stage {
	s := &stage{T: t, dir: t.TempDir()}
	s.env = append(
		env,
		"PATH="+filepath.Join(s.dir, "bin")+":"+os.Getenv("PATH"),
		"STAGE="+s.dir,
		"RUNNER_TEMP="+s.dir,
		"GITHUB_PATH="+filepath.Join(s.dir, "path"),
	)
	if err := os.Mkdir(filepath.Join(s.dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *stage) program(name, script string) {
	s.write("bin/"+name, "#!/usr/bin/env bash\n"+script)
}

func (s *stage) write(name, text string) {
	s.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o755); err != nil {
		s.Fatal(err)
	}
}

func (s *stage) read(name string) string {
	text, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		return "(" + name + " is not there)"
	}
	return string(text)
}

// run runs a script as GitHub does, and returns its output and exit code.
func (s *stage) run(script string) (said string, code int) {
	s.Helper()
	s.write("script.sh", script)
	command := exec.CommandContext(
		s.Context(),
		"bash",
		"--noprofile",
		"--norc",
		"-e",
		"-o",
		"pipefail",
		filepath.Join(s.dir, "script.sh"),
	)
	command.Dir, command.Env = s.dir, s.env
	text, err := command.CombinedOutput()
	if command.ProcessState == nil {
		s.Fatal(err)
	}
	return string(text), command.ProcessState.ExitCode()
}

const evil = `feature/$(touch pwned)"';&-x`

func TestTheActionRunsOnlyWhatMatchesItsChecksum(t *testing.T) {
	action := read(t, "action.yml")
	install, run := shellOf(t, action, "Install the runner"), shellOf(t, action, "Run the step")
	binary := "#!/usr/bin/env bash\nprintf '%s\\n' \"$@\" >\"$STAGE/arguments\"\necho \"${RUNNER_WORKSPACE-none}\" >\"$STAGE/workspace\"\nexit 7\n"
	sum := sha256.Sum256([]byte(binary))
	right := hex.EncodeToString(sum[:])

	for name, c := range map[string]struct {
		system, arch, checksum, releases string
		code                             int
		fetched                          string
	}{
		"x64":              {"Linux", "X64", right, action.Inputs["releases"].Default, 0, "https://github.com/carlin-cicd/runner/releases/download/v1.2.3/runner-linux-amd64"},
		"arm64":            {"Linux", "ARM64", right, action.Inputs["releases"].Default, 0, "https://github.com/carlin-cicd/runner/releases/download/v1.2.3/runner-linux-arm64"},
		"from elsewhere":   {"Linux", "X64", right, "https://example.com/r", 0, "https://example.com/r/v1.2.3/runner-linux-amd64"},
		"another checksum": {"Linux", "X64", strings.Repeat("0", 64), action.Inputs["releases"].Default, 1, "https://github.com/carlin-cicd/runner/releases/download/v1.2.3/runner-linux-amd64"},
		"no checksum":      {"Linux", "X64", "", action.Inputs["releases"].Default, 1, ""},
		"a Mac":            {"macOS", "ARM64", right, "", 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(
				t,
				"RUNNER_OS="+c.system,
				"RUNNER_ARCH="+c.arch,
				"SHA256="+c.checksum,
				"RELEASES="+c.releases,
				"VERSION=v1.2.3", "RELEASE=", "RELEASE_AMD64=", "RELEASE_ARM64=",
			)
			s.write("release", binary)
			s.program(
				"curl",
				`for a; do last=$a; done; echo "$last" >"$STAGE/fetched"; while [ "$1" != --output ]; do shift; done; cp "$STAGE/release" "$2"`,
			)
			said, code := s.run(install)
			if code != c.code || c.fetched != "" && strings.TrimSpace(s.read("fetched")) != c.fetched {
				t.Fatalf("exit %d after %s: %s", code, s.read("fetched"), said)
			}
			path := strings.TrimSpace(s.read("path"))
			if c.code != 0 {
				left, _ := filepath.Glob(filepath.Join(s.dir, "runner.*", "*"))
				if !strings.Contains(said, "::error::") || !strings.Contains(path, "not there") || len(left) > 0 {
					t.Errorf("it says %s; on the PATH is %s; left is %v", said, path, left)
				}
				return
			}
			s.env = append(
				s.env,
				"PATH="+path+":"+os.Getenv("PATH"),
				"STEP=test",
				"STACK=ci",
				"TARGET=",
				"REF="+evil,
				"COMMIT=",
				"GITHUB_REF_NAME=main",
				"GITHUB_SHA=abc",
				"RUNNER_WORKSPACE=/home/runner/work/r",
			)
			said, code = s.run(run)
			want := strings.Join(
				[]string{"trigger", "--step", "test", "--stack", "ci", "--branch", evil, "--sha", "abc", ""},
				"\n",
			)
			if code != 7 || s.read("arguments") != want || s.read("workspace") != "none\n" {
				t.Errorf(
					"exit %d, %s with the arguments %q and the workspace %s",
					code,
					said,
					s.read("arguments"),
					s.read("workspace"),
				)
			}
			s.env = append(s.env, "TARGET=production", "REF=")
			if _, code = s.run(run); code != 7 ||
				!strings.HasSuffix(s.read("arguments"), "--branch\nmain\n--sha\nabc\n--environment\nproduction\n") {
				t.Errorf("exit %d with the arguments %q", code, s.read("arguments"))
			}
			if _, err := os.Stat(filepath.Join(s.dir, "pwned")); err == nil {
				t.Error("the shell executed a branch's name")
			}
		})
	}
}

// A copy that a release has pinned needs neither version nor checksum, and lends its checksum to no other version.
func TestAPinnedActionNeedsNoInputs(t *testing.T) {
	install := shellOf(t, read(t, "action.yml"), "Install the runner")
	const amd64, arm64 = "binary of amd64", "binary of arm64"
	sum := func(text string) string {
		digest := sha256.Sum256([]byte(text))
		return hex.EncodeToString(digest[:])
	}
	for name, c := range map[string]struct {
		arch, version, checksum, release, served string
		code                                     int
		says                                     string
	}{
		"pinned":                        {"X64", "", "", "v1.2.3", amd64, 0, ""},
		"pinned, arm64":                 {"ARM64", "", "", "v1.2.3", arm64, 0, ""},
		"pinned, the version named":     {"X64", "v1.2.3", "", "v1.2.3", amd64, 0, ""},
		"pinned, another binary":        {"X64", "", "", "v1.2.3", arm64, 1, "checksum"},
		"pinned, another version":       {"X64", "v9", "", "v1.2.3", amd64, 1, "not pinned to v9"},
		"pinned, with another checksum": {"X64", "v9", sum("nine"), "v1.2.3", "nine", 0, ""},
		"not pinned":                    {"X64", "", "", "", amd64, 1, "not pinned to a release"},
		"not pinned, a checksum alone":  {"X64", "", sum(amd64), "", amd64, 1, "not pinned to a release"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, "RUNNER_OS=Linux", "RUNNER_ARCH="+c.arch, "VERSION="+c.version, "SHA256="+c.checksum,
				"RELEASES=https://example.com", "RELEASE="+c.release, "RELEASE_AMD64=", "RELEASE_ARM64=")
			if c.release != "" {
				s.env = append(s.env, "RELEASE_AMD64="+sum(amd64), "RELEASE_ARM64="+sum(arm64))
			}
			s.write("release", c.served)
			s.program("curl", `while [ "$1" != --output ]; do shift; done; cp "$STAGE/release" "$2"`)
			said, code := s.run(install)
			if code != c.code || !strings.Contains(said, c.says) {
				t.Errorf("exit %d: %s", code, said)
			}
		})
	}
}

func TestAPushIsPutAsTheDocumentedEvent(t *testing.T) {
	shell := shellOf(t, read(t, "push-events.yml"), "Put the event on the bus")
	const taken, failed = `{"FailedEntryCount":0,"Entries":[{"EventId":"id-1"}]}`, `{"FailedEntryCount":1,"Entries":[{"ErrorCode":"InternalFailure"}]}`
	for name, c := range map[string]struct {
		answers string // of the command, one a line; for an empty one it fails
		code    int
		calls   int
	}{
		"at once":                       {taken, 0, 1},
		"after a failed entry":          {failed + "\n" + taken, 0, 2},
		"after a failed command":        {"\n" + taken, 0, 2},
		"never":                         {failed + "\n" + failed + "\n" + failed + "\n" + taken, 1, 3},
		"never, and without any answer": {"\n\n\n" + taken, 1, 3},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, "EVENT_BUS=ci", "KIND=branch_push", "GITHUB_RUN_ID=77", "GITHUB_RUN_ATTEMPT=2")
			s.env = append(s.env, "GITHUB_EVENT_PATH="+filepath.Join(s.dir, "event.json"))
			event, err := json.Marshal(map[string]any{
				"ref": "refs/heads/" + evil, "before": strings.Repeat("a", 40), "after": strings.Repeat("b", 40), "deleted": false,
				"head_commit": map[string]any{"id": strings.Repeat("c", 40), "message": "$(touch pwned)"},
				"repository":  map[string]any{"full_name": "acme/shop", "pushed_at": 1763900000}, "sender": map[string]any{"login": "octocat"},
			})
			if err != nil {
				t.Fatal(err)
			}
			s.write("event.json", string(event))
			s.write("answers", c.answers+"\n")
			s.program("sleep", "true")
			s.program("aws", `[ "$1 $2 $3" = "events put-events --entries" ] || exit 99
printf '%s' "$4" >"$STAGE/entries"; echo >>"$STAGE/calls"
answer=$(sed -n "$(wc -l <"$STAGE/calls")p" "$STAGE/answers"); [ -n "$answer" ] || exit 255; echo "$answer"`)
			said, code := s.run(shell)
			if code != c.code || strings.Count(s.read("calls"), "\n") != c.calls ||
				(code != 0) != strings.Contains(said, "::error::") {
				t.Errorf("exit %d after %q calls: %s", code, s.read("calls"), said)
			}
			var entries []struct{ EventBusName, Source, DetailType, Detail string }
			if err := json.Unmarshal([]byte(s.read("entries")), &entries); err != nil || len(entries) != 1 {
				t.Fatalf("%v: %s", err, s.read("entries"))
			}
			var detail map[string]any
			if err := json.Unmarshal([]byte(entries[0].Detail), &detail); err != nil {
				t.Fatal(err)
			}
			want := map[string]any{
				"version": "1", "repository": "acme/shop", "ref": "refs/heads/" + evil, "before": strings.Repeat("a", 40), "after": strings.Repeat("c", 40),
				"deleted": false, "skip": false, "pushed": 1763900000.0, "sender": "octocat", "delivery": "github-77-2",
			}
			for key, value := range want {
				if detail[key] != value {
					t.Errorf("%s is %v, not %v", key, detail[key], value)
				}
			}
			if len(detail) != len(want) || entries[0].Source != "ci.github" || entries[0].DetailType != "branch_push" ||
				entries[0].EventBusName != "ci" {
				t.Errorf("the event is %+v", entries[0])
			}
			if _, err := os.Stat(filepath.Join(s.dir, "pwned")); err == nil {
				t.Error("the shell executed a branch's name")
			}
		})
	}
}

func TestKindOfAPush(t *testing.T) {
	shell := shellOf(t, read(t, "push-events.yml"), "Read the push")
	const before, after = `"before":"aa"`, `"after":"bb"`
	push := func(ref, more string) string {
		return `{"ref":"` + ref + `",` + before + `,` + after + `,"deleted":false,"created":false,"forced":false,"commits":[{}]` + more + `}`
	}
	message := func(text string) string { return `,"head_commit":{"id":"bb","message":"` + text + `"}` }
	for name, c := range map[string]struct{ event, want string }{
		"the main branch":                 {push("refs/heads/main", message("fix")), "push"},
		"another branch":                  {push("refs/heads/topic", message("fix")), "branch_push"},
		"a branch whose name has a slash": {push("refs/heads/main/topic", message("fix")), "branch_push"},
		"a release tag":                   {push("refs/tags/v1.2.3", message("release [skip ci]")), "push"},
		"a merge queue":                   {`{"merge_group":{"head_ref":"refs/heads/gh-readonly-queue/main/pr-5"}}`, "branch_push"},
		"a branch of the merge queue":     {push("refs/heads/gh-readonly-queue/main/pr-5", message("fix")), ""},
		"[skip ci]":                       {push("refs/heads/main", message("docs [skip ci]")), ""},
		"[CI skip]":                       {push("refs/heads/main", message("docs [CI skip]")), ""},
		"[no ci]":                         {push("refs/heads/main", message("docs [no ci]")), ""},
		"***NO_CI***":                     {push("refs/heads/topic", message("***NO_CI***")), ""},
		"skip ci without brackets":        {push("refs/heads/main", message("skip ci on Fridays")), "push"},
		"a deletion":                      {`{"ref":"refs/heads/main",` + before + `,"after":"00","deleted":true,"commits":[]}`, ""},
		"no commits":                      {`{"ref":"refs/heads/main",` + before + `,` + after + `,"commits":[],"created":false,"forced":false}`, ""},
		"a new branch without commits":    {`{"ref":"refs/heads/topic",` + before + `,` + after + `,"commits":[],"created":true,"forced":false}`, "branch_push"},
		"a branch that was reset":         {`{"ref":"refs/heads/main",` + before + `,` + after + `,"commits":[],"created":false,"forced":true}`, "push"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, "MAIN_BRANCH=main")
			s.env = append(s.env, "GITHUB_EVENT_PATH="+filepath.Join(s.dir, "event.json"), "GITHUB_OUTPUT="+filepath.Join(s.dir, "output"))
			s.write("event.json", c.event)
			said, code := s.run(shell)
			if got := s.read("output"); code != 0 || got != "kind="+c.want+"\n" || (c.want == "") != strings.Contains(said, "starts no pipeline") {
				t.Errorf("exit %d, %q, %s, want %q", code, got, said, c.want)
			}
		})
	}
}

func TestAMergeQueueIsPutAsAPushOfItsBranch(t *testing.T) {
	shell := shellOf(t, read(t, "push-events.yml"), "Put the event on the bus")
	s := newStage(t, "EVENT_BUS=ci", "KIND=branch_push", "GITHUB_RUN_ID=77", "GITHUB_RUN_ATTEMPT=1")
	s.env = append(s.env, "GITHUB_EVENT_PATH="+filepath.Join(s.dir, "event.json"))
	s.write("event.json", `{"merge_group":{"head_ref":"refs/heads/gh-readonly-queue/main/pr-5","base_sha":"aa","head_sha":"bb"},
		"repository":{"full_name":"acme/shop"},"sender":{"login":"octocat"}}`)
	s.program("aws", `printf '%s' "$4" >"$STAGE/entries"; echo '{"FailedEntryCount":0,"Entries":[{"EventId":"id-1"}]}'`)
	said, code := s.run(shell)
	var entries []struct{ DetailType, Detail string }
	if err := json.Unmarshal([]byte(s.read("entries")), &entries); code != 0 || err != nil || len(entries) != 1 {
		t.Fatalf("exit %d, %v: %s", code, err, said)
	}
	for _, want := range []string{`"ref":"refs/heads/gh-readonly-queue/main/pr-5"`, `"before":"aa"`, `"after":"bb"`, `"pushed":0`} {
		if !strings.Contains(entries[0].Detail, want) {
			t.Errorf("%s has no %s", entries[0].Detail, want)
		}
	}
}

// The roles of cicd.yaml trust the main branch and release tags, or any branch: each job asks for the role of its ref.
func TestRoleOfTheRef(t *testing.T) {
	for name, want := range map[string]string{
		"push-events.yml": "${{ steps.push.outputs.kind == 'push' && vars.CI_TRIGGER_ROLE || vars.CI_BRANCH_ROLE }}",
		"hybrid.yml": "${{ github.ref == format('refs/heads/{0}', vars.CI_MAIN_BRANCH || github.event.repository.default_branch) " +
			"&& vars.CI_TRIGGER_ROLE || vars.CI_BRANCH_ROLE }}",
	} {
		for job, j := range read(t, name).Jobs {
			for _, s := range j.Steps {
				if strings.HasPrefix(s.Uses, "aws-actions/") && (s.With["role-to-assume"] != want || !strings.Contains(s.With["audience"], "CI_AUDIENCE")) {
					t.Errorf("%s: the job %s asks for %v", name, job, s.With)
				}
			}
		}
	}
}

// fakeECS stands in for the aws command. Tests set its answers in files.
const fakeECS = `printf '%s\n' "$*" >>"$STAGE/asked"
case "$1 $2" in
"cloudformation describe-stacks")
  echo '[{"OutputKey":"ClusterArn","OutputValue":"arn:c"},{"OutputKey":"SubnetIds","OutputValue":"subnet-1,subnet-2"},{"OutputKey":"SecurityGroupId","OutputValue":"sg-1"},{"OutputKey":"AssignPublicIp","OutputValue":"ENABLED"},{"OutputKey":"TagPrefix","OutputValue":"v"},{"OutputKey":"TestTaskDefinitionArn","OutputValue":"arn:d"},{"OutputKey":"BranchTestTaskDefinitionArn","OutputValue":"arn:b"}]' ;;
"ecs run-task")
  while [ $# -gt 0 ]; do case "$1" in --network-configuration|--overrides) printf '%s' "$2" >"$STAGE/$1" ;; esac; shift; done
  cat "$STAGE/started" ;;
"ecs describe-tasks")
  echo >>"$STAGE/polls"; n=$(wc -l <"$STAGE/polls")
  case $n in 1) echo '{"tasks":[{"lastStatus":"PENDING"}]}' ;; 2) exit 255 ;; 3) echo '{"tasks":[{"lastStatus":"RUNNING"}]}' ;; *) cat "$STAGE/ended" ;; esac ;;
"ecs describe-task-definition") echo '{"taskDefinition":{"containerDefinitions":[{"name":"runner","logConfiguration":{"options":{"awslogs-group":"/ci/build","awslogs-stream-prefix":"test"}}}]}}' ;;
"ecs stop-task") echo STOPPING ;;
"logs get-log-events") echo '{"events":[{"message":"what the step said"}]}' ;;
*) exit 99 ;;
esac`

func TestWithoutTheRunnerTheJobEndsAsTheTask(t *testing.T) {
	shell := shellOf(t, read(t, "hybrid.yml"), "Run the task")
	const task = `{"tasks":[{"taskArn":"arn:aws:ecs:eu-central-1:1:task/ci/0123"}],"failures":[]}`
	for name, c := range map[string]struct {
		started, ended string
		code           int
		says           string
	}{
		"passed":        {task, `{"tasks":[{"lastStatus":"STOPPED","stopCode":"EssentialContainerExited","containers":[{"name":"runner","exitCode":0}]}]}`, 0, "what the step said"},
		"failed":        {task, `{"tasks":[{"lastStatus":"STOPPED","stopCode":"EssentialContainerExited","containers":[{"name":"sidecar","exitCode":0},{"name":"runner","exitCode":7}]}]}`, 7, "what the step said"},
		"never started": {task, `{"tasks":[{"lastStatus":"STOPPED","stopCode":"TaskFailedToStart","stoppedReason":"CannotPullContainerError","containers":[{"name":"runner"}]}]}`, 125, "TaskFailedToStart: CannotPullContainerError"},
		"forgotten":     {task, `{"tasks":[],"failures":[{"reason":"MISSING"}]}`, 125, "the task did not run"},
		"no capacity":   {`{"tasks":[],"failures":[{"reason":"Capacity is unavailable at this time"}]}`, "", 125, "Capacity is unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(
				t,
				"STACK=ci",
				"STEP=test",
				"DEFINITION=TestTaskDefinitionArn",
				"POLL=0",
				"MAIN_BRANCH=main",
				"GITHUB_REF=refs/heads/"+evil,
				"GITHUB_REF_NAME="+evil,
				"GITHUB_SHA=abc",
				"GITHUB_REPOSITORY=acme/shop",
				"GITHUB_SERVER_URL=https://github.com",
				"GITHUB_RUN_ID=77",
				"GITHUB_RUN_ATTEMPT=1",
			)
			s.write("started", c.started)
			s.write("ended", c.ended)
			s.program("aws", fakeECS)
			said, code := s.run(shell)
			if code != c.code || !strings.Contains(said, c.says) ||
				(code == 125) != strings.Contains(said, "::error::") {
				t.Errorf("exit %d: %s", code, said)
			}
			if got, want := s.read("--network-configuration"), `{"awsvpcConfiguration":{"subnets":["subnet-1","subnet-2"],"securityGroups":["sg-1"],"assignPublicIp":"ENABLED"}}`; got != want {
				t.Errorf("the network is %s", got)
			}
			var overrides struct {
				ContainerOverrides []struct {
					Name        string
					Environment []struct{ Name, Value string }
				}
			}
			if err := json.Unmarshal([]byte(s.read("--overrides")), &overrides); err != nil ||
				len(overrides.ContainerOverrides) != 1 {
				t.Fatalf("%v: %s", err, s.read("--overrides"))
			}
			got := map[string]string{}
			for _, v := range overrides.ContainerOverrides[0].Environment {
				got[v.Name] = v.Value
			}
			if overrides.ContainerOverrides[0].Name != "runner" || len(got) != 5 || got["PIPELINE_STEP"] != "test" ||
				got["BRANCH"] != evil ||
				got["GIT_SHA"] != "abc" ||
				got["GITHUB_REPOSITORY"] != "acme/shop" ||
				got["REPOSITORY_URL"] != "https://github.com/acme/shop.git" {
				t.Errorf("the overrides are %+v", overrides)
			}
			if asked := s.read("asked"); !strings.Contains(asked, "--task-definition arn:b ") {
				t.Errorf("the job of a branch runs another task definition: %s", asked)
			}
			if c.ended != "" && !strings.Contains(s.read("asked"), "--log-stream-name test/runner/0123") {
				t.Errorf("the job did not request the log: %s", s.read("asked"))
			}
		})
	}
}

func TestACancelledWorkflowStopsItsTask(t *testing.T) {
	shell := shellOf(t, read(t, "hybrid.yml"), "Run the task")
	s := newStage(
		t,
		"STACK=ci",
		"STEP=test",
		"DEFINITION=TestTaskDefinitionArn",
		"POLL=60",
		"MAIN_BRANCH=main",
		"GITHUB_REF=refs/heads/main",
		"GITHUB_REF_NAME=main",
		"GITHUB_SHA=abc",
		"GITHUB_REPOSITORY=acme/shop",
		"GITHUB_SERVER_URL=https://github.com",
		"GITHUB_RUN_ID=77",
		"GITHUB_RUN_ATTEMPT=1",
	)
	s.write("started", `{"tasks":[{"taskArn":"arn:t/0123"}],"failures":[]}`)
	s.program("aws", fakeECS)
	// GitHub cancels the job when it first describes the task.
	s.program("sleep", `kill -TERM $PPID; exec >/dev/null 2>&1; exec /bin/sleep 1`)
	said, code := s.run(shell)
	if asked := s.read("asked"); !strings.Contains(asked, "--task-definition arn:d ") {
		t.Errorf("the job of the main branch runs another task definition: %s", asked)
	}
	if code != 143 ||
		!strings.Contains(
			s.read("asked"),
			"ecs stop-task --cluster arn:c --task arn:t/0123 --reason cancelled in GitHub, run 77",
		) {
		t.Errorf("exit %d: %s; asked: %s", code, said, s.read("asked"))
	}
}
