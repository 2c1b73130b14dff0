package steps

import (
	"slices"

	"github.com/goccy/go-yaml/ast"

	"github.com/carlin-cicd/runner/steps/pattern"
)

// Cluster is what the cluster of a repository is deployed with. Empty fields have the defaults of runner cluster.
type Cluster struct {
	Stack        string // of the pipeline
	Base         string // the stack that the pipelines of an account share
	Repository   string // owner/name
	Account      string
	Region       string
	Network      ClusterNetwork
	Environments []ClusterEnvironment // in the order in which they are deployed to
	Door         Door
	Sizes        ClusterSizes
	AlarmEmail   string
	Image        ClusterImage
	Parameters   ClusterParameters
}

// ClusterNetwork are subnets that exist already; none: a new network.
type ClusterNetwork struct {
	VPC         string
	Subnets     []string
	PublicIP    *bool
	RouteTables []string
}

// ClusterEnvironment is an environment that the pipeline deploys to.
type ClusterEnvironment struct {
	Name     string
	Stack    string // that is deployed there
	Approval bool
	Policy   string // ARN of the policy of that stack's role
	Account  string // if it is another one
	Region   string // if it is another one
	Profile  string // of the credentials for that account
}

// Door is how events of GitHub reach the pipeline.
type Door string

// The doors.
const (
	WebhookDoor  Door = "webhook"
	WorkflowDoor Door = "workflow"
	BothDoors    Door = "both"
)

// Webhook reports whether the door has a webhook.
func (d Door) Webhook() bool { return d == WebhookDoor || d == BothDoors }

// Workflow reports whether workflows of GitHub put events.
func (d Door) Workflow() bool { return d == WorkflowDoor || d == BothDoors }

// Doors are the words for a door.
func Doors() []string { return []string{string(WebhookDoor), string(WorkflowDoor), string(BothDoors)} }

// ClusterSizes are the sizes of tasks, for steps that have none of their own.
type ClusterSizes struct{ Build, Test, Migrate, Deploy string }

// ClusterImage is how the image of the steps is built.
type ClusterImage struct {
	Dockerfile string
	Context    string
	Target     string
	Further    []string // patterns of files that the image is made of, beside those that are known
	Pinned     bool     // the pipeline does not build it anew
}

// ClusterParameters are further parameters of the templates.
type ClusterParameters struct{ Base, Pipeline, Environment, Target, Webhook map[string]string }

var (
	clusterStack       = pattern.New(`^[A-Za-z][A-Za-z0-9-]{0,127}$`)
	clusterAccount     = pattern.New(`^[0-9]{12}$`)
	clusterRegion      = pattern.New(`^[a-z]{2,4}(-[a-z]+)+-[0-9]$`)
	clusterEnvironment = pattern.New(`^[a-z][a-z0-9-]{0,30}$`)
	clusterRepository  = pattern.New(`^[A-Za-z0-9-]+(@[0-9]+)?/[A-Za-z0-9._-]+(@[0-9]+)?$`)
	clusterVPC         = pattern.New(`^vpc-[0-9a-f]+$`)
	clusterSubnet      = pattern.New(`^subnet-[0-9a-f]+$`)
	clusterRouteTable  = pattern.New(`^rtb-[0-9a-f]+$`)
	clusterPolicy      = pattern.New(`^arn:[a-z-]+:iam::[0-9a-z]*:policy/.+$`)
	clusterSize        = pattern.New(`^[0-9]+(\.[0-9]+)?-[0-9]+(\.[0-9]+)?$`)
	clusterEmail       = pattern.New(`^[^@\s]+@[^@\s]+$`)
	clusterImageTag    = pattern.New(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)
	clusterProfile     = pattern.New(`^[^\s]+$`)
)

// IsStackName reports whether a text can be the name of a stack.
func IsStackName(s string) bool { return clusterStack.MatchString(s) }

// IsEnvironmentName reports whether a text can be the name of an environment of the cluster.
func IsEnvironmentName(s string) bool { return clusterEnvironment.MatchString(s) }

// IsRepositoryName reports whether a text is owner/name.
func IsRepositoryName(s string) bool { return clusterRepository.MatchString(s) }

// IsEmailAddress reports whether a text can get the pipeline's messages.
func IsEmailAddress(s string) bool { return clusterEmail.MatchString(s) }

// IsImageTag reports whether a text can be the tag of an image.
func IsImageTag(s string) bool { return clusterImageTag.MatchString(s) }

// Invalid returns an id that is none of a VPC, a subnet or a route table; false if all are valid.
func (n ClusterNetwork) Invalid() (id string, found bool) {
	if n.VPC == "" {
		return "", false // a new network
	}
	if !clusterVPC.MatchString(n.VPC) {
		return n.VPC, true
	}
	for _, id := range n.Subnets {
		if !clusterSubnet.MatchString(id) {
			return id, true
		}
	}
	for _, id := range n.RouteTables {
		if !clusterRouteTable.MatchString(id) {
			return id, true
		}
	}
	return "", false
}

// IsPolicyARN reports whether a text is the ARN of a managed policy.
func IsPolicyARN(s string) bool { return clusterPolicy.MatchString(s) }

// clusterObject are the keys of cluster.
func clusterObject() object[Cluster] {
	stack := matching(clusterStack, "use letters, digits and dashes, and begin with a letter")
	account := matching(clusterAccount, "write the 12 digits of an account")
	region := matching(clusterRegion, "write a region such as eu-west-1")
	return object[Cluster]{keys: []key[Cluster]{
		newKey("stack", "The pipeline's stack; --stack wins over it.", stack,
			func(c *Cluster) *string { return &c.Stack }).otherwise("carlin-cicd"),
		newKey("base", "The stack that the pipelines of an account share: the network, and a bucket for templates.", stack,
			func(c *Cluster) *string { return &c.Base }).otherwise("carlin-cicd-base"),
		newKey("repository", "The repository at GitHub; by default that of the remote origin.",
			matching(clusterRepository, "write it as owner/name"), func(c *Cluster) *string { return &c.Repository }),
		newKey("account", "The account of the pipeline: runner cluster refuses credentials of another one.", account,
			func(c *Cluster) *string { return &c.Account }),
		newKey("region", "The region of the pipeline; by default that of AWS_REGION or of the profile.", region,
			func(c *Cluster) *string { return &c.Region }),
		newKey("network", "Subnets that exist already; by default there is a new network.", networkObject().kind(),
			func(c *Cluster) *ClusterNetwork { return &c.Network }),
		newKey("environments", "Where the main branch is deployed to, in this order; by default staging, and production after "+
			"an approval.", environmentsKind(), func(c *Cluster) *[]ClusterEnvironment { return &c.Environments }),
		newKey("door", "How events of GitHub reach the pipeline: a webhook, workflows that put events, or both.",
			oneOf(WebhookDoor, WorkflowDoor, BothDoors), func(c *Cluster) *Door { return &c.Door }).otherwise(WebhookDoor),
		newKey("sizes", "vCPU and GB of the tasks.", clusterSizesObject().kind(),
			func(c *Cluster) *ClusterSizes { return &c.Sizes }),
		newKey("alarm_email", "Gets every message of the pipeline's topic.", matching(clusterEmail, "write an e-mail address"),
			func(c *Cluster) *string { return &c.AlarmEmail }),
		newKey("image", "How runner cluster image builds the image of the steps.", clusterImageObject().kind(),
			func(c *Cluster) *ClusterImage { return &c.Image }),
		newKey("parameters", "Further parameters of the templates, which infra/README.md lists.",
			clusterParametersObject().kind(), func(c *Cluster) *ClusterParameters { return &c.Parameters }),
	}}
}

func networkObject() object[ClusterNetwork] {
	return object[ClusterNetwork]{
		what: "a network",
		keys: []key[ClusterNetwork]{
			newKey("vpc", "The VPC of the subnets.", matching(clusterVPC, "write the id of a VPC, such as vpc-0a1b2c3d"),
				func(n *ClusterNetwork) *string { return &n.VPC }),
			newKey("subnets", "Two subnets or more, with a way to the internet.",
				listOf(matching(clusterSubnet, "write the id of a subnet, such as subnet-0a1b2c3d"), "subnet"),
				func(n *ClusterNetwork) *[]string { return &n.Subnets }),
			newKey("public_ip", "Whether tasks get public addresses: false in subnets with a NAT gateway.", optionalBoolean(),
				func(n *ClusterNetwork) **bool { return &n.PublicIP }).otherwise(true),
			newKey("route_tables", "Route tables of the subnets, for a gateway endpoint of S3; none if there is one already.",
				listOf(matching(clusterRouteTable, "write the id of a route table, such as rtb-0a1b2c3d"), "route table"),
				func(n *ClusterNetwork) *[]string { return &n.RouteTables }),
		},
		required: []string{"vpc", "subnets"},
		example:  "vpc: vpc-0a1b2c3d, subnets: [subnet-0a1b2c3d, subnet-4e5f6a7b]",
	}
}

// environmentsKind refuses two environments of one name.
func environmentsKind() kind[[]ClusterEnvironment] {
	list := listOf(environmentObject().kind(), "environment")
	read := list.read
	list.read = func(d *decoder, n ast.Node, what string, to *[]ClusterEnvironment) error {
		if err := read(d, n, what, to); err != nil {
			return err
		}
		for i, e := range *to {
			if slices.ContainsFunc((*to)[:i], func(f ClusterEnvironment) bool { return f.Name == e.Name }) {
				return d.errorf(d.item(n, i), "give each environment a name of its own",
					"two environments have the name %q", e.Name)
			}
		}
		return nil
	}
	return list
}

func environmentObject() object[ClusterEnvironment] {
	return object[ClusterEnvironment]{
		what: "an environment",
		keys: []key[ClusterEnvironment]{
			newKey("name", "Its name, as in ENVIRONMENT.", matching(clusterEnvironment, "use lower-case letters, digits and dashes"),
				func(e *ClusterEnvironment) *string { return &e.Name }),
			newKey("stack", "The stack that is deployed there; by default the name of the repository and of the environment.",
				matching(clusterStack, "use letters, digits and dashes, and begin with a letter"),
				func(e *ClusterEnvironment) *string { return &e.Stack }),
			newKey("approval", "Whether a deployment waits for an approval.", boolean(),
				func(e *ClusterEnvironment) *bool { return &e.Approval }).otherwise(false),
			newKey("policy", "ARN of the policy that says what CloudFormation may do for the stack; by default nothing.",
				matching(clusterPolicy, "write the ARN of a managed policy"), func(e *ClusterEnvironment) *string { return &e.Policy }),
			newKey("account", "Its account, if it is not the pipeline's.", matching(clusterAccount, "write the 12 digits of an account"),
				func(e *ClusterEnvironment) *string { return &e.Account }),
			newKey("region", "Its region, if it is not the pipeline's.", matching(clusterRegion, "write a region such as eu-west-1"),
				func(e *ClusterEnvironment) *string { return &e.Region }),
			newKey("profile", "The profile of the AWS CLI with credentials for its account.",
				matching(clusterProfile, "write the name of a profile"), func(e *ClusterEnvironment) *string { return &e.Profile }),
		},
		required: []string{"name"},
		example:  "name: staging",
	}
}

func clusterSizesObject() object[ClusterSizes] {
	size := matching(clusterSize, "write vCPU and GB, such as 2-4; infra/README.md lists the sizes")
	return object[ClusterSizes]{keys: []key[ClusterSizes]{
		newKey("build", "Of build.", size, func(s *ClusterSizes) *string { return &s.Build }).otherwise("2-4"),
		newKey("test", "Of test, and of steps of your own.", size, func(s *ClusterSizes) *string { return &s.Test }).otherwise("2-4"),
		newKey("migrate", "Of migrate.", size, func(s *ClusterSizes) *string { return &s.Migrate }).otherwise("0.5-1"),
		newKey("deploy", "Of deploy.", size, func(s *ClusterSizes) *string { return &s.Deploy }).otherwise("1-2"),
	}}
}

func clusterImageObject() object[ClusterImage] {
	return object[ClusterImage]{keys: []key[ClusterImage]{
		newKey("dockerfile", "The Dockerfile, relative to the workspace.", localPath(),
			func(i *ClusterImage) *string { return &i.Dockerfile }).otherwise("Dockerfile"),
		newKey("context", "The folder that is its context.", localPath(),
			func(i *ClusterImage) *string { return &i.Context }).otherwise("."),
		newKey("target", "The stage of the Dockerfile; by default the last one.",
			matching(clusterProfile, "write the name of a stage"), func(i *ClusterImage) *string { return &i.Target }),
		newKey("inputs", "Patterns of further files whose changes on the main branch rebuild the image, beside the Dockerfile, .dockerignore, lockfiles "+
			"and the versions that package.json pins.", listOf(globKind(), "pattern"), func(i *ClusterImage) *[]string { return &i.Further }),
		newKey("pinned", "Whether the tag of the image is its commit, and the pipeline never rebuilds it.", boolean(),
			func(i *ClusterImage) *bool { return &i.Pinned }).otherwise("false"),
	}}
}

func clusterParametersObject() object[ClusterParameters] {
	values := variables(scalar())
	return object[ClusterParameters]{keys: []key[ClusterParameters]{
		newKey("base", "Of base.yaml.", values, func(p *ClusterParameters) *map[string]string { return &p.Base }),
		newKey("pipeline", "Of cicd.yaml.", values, func(p *ClusterParameters) *map[string]string { return &p.Pipeline }),
		newKey("environment", "Of environment.yaml, for every environment.", values,
			func(p *ClusterParameters) *map[string]string { return &p.Environment }),
		newKey("target", "Of target.yaml, for every environment in another account or region.", values,
			func(p *ClusterParameters) *map[string]string { return &p.Target }),
		newKey("webhook", "Of webhook.yaml.", values, func(p *ClusterParameters) *map[string]string { return &p.Webhook }),
	}}
}
