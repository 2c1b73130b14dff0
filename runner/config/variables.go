package config

// Variable is an environment variable that the runner reads.
type Variable struct {
	Name  string
	About string
}

// VariableGroup is a group of variables with one subject.
type VariableGroup struct {
	Title     string
	Variables []Variable
}

// Variables are the environment variables of a run. Commands other than run have flags with variables of their own,
// which their help lists.
func Variables() []VariableGroup {
	return []VariableGroup{
		{"The step", []Variable{
			{"PIPELINE_STEP", "the step, or several that run one after the other, as in build,test; build by default"},
			{"ENVIRONMENT", "the environment of a deploy or a migration, such as staging"},
			{"STACK_NAME", "the CloudFormation stack to deploy"},
			{"RUNNER_WORKSPACE", "the checkout; the current folder by default"},
			{"RUNNER_CONFIG", "the settings of the steps; runner.yaml in the workspace by default"},
			{"RUNNER_TIMEOUT", "time limit of the step; its own by default, else 1h"},
			{"RUNNER_GRACE", "time between TERM and KILL; 20s by default"},
			{"RUNNER_STOP_BUDGET", "time from TERM to the end of the runner; set it to the stopTimeout of the task; 30s by default"},
			{"RUNNER_RETRIES", "how often the command is started again; overrides retry.attempts"},
			{"RUNNER_DRY_RUN", "print the plan and run nothing"},
			{"RUNNER_FORCE", "deploy or migrate even if a newer commit is live, or the commit is not known"},
			{"RUNNER_ONLY", "files or tests, one a line: only these are run, by the step's rerun command; with GIT_SHA at that commit"},
			{"RUNNER_SHARD", "2/4: run the second of four shards of the tests"},
			{"RUNNER_PARALLEL", "run so many shards side by side here, each in a copy of the workspace"},
			{"RUNNER_MERGE_SHARDS", "merge what so many shards have stored into one record, instead of running the step"},
			{"RUNNER_SHARD_RUN", "the same for all shards that belong together; of-4 for four by default"},
			{"RUNNER_SHARD_HISTORY", "of the plan: the times by which all shards divide the tests"},
			{"RUNNER_SHARD_MERGE", "last: the last shard merges; never: what started the shards has them merged"},
			{"RUNNER_SHARD_ORIGIN", "set by RUNNER_PARALLEL: the workspace of which this one is a copy"},
			{"RUNNER_RIGHT_SIZE", "show the size of Fargate that fits the last runs of the step, and run nothing"},
			{"RUNNER_LIMIT", "how many of the last runs RUNNER_RIGHT_SIZE looks at; 20 by default"},
		}},
		{"The commit", []Variable{
			{"BRANCH", "the branch or tag; GITHUB_REF_NAME by default, else that of git"},
			{"GIT_SHA", "the commit; GITHUB_SHA by default, else that of git"},
			{"REPOSITORY_URL", "with GIT_SHA: the commit is fetched from there if the workspace is not at it"},
			{"RUNNER_SSH_KEY", "a private key to fetch over ssh, or a reference to one; no file ever holds it, the command does not get it"},
			{"RUNNER_SSH_KNOWN_HOSTS", "lines of known hosts, to fetch over ssh"},
			{"RUNNER_IMAGE_INPUTS", "what the image of the task was built from; if the commit has something else, a build ends before it begins, and the pipeline builds the image anew; the pipeline sets it"},
			{"RUNNER_EVENT", "what started the pipeline: push, tag, schedule, manual or pull_request; push by default"},
			{"RUNNER_ENVIRONMENTS", "environments, separated by commas, that the cluster delivers the main branch to in this order where runner.yaml has no pipeline; the pipeline sets it"},
			{"RUNNER_APPROVAL_ENVIRONMENTS", "those of them that wait for an approval, which the page of all runs shows; the pipeline sets it"},
			{"RUNNER_MAIN_BRANCH", "the branch whose records and sets count for all branches and tags; main by default"},
			{"RUNNER_PROTECTED_BRANCHES", "names or patterns, separated by commas, of branches whose sets are never replaced; the main branch by default"},
		}},
		{"The store", []Variable{
			{"ARTIFACT_BUCKET", "a bucket, s3://bucket/prefix or file:///folder; by default a folder of the user's state, outside the workspace"},
			{"RUNNER_CACHE_FROM", "a store that caches are read from; then none are saved. By default that of the artifacts"},
			{"RUNNER_ARTIFACT_DIGESTS", "KIND=SHA256, separated by commas: only sets with these digests may be fetched; none: no set. The pipeline sets it to those of its own build"},
			{"RUNNER_SIGNING_KEY", "a key of KMS (ARN, id or alias/NAME) that the provenance of builds is signed with; with it, fetch refuses builds that it did not sign"},
			{"RUNNER_S3_BUCKET_OWNER", "the account that the bucket must belong to"},
			{"RUNNER_STORE_ROLE", "the ARN of a role that the runner assumes for the bucket, with the prefix in it as the session tag prefix"},
			{"RUNNER_S3_ENCRYPTION", "AES256 or aws:kms; the bucket's default if unset"},
			{"RUNNER_S3_KMS_KEY", "the key for aws:kms"},
			{"RUNNER_S3_STORAGE_CLASS", "the storage class of every object"},
			{"RUNNER_S3_TAGS", "tags of every object, as in team=web&keep=30d"},
			{"RUNNER_LOCK_TTL", "after how long without a sign of life a lock is free; 60s by default"},
			{"RUNNER_STACK_POLL", "how often a stack is looked at; 5s by default"},
		}},
		{"The account", []Variable{
			{"RUNNER_ROLE", "the ARN of a role that the runner assumes for the step; overrides role in runner.yaml"},
			{"RUNNER_EXTERNAL_ID", "the external ID that the role's trust policy asks for"},
			{"RUNNER_ACCOUNT", "the account that the step must work in; overrides account in runner.yaml"},
			{"RUNNER_REGION", "the region that the step works in; overrides region in runner.yaml"},
			{"RUNNER_CREDENTIALS", "task or none: which AWS credentials the command gets; overrides credentials in runner.yaml"},
			{"RUNNER_CAPACITY_PROVIDER", "FARGATE_SPOT in a task on Spot, whose metadata does not say so; the pipeline sets it"},
		}},
		{"Log and notifications", []Variable{
			{"RUNNER_LOG_FORMAT", "auto, text or json; auto is text on a terminal, JSON otherwise"},
			{"RUNNER_LOG_LEVEL", "debug, info, warn or error; info by default"},
			{"SLACK_WEBHOOK_URL", "an incoming webhook for failures, recoveries and deploys, or a reference to one; the command does not get it"},
			{"SLACK_BOT_TOKEN", "the token of an app: one message for each commit, which its runs change, instead of the webhook; or a reference to one; the command does not get it"},
			{"SLACK_CHANNEL", "the id of the channel for SLACK_BOT_TOKEN, as in C0123456789"},
			{"SLACK_API_URL", "the address of Slack's API; https://slack.com/api/ by default"},
			{"RUNNER_SLACK_USERS", "EMAIL=ID, separated by commas: who is mentioned if the commit that they wrote fails"},
			{"GITHUB_TOKEN", "a token to fetch over https and to set the status of the commit, or a reference to one; the command does not get it"},
			{"GITHUB_REPOSITORY", "the repository for the status, such as acme/shop"},
			{"RUNNER_GITHUB_STATUS", "auto, on or off: whether commits get a status"},
			{"RUNNER_GITHUB_COMMENT", "on or off: whether the pull request of the commit gets a comment with its steps; off by default"},
			{"RUNNER_REPORT_LINK", "how long the link to the report in messages is valid, 168h by default and at most; 0s for no link"},
			{"GITHUB_STEP_SUMMARY", "a file that the run is added to as Markdown"},
			{"NO_COLOR", "any value: no colours in text"},
			{"OTEL_EXPORTER_OTLP_ENDPOINT", "where a trace of the run is sent; OpenTelemetry's other variables are read, too"},
			{"RUNNER_JSON", "doctor and RUNNER_RIGHT_SIZE print one JSON object a line"},
		}},
		{"Set by others", []Variable{
			{"GITHUB_REF_NAME", "the branch or tag in a workflow"},
			{"GITHUB_SHA", "the commit in a workflow"},
			{"GITHUB_ACTOR", "who caused the run"},
			{"GITHUB_API_URL", "the address of the API of a GitHub Enterprise Server"},
			{"GITHUB_SERVER_URL", "the address of a GitHub Enterprise Server"},
			{"ECS_CONTAINER_METADATA_URI_V4", "the metadata of the task"},
			{"TRACEPARENT", "the trace that the run is a part of"},
		}},
	}
}
