package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/aws/smithy-go"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/credentials"
	"github.com/carlin-cicd/runner/runner/awsjson"
	"github.com/carlin-cicd/runner/runner/awsquery"
	"github.com/carlin-cicd/runner/runner/deploy/stack"
	"github.com/carlin-cicd/runner/steps"
)

// Inspection checks a cluster that is deployed.
type Inspection struct {
	*Deployment
	Steps         []steps.Step // of the workspace
	DefaultBranch string       // of the repository, as the checkout knows it; "" if it does not
	GitHubToken   string       // a secret; "" leaves out what only GitHub knows
	GitHubURL     string       // of the API
	HTTP          *http.Client
	Unreachable   map[string]error // environments elsewhere without credentials
	Drift         bool             // whether CloudFormation compares the stacks with what is there, which takes a minute or more

	base, pipeline, hook stack.Snapshot
	environments         map[string]stack.Snapshot
	targets              map[string]stack.Snapshot // of environments elsewhere
	values               map[string]string         // the parameters of the pipeline

	mu      sync.Mutex
	clients map[string]*awsjson.Client
	queries map[string]*awsquery.Client
}

// check is one line of the checklist. It returns what it found, or an error if it could not look.
type check struct {
	subject string
	action  string // the permission that it needs, for an error
	run     func(*Inspection, context.Context) ([]artifacts.Finding, error)
}

// checks are the checklist, in the order in which it is printed.
func checks() []check {
	return []check{
		{"stacks", "cloudformation:DescribeStacks", (*Inspection).checkStacks},
		{"version", "cloudformation:GetTemplate", (*Inspection).checkTemplates},
		{"version", "ecr:BatchGetImage", (*Inspection).checkImageVersion},
		{"image", "ecr:DescribeImages", (*Inspection).checkImage},
		{"image", "dynamodb:GetItem", (*Inspection).checkImageItem},
		{"environments", "cloudformation:DescribeStacks", (*Inspection).checkEnvironments},
		{"triggers", "events:ListRules", (*Inspection).checkTriggers},
		{"machine", "states:DescribeStateMachine", (*Inspection).checkMachine},
		{"bucket", "s3:GetBucketVersioning", (*Inspection).checkBucket},
		{"network", "ec2:DescribeSubnets", (*Inspection).checkNetwork},
		{"alarms", "cloudwatch:DescribeAlarms", (*Inspection).checkAlarms},
		{"receivers", "sns:ListSubscriptionsByTopic", (*Inspection).checkReceivers},
		{"dead letters", "sqs:GetQueueAttributes", (*Inspection).checkDeadLetters},
		{"secrets", "secretsmanager:DescribeSecret and ssm:DescribeParameters", (*Inspection).checkSecrets},
		{"quotas", "servicequotas:GetServiceQuota", (*Inspection).checkQuotas},
		{"service roles", "iam:GetRole", (*Inspection).checkLinkedRoles},
		{"GitHub's tokens", "iam:GetOpenIDConnectProvider", (*Inspection).checkTokens},
		{"webhook", "cloudformation:DescribeStacks", (*Inspection).checkWebhook},
		{"deliveries", "the right to read the webhooks of the repository", (*Inspection).checkDeliveries},
		{"drift", "cloudformation:DetectStackDrift", (*Inspection).checkDrift},
	}
}

// Run calls report with each finding, in the order of the checklist. The error is that of the first look at the account.
func (i *Inspection) Run(ctx context.Context, report func(artifacts.Finding)) error {
	if err := i.read(ctx); err != nil {
		return err
	}
	if i.pipeline.Missing() {
		report(failure("stacks", "there is no stack "+i.Settings.Stack+" in "+i.Account.Region,
			"runner cluster deploy; or name the stack: --stack"))
		return nil
	}
	all := checks()
	found := make([][]artifacts.Finding, len(all))
	var running sync.WaitGroup
	limit := make(chan struct{}, 6) // AWS limits the requests of an account
	for n, c := range all {
		running.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			var err error
			if found[n], err = c.run(i, ctx); err != nil {
				found[n] = append(found[n], unchecked(c, err))
			}
			for at := range found[n] {
				if found[n][at].Subject == "" {
					found[n][at].Subject = c.subject
				}
			}
		})
	}
	running.Wait()
	for _, findings := range found {
		for _, f := range findings {
			report(f)
		}
	}
	return ctx.Err()
}

// read reads the stacks.
func (i *Inspection) read(ctx context.Context) (err error) {
	s := i.Settings
	i.clients, i.queries = map[string]*awsjson.Client{}, map[string]*awsquery.Client{}
	i.environments, i.targets = map[string]stack.Snapshot{}, map[string]stack.Snapshot{}
	for name, to := range map[string]*stack.Snapshot{s.Base: &i.base, s.Stack: &i.pipeline, s.WebhookStack(): &i.hook} {
		if *to, err = i.Account.stack(name).Snapshot(ctx); err != nil {
			return err
		}
	}
	for _, e := range s.Environments {
		if i.environments[e.Name], err = i.Account.stack(s.EnvironmentStack(e.Name)).Snapshot(ctx); err != nil {
			return err
		}
	}
	for name, there := range i.Targets {
		if i.targets[name], err = there.stack(s.TargetStack(name)).Snapshot(ctx); err != nil {
			if ctx.Err() != nil {
				return err
			}
			i.setUnreachable(name, err)
		}
	}
	i.values = valuesOf(i.pipeline)
	return nil
}

// setUnreachable notes that what is deployed elsewhere cannot be read.
func (i *Inspection) setUnreachable(environment string, err error) {
	if i.Unreachable == nil {
		i.Unreachable = map[string]error{}
	}
	i.Unreachable[environment] = err
	delete(i.targets, environment)
}

// call calls a service that speaks JSON.
func (i *Inspection) call(ctx context.Context, s awsjson.Service, operation string, input, output any) error {
	i.mu.Lock()
	c, ok := i.clients[s.ID]
	if !ok {
		var err error
		if c, err = awsjson.New(ctx, i.Account.config, s); err != nil {
			i.mu.Unlock()
			return err
		}
		i.clients[s.ID] = c
	}
	i.mu.Unlock()
	return c.Call(ctx, operation, input, output)
}

// query calls a service that speaks the query protocol.
func (i *Inspection) query(ctx context.Context, s awsquery.Service, action string, input, output any) error {
	i.mu.Lock()
	c, ok := i.queries[s.ID]
	if !ok {
		var err error
		if c, err = awsquery.New(ctx, i.Account.config, s); err != nil {
			i.mu.Unlock()
			return err
		}
		i.queries[s.ID] = c
	}
	i.mu.Unlock()
	return c.Call(ctx, action, input, output)
}

// out returns an output of the pipeline.
func (i *Inspection) out(name string) string { return i.pipeline.Outputs[name] }

func ok(format string, args ...any) artifacts.Finding {
	return artifacts.Finding{Problem: fmt.Sprintf(format, args...), Severity: artifacts.OK}
}

func warning(problem, advice string) artifacts.Finding {
	return artifacts.Finding{Problem: problem, Advice: advice, Severity: artifacts.Warning}
}

func failure(subject, problem, advice string) artifacts.Finding {
	return artifacts.Finding{Subject: subject, Problem: problem, Advice: advice, Severity: artifacts.Failure}
}

// broken is a failure of the check that returns it.
func broken(problem, advice string) artifacts.Finding { return failure("", problem, advice) }

// unchecked is the finding of a check that could not look.
func unchecked(c check, err error) artifacts.Finding {
	f := warning("could not be checked: "+credentials.Message(err), "check that the network lets this machine reach AWS")
	var api smithy.APIError
	if errors.As(err, &api) {
		f.Advice = "allow " + c.action + ", or look at it in the console"
	}
	if hint := credentials.Hint(err); hint != "" {
		f.Advice = hint
	}
	f.Subject = c.subject
	return f
}

// sortedKeys are the keys of a map.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// lastPart is what an ARN ends with.
func lastPart(arn string) string {
	at := strings.LastIndexAny(arn, ":/")
	return arn[at+1:]
}
