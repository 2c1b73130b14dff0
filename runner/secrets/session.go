package secrets

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"github.com/carlin-cicd/runner/runner/awsjson"
	"github.com/carlin-cicd/runner/steps/reference"
)

// answer is what a service says about one item.
type answer struct {
	name    string      // what the service calls it
	version string      // for people
	text    string      // the secret
	under   []parameter // instead of the text, what is under a path
	action  string      // what was asked for, as IAM calls it
	err     error       // why there is nothing
}

// services are asked over the one protocol. For Secrets Manager it lends its limits to the SDK's client, see manager.
var services = map[reference.Kind]awsjson.Service{
	reference.SecretsManager: {Name: "secretsmanager", ID: "Secrets Manager", Target: "secretsmanager"},
	reference.ParameterStore: {Name: "ssm", ID: "SSM", Target: "AmazonSSM"},
}

// atOnce is how many requests are under way.
const atOnce = 8

// session asks AWS for a set of items, with one client for each service and region.
type session struct {
	config   aws.Config
	region   string // of what names none
	origin   string // of that region, for people
	client   aws.HTTPClient
	retryer  *retry.Standard
	underWay chan struct{}
	resolver *Resolver

	mu      sync.Mutex
	answers map[item]answer
	notes   []string
}

// open loads the AWS configuration.
func open(ctx context.Context, r *Resolver) (*session, error) {
	if r.LoadConfig == nil {
		return nil, &problem{said: "no AWS configuration is at hand", advice: "use file: references here"}
	}
	config, err := r.LoadConfig(ctx)
	if err != nil {
		return nil, &problem{said: "the AWS configuration cannot be loaded: " + err.Error(), advice: "look at AWS_PROFILE and at the files of the AWS CLI", cause: err}
	}
	s := &session{
		config: config, region: cmp.Or(r.Region, config.Region), client: config.HTTPClient, resolver: r,
		retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts = max(awsjson.MaxAttempts, config.RetryMaxAttempts)
			o.MaxBackoff = cmp.Or(r.maxBackoff, o.MaxBackoff)
		}),
		underWay: make(chan struct{}, atOnce), answers: map[item]answer{},
	}
	if s.origin = "the region of AWS_REGION or of the AWS profile"; r.Region != "" {
		s.origin = "the region that the runner was given"
	}
	if s.client == nil {
		s.client = awshttp.NewBuildableClient()
	}
	return s, nil
}

// fetch asks for all items at once and waits for the answers.
func (s *session) fetch(ctx context.Context, items []item) {
	type where struct {
		kind   reference.Kind
		region string
	}
	groups := map[where][]item{}
	for _, i := range items {
		groups[where{i.kind, i.region}] = append(groups[where{i.kind, i.region}], i)
	}
	var asked sync.WaitGroup
	for to, items := range groups {
		slices.SortFunc(items, func(a, b item) int { return strings.Compare(a.id+a.version+a.stage, b.id+b.version+b.stage) })
		a, err := s.api(ctx, to.kind, to.region)
		if err != nil {
			s.set(answer{err: err}, items...)
			continue
		}
		asked.Go(func() {
			if to.kind == reference.SecretsManager {
				s.secrets(ctx, a, items)
			} else {
				s.parameters(ctx, a, items)
			}
		})
	}
	asked.Wait()
}

func (s *session) api(ctx context.Context, kind reference.Kind, region string) (*awsjson.Client, error) {
	url, err := awsjson.Endpoint(ctx, s.config, services[kind], region)
	var none *awsjson.RegionError
	if errors.As(err, &none) {
		return nil, &problem{said: none.Error(), advice: none.Hint()}
	}
	return &awsjson.Client{
		Service: services[kind], Region: region, Endpoint: url, Config: s.config, HTTP: s.client, Retryer: s.retryer,
		AttemptTimeout: cmp.Or(s.resolver.patience, awsjson.DefaultAttemptTimeout), InFlight: s.underWay,
	}, nil
}

// set notes the answer for items.
func (s *session) set(a answer, items ...item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range items {
		s.answers[i] = a
	}
}

func (s *session) note(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.notes, text) {
		s.notes = append(s.notes, text)
		slices.Sort(s.notes)
	}
}

// each does something with every item at the same time.
func each(items []item, do func(item)) {
	var done sync.WaitGroup
	for _, i := range items {
		done.Go(func() { do(i) })
	}
	done.Wait()
}
