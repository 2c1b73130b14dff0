// Package config is what the environment, the flags and the workspace say of a run before it starts.
package config

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/caarlos0/env/v10"

	"github.com/carlin-cicd/runner/artifacts/s3"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/steps"
)

// Config is what the environment and the flags say of a run. Empty means not set.
type Config struct {
	Step           string   `env:"PIPELINE_STEP" envDefault:"build"`
	StackName      string   `env:"STACK_NAME"`
	Environment    string   `env:"ENVIRONMENT"`
	Branch         string   `env:"BRANCH"`
	SHA            string   `env:"GIT_SHA"`
	Artifacts      string   `env:"ARTIFACT_BUCKET"`
	Workspace      string   `env:"RUNNER_WORKSPACE"`
	File           string   `env:"RUNNER_CONFIG"`
	CacheFrom      string   `env:"RUNNER_CACHE_FROM"` // where caches are read from; then none are saved. "": the artifacts' store
	LogFormat      string   `env:"RUNNER_LOG_FORMAT" envDefault:"auto"`
	LogLevel       string   `env:"RUNNER_LOG_LEVEL" envDefault:"info"`
	DryRun         bool     `env:"RUNNER_DRY_RUN"`
	Repository     string   `env:"REPOSITORY_URL"`
	GitHubName     string   `env:"GITHUB_REPOSITORY"`
	KnownHosts     string   `env:"RUNNER_SSH_KNOWN_HOSTS"`
	MainBranch     string   `env:"RUNNER_MAIN_BRANCH" envDefault:"main"` // whose records count for tags, too
	Protected      string   `env:"RUNNER_PROTECTED_BRANCHES"`            // globs, separated by commas; "": the main branch
	Event          string   `env:"RUNNER_EVENT" envDefault:"push"`       // what started the pipeline
	Environments   []string `env:"RUNNER_ENVIRONMENTS"`                  // that the cluster delivers to where runner.yaml has no pipeline
	Approvals      []string `env:"RUNNER_APPROVAL_ENVIRONMENTS"`         // those of them that it asks for
	Digests        string   `env:"RUNNER_ARTIFACT_DIGESTS"`              // KIND=SHA256, separated by commas: the sets that may be fetched
	SigningKey     string   `env:"RUNNER_SIGNING_KEY"`                   // of KMS: an id, an alias or an ARN
	GitHubBranch   string   `env:"GITHUB_REF_NAME"`
	GitHubSHA      string   `env:"GITHUB_SHA"`
	StepSummary    string   `env:"GITHUB_STEP_SUMMARY"` // a file that Markdown is added to
	GitHubAPI      string   `env:"GITHUB_API_URL"`      // "": github.com's
	GitHubServer   string   `env:"GITHUB_SERVER_URL"`
	GitHubStatus   string   `env:"RUNNER_GITHUB_STATUS" envDefault:"auto"` // auto, on or off
	GitHubComment  string   `env:"RUNNER_GITHUB_COMMENT" envDefault:"off"` // on or off
	SlackChannel   string   `env:"SLACK_CHANNEL"`
	SlackAPI       string   `env:"SLACK_API_URL"`      // "": slack.com's
	SlackUsers     string   `env:"RUNNER_SLACK_USERS"` // EMAIL=ID, separated by commas: see SlackUser
	Actor          string   `env:"GITHUB_ACTOR"`       // who has caused the run
	S3Encryption   string   `env:"RUNNER_S3_ENCRYPTION"`
	S3KMSKey       string   `env:"RUNNER_S3_KMS_KEY"`
	S3StorageClass string   `env:"RUNNER_S3_STORAGE_CLASS"`
	S3Tags         string   `env:"RUNNER_S3_TAGS"`
	S3Owner        string   `env:"RUNNER_S3_BUCKET_OWNER"`
	StoreRole      string   `env:"RUNNER_STORE_ROLE"` // assumed for the store, with its prefix as a session tag
	Metadata       string   `env:"ECS_CONTAINER_METADATA_URI_V4"`
	TraceParent    string   `env:"TRACEPARENT"`
	Role           string   `env:"RUNNER_ROLE"`        // see steps.Step: these override runner.yaml, since the task decides
	ExternalID     string   `env:"RUNNER_EXTERNAL_ID"` // of the role's trust policy
	Account        string   `env:"RUNNER_ACCOUNT"`
	Region         string   `env:"RUNNER_REGION"`
	Credentials    string   `env:"RUNNER_CREDENTIALS"` // "", task or none
	Force          bool     `env:"RUNNER_FORCE"`
	Only           string   `env:"RUNNER_ONLY"`              // tests, a line each: see OnlyWords
	Capacity       string   `env:"RUNNER_CAPACITY_PROVIDER"` // the task's, which its metadata does not tell
	Shard          string   `env:"RUNNER_SHARD"`             // 2/4: this run is the second of four shards
	ShardRun       string   `env:"RUNNER_SHARD_RUN"`         // the same for all shards that belong together
	ShardHistory   string   `env:"RUNNER_SHARD_HISTORY"`     // of the plan: digest of the times by which tests are divided
	ShardMerge     string   `env:"RUNNER_SHARD_MERGE" envDefault:"last"`
	ShardOrigin    string   `env:"RUNNER_SHARD_ORIGIN"` // the folder that the workspace is a copy of
	MergeShards    int      `env:"RUNNER_MERGE_SHARDS"` // merges so many shards instead of running the step

	Timeout    time.Duration `env:"RUNNER_TIMEOUT"` // 0: the step's own, else DefaultTimeout
	Grace      time.Duration `env:"RUNNER_GRACE" envDefault:"20s"`
	StopBudget time.Duration `env:"RUNNER_STOP_BUDGET" envDefault:"30s"`
	Retries    int           `env:"RUNNER_RETRIES" envDefault:"-1"` // -1: the step's own
	LockTTL    time.Duration `env:"RUNNER_LOCK_TTL" envDefault:"60s"`
	StackPoll  time.Duration `env:"RUNNER_STACK_POLL" envDefault:"5s"`
	ReportLink time.Duration `env:"RUNNER_REPORT_LINK" envDefault:"168h"` // how long it is valid; 0: there is none
}

// maxOnly is how many tests may be named: as many as a rerun may have.
const maxOnly = 100

// OnlyWords returns the tests that alone are to run; none for all of the step.
func (c Config) OnlyWords() []string {
	var words []string
	for line := range strings.Lines(c.Only) {
		if line = strings.TrimSpace(line); line != "" {
			words = append(words, line)
		}
	}
	return words
}

// SpotProvider is the capacity provider of tasks on Spot.
const SpotProvider = "FARGATE_SPOT"

// DefaultTimeout ends a step that neither the environment nor runner.yaml gives one.
const DefaultTimeout = time.Hour

var environmentName = compiled(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// Read reads the variables. An empty variable counts as one that is not set: task definitions and
// EventBridge's input transformers write empty strings where a value is absent.
func Read(variables map[string]string) (Config, error) {
	set := make(map[string]string, len(variables))
	for name, value := range variables {
		if value != "" {
			set[name] = value
		}
	}
	var c Config
	if err := env.ParseWithOptions(&c, env.Options{Environment: set}); err != nil {
		return c, variableError(err, set)
	}
	return c, c.check()
}

// variableError names the variable, which env knows only by its field.
func variableError(err error, set map[string]string) error {
	var parse env.ParseError
	if !errors.As(err, &parse) {
		var all env.AggregateError
		if !errors.As(err, &all) || len(all.Errors) == 0 || !errors.As(all.Errors[0], &parse) {
			return &outcome.ConfigError{Err: err}
		}
	}
	name := parse.Name
	if field, ok := reflect.TypeFor[Config]().FieldByName(parse.Name); ok {
		name = field.Tag.Get("env")
	}
	advice := map[reflect.Type]string{
		reflect.TypeFor[time.Duration](): "write a duration such as 90s, 15m or 1h30m",
		reflect.TypeFor[int]():           "write a whole number",
		reflect.TypeFor[bool]():          "write true or false",
	}[parse.Type]
	return &outcome.ConfigError{Message: fmt.Sprintf("%s cannot be %q", name, set[name]), Advice: advice}
}

func (c *Config) check() error {
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"RUNNER_TIMEOUT", c.Timeout}, {"RUNNER_GRACE", c.Grace}, {"RUNNER_STOP_BUDGET", c.StopBudget}, {"RUNNER_LOCK_TTL", c.LockTTL}, {"RUNNER_STACK_POLL", c.StackPoll}, {"RUNNER_REPORT_LINK", c.ReportLink}} {
		if d.value < 0 {
			return &outcome.ConfigError{
				Message: fmt.Sprintf("%s cannot be negative, it is %s", d.name, d.value),
				Advice:  "write a duration such as 90s, 15m or 1h30m",
			}
		}
	}
	if c.Grace >= c.StopBudget {
		return &outcome.ConfigError{
			Message: fmt.Sprintf(
				"RUNNER_GRACE (%s) leaves nothing of RUNNER_STOP_BUDGET (%s) for publishing",
				c.Grace,
				c.StopBudget,
			),
			Advice: "raise stopTimeout in the task definition and RUNNER_STOP_BUDGET with it, or lower RUNNER_GRACE",
		}
	}
	if c.Retries < -1 || c.Retries > 10 {
		return &outcome.ConfigError{
			Message: fmt.Sprintf("RUNNER_RETRIES cannot be %d", c.Retries),
			Advice:  "write a whole number from 0 to 10",
		}
	}
	if words := c.OnlyWords(); c.Only != "" && len(words) == 0 || len(words) > maxOnly {
		return &outcome.ConfigError{
			Message: fmt.Sprintf("RUNNER_ONLY names %d tests", len(words)),
			Advice:  fmt.Sprintf("name 1 to %d tests or files, one a line", maxOnly),
		}
	}
	if c.ReportLink > s3.MaxPresign {
		return &outcome.ConfigError{
			Message: fmt.Sprintf("RUNNER_REPORT_LINK cannot be %s", c.ReportLink),
			Advice:  fmt.Sprintf("S3 lets a link live for %.0fh at most", s3.MaxPresign.Hours()),
		}
	}
	switch c.GitHubStatus {
	case "auto", "on", "off":
	default:
		return &outcome.ConfigError{
			Message: fmt.Sprintf("RUNNER_GITHUB_STATUS cannot be %q", c.GitHubStatus),
			Advice:  "write auto, on or off",
		}
	}
	if c.GitHubComment != "on" && c.GitHubComment != "off" {
		return &outcome.ConfigError{
			Message: fmt.Sprintf("RUNNER_GITHUB_COMMENT cannot be %q", c.GitHubComment), Advice: "write on or off",
		}
	}
	if _, err := c.slackUsers(); err != nil {
		return err
	}
	switch steps.Credentials(c.Credentials) {
	case "", steps.TaskCredentials, steps.NoCredentials:
	default:
		return &outcome.ConfigError{
			Message: fmt.Sprintf("RUNNER_CREDENTIALS cannot be %q", c.Credentials), Advice: "write task or none",
		}
	}
	if !steps.IsEvent(c.Event) {
		return &outcome.ConfigError{
			Message: fmt.Sprintf("RUNNER_EVENT cannot be %q", c.Event),
			Advice:  "write push, tag, schedule, manual or pull_request",
		}
	}
	if err := errors.Join(c.checkS3(), c.checkProtection(), c.checkShards()); err != nil {
		return err
	}
	if c.Environment != "" && !environmentName().MatchString(c.Environment) {
		return &outcome.ConfigError{
			Message: fmt.Sprintf("ENVIRONMENT cannot be %q", c.Environment),
			Advice:  "use letters, digits, dots, dashes and underscores, such as production",
		}
	}
	if strings.ContainsAny(c.StackName, "/\\ \t\n") {
		return &outcome.ConfigError{
			Message: fmt.Sprintf("STACK_NAME cannot be %q", c.StackName),
			Advice:  "use the name of a CloudFormation stack",
		}
	}
	return c.locate()
}

var roleARN = regexp.MustCompile(`^arn:[a-z-]+:iam::[0-9]{12}:role/.+$`)

var accountID = regexp.MustCompile(`^[0-9]{12}$`)

// checkS3 refuses here what S3 would refuse when the work is done.
func (c *Config) checkS3() error {
	switch {
	case c.S3Encryption != "" && c.S3Encryption != "AES256" && c.S3Encryption != "aws:kms":
		return &outcome.ConfigError{
			Message: fmt.Sprintf("RUNNER_S3_ENCRYPTION cannot be %q", c.S3Encryption),
			Advice:  "write AES256 or aws:kms, or leave it to the bucket",
		}
	case c.S3KMSKey != "" && c.S3Encryption != "aws:kms":
		return &outcome.ConfigError{
			Message: "RUNNER_S3_KMS_KEY is set without RUNNER_S3_ENCRYPTION=aws:kms",
			Advice:  "set both, or neither",
		}
	case c.StoreRole != "" && !roleARN.MatchString(c.StoreRole):
		return &outcome.ConfigError{
			Message: fmt.Sprintf("RUNNER_STORE_ROLE cannot be %q", c.StoreRole),
			Advice:  "write the ARN of a role, as in arn:aws:iam::123456789012:role/store",
		}
	case c.S3Owner != "" && !accountID.MatchString(c.S3Owner):
		return &outcome.ConfigError{
			Message: fmt.Sprintf("RUNNER_S3_BUCKET_OWNER cannot be %q", c.S3Owner),
			Advice:  "write the 12 digits of an account's id",
		}
	}
	if tags, err := url.ParseQuery(c.S3Tags); err != nil || len(tags) > 10 ||
		len(tags) > 0 && !strings.Contains(c.S3Tags, "=") {
		return &outcome.ConfigError{
			Message: fmt.Sprintf("RUNNER_S3_TAGS cannot be %q", c.S3Tags),
			Advice:  "write up to ten as in team=web&keep=30d",
		}
	}
	return nil
}

// locate makes the workspace absolute and sees that it is there.
func (c *Config) locate() error {
	where := c.Workspace
	if where == "" {
		where = "."
	}
	absolute, err := filepath.Abs(where)
	if err != nil {
		return &outcome.ConfigError{Message: fmt.Sprintf("the workspace %s cannot be located: %v", where, err)}
	}
	if info, err := os.Stat(absolute); err != nil || !info.IsDir() {
		return &outcome.ConfigError{
			Message: fmt.Sprintf("the workspace %s is not a folder", where),
			Advice:  "point --workspace (RUNNER_WORKSPACE) to the checkout",
		}
	}
	c.Workspace = absolute
	return nil
}
