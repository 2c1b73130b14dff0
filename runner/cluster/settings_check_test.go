package cluster

import (
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/steps"
)

func TestWhatAFlagSaysIsCheckedAsTheFileIs(t *testing.T) {
	environments := func(all ...steps.ClusterEnvironment) func(*Settings) {
		return func(s *Settings) { s.Environments = all }
	}
	for name, c := range map[string]struct {
		change func(*Settings)
		want   string
	}{
		"all is well": {func(*Settings) {}, ""},
		"existing subnets": {func(s *Settings) {
			s.Network = steps.ClusterNetwork{VPC: "vpc-0a", Subnets: []string{"subnet-1", "subnet-2"}}
		}, ""},
		"a stack of two words":          {func(s *Settings) { s.Stack = "bad stack" }, `--stack cannot be "bad stack"`},
		"a base that begins with digit": {func(s *Settings) { s.Base = "1b" }, `--base cannot be "1b"`},
		"a name that is too long":       {func(s *Settings) { s.Stack = strings.Repeat("a", 115) }, "has 133 characters"},
		"no address":                    {func(s *Settings) { s.AlarmEmail = "nonsense" }, `"nonsense" is not an e-mail address`},
		"no tag":                        {func(s *Settings) { s.ImageTag = "x y" }, `"x y" is not the tag of an image`},
		"no VPC":                        {func(s *Settings) { s.Network = steps.ClusterNetwork{VPC: "vpc-zz", Subnets: []string{"subnet-1"}} }, `"vpc-zz"`},
		"no subnet":                     {func(s *Settings) { s.Network = steps.ClusterNetwork{VPC: "vpc-0a", Subnets: []string{"subnet-1", ""}} }, `the network cannot have ""`},
		"one environment twice": {
			environments(steps.ClusterEnvironment{Name: "staging"}, steps.ClusterEnvironment{Name: "staging", Approval: true}),
			`two environments have the name "staging"`,
		},
		"one stack of two environments": {
			environments(steps.ClusterEnvironment{Name: "a", Stack: "Shop"}, steps.ClusterEnvironment{Name: "b", Stack: "Shop"}),
			"environments a and b deploy the same stack, Shop",
		},
		"the stacks of two accounts": {
			environments(steps.ClusterEnvironment{Name: "a", Stack: "Shop"}, steps.ClusterEnvironment{Name: "b", Stack: "Shop", Account: "210987654321"}), "",
		},
		"a stack of the cluster itself": {
			environments(steps.ClusterEnvironment{Name: "a", Stack: DefaultStack}), "deploys stack carlin-cicd, which is one of the cluster's own",
		},
	} {
		s := Settings{Cluster: steps.Cluster{Repository: "acme/shop"}}
		c.change(&s)
		if err := s.Complete(); err != nil {
			t.Fatal(err)
		}
		err := s.Check()
		if got := ""; (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			if err != nil {
				got = err.Error()
			}
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
