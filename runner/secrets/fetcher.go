package secrets

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sort"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"github.com/carlin-cicd/runner/artifacts/credentials"
	"github.com/carlin-cicd/runner/runner/awsjson"
	"github.com/carlin-cicd/runner/steps/reference"
)

// result is what a service returned for one item.
type result struct {
	name    string      // the service's
	version string      // for messages
	text    string      // the secret
	under   []parameter // the parameters under a path, instead of the text
	action  string      // the IAM action of the request
	err     error
}

// services are those of package awsjson. Secrets Manager is called by the SDK's client, see newManager.
var services = map[reference.Kind]awsjson.Service{
	reference.SecretsManager: {Name: "secretsmanager", ID: "Secrets Manager", Target: "secretsmanager"},
	reference.ParameterStore: {Name: "ssm", ID: "SSM", Target: "AmazonSSM"},
}

// maxInFlight is how many requests are in flight at most.
const maxInFlight = 8

// fetcher fetches a set of items from AWS, with one client for each service and region.
type fetcher struct {
	config   aws.Config
	region   string // of references without one
	origin   string // of that region, for messages
	client   aws.HTTPClient
	retryer  *retry.Standard
	inFlight chan struct{}
	resolver *Resolver

	mu      sync.Mutex
	results map[item]result
	notes   []string
}

// newFetcher loads the AWS configuration.
func newFetcher(ctx context.Context, r *Resolver) (*fetcher, error) {
	if r.LoadConfig == nil {
		return nil, &problem{message: "there is no AWS configuration", advice: "use file: references here"}
	}
	config, err := r.LoadConfig(ctx)
	if err != nil {
		return nil, &problem{
			message: "the AWS configuration cannot be loaded: " + credentials.Message(err),
			advice:  cmp.Or(credentials.Hint(err), "check AWS_PROFILE and the files of the AWS CLI"),
			cause:   err,
		}
	}
	s := &fetcher{
		config: config, region: cmp.Or(r.Region, config.Region), client: config.HTTPClient, resolver: r,
		retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts = max(awsjson.MaxAttempts, config.RetryMaxAttempts)
			o.MaxBackoff = cmp.Or(r.maxBackoff, o.MaxBackoff)
		}),
		inFlight: make(chan struct{}, maxInFlight), results: map[item]result{},
	}
	if s.origin = "the region of AWS_REGION or of the AWS profile"; r.Region != "" {
		s.origin = "the region that the runner is configured with"
	}
	if s.client == nil {
		s.client = awshttp.NewBuildableClient()
	}
	return s, nil
}

// fetch fetches all items concurrently and waits for the results.
func (s *fetcher) fetch(ctx context.Context, items []item) {
	type where struct {
		kind   reference.Kind
		region string
	}
	groups := map[where][]item{}
	for _, i := range items {
		groups[where{i.kind, i.region}] = append(groups[where{i.kind, i.region}], i)
	}
	var requests sync.WaitGroup
	for to, items := range groups {
		sort.Slice(items, func(i, j int) bool {
			a, b := items[i], items[j]
			return a.id+a.version+a.stage < b.id+b.version+b.stage
		})
		a, err := s.newClient(ctx, to.kind, to.region)
		if err != nil {
			s.store(result{err: err}, items...)
			continue
		}
		requests.Go(func() {
			if to.kind == reference.SecretsManager {
				s.secrets(ctx, a, items)
			} else {
				s.parameters(ctx, a, items)
			}
		})
	}
	requests.Wait()
}

func (s *fetcher) newClient(ctx context.Context, kind reference.Kind, region string) (*awsjson.Client, error) {
	url, err := awsjson.Endpoint(ctx, s.config, services[kind], region)
	var invalid *awsjson.RegionError
	if errors.As(err, &invalid) {
		return nil, &problem{message: invalid.Error(), advice: invalid.Hint()}
	}
	return &awsjson.Client{
		Service: services[kind], Region: region, Endpoint: url, Config: s.config, HTTP: s.client, Retryer: s.retryer,
		AttemptTimeout: cmp.Or(s.resolver.attemptTimeout, awsjson.DefaultAttemptTimeout), InFlight: s.inFlight,
	}, nil
}

// store records the result of items.
func (s *fetcher) store(a result, items ...item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range items {
		s.results[i] = a
	}
}

func (s *fetcher) note(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.notes, text) {
		s.notes = append(s.notes, text)
		slices.Sort(s.notes)
	}
}

// forEach calls do for every item concurrently.
func forEach(items []item, do func(item)) {
	var done sync.WaitGroup
	for _, i := range items {
		done.Go(func() { do(i) })
	}
	done.Wait()
}
