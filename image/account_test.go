//go:build container

package image

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// lists are the requests that say what an account has, by the protocols of the services, and the members that name it.
var (
	jsonLists = []struct{ service, target, names string }{
		{"dynamodb", "DynamoDB_20120810.ListTables", ""},
		{"ecr", "AmazonEC2ContainerRegistry_V20150921.DescribeRepositories", "repositoryName"},
		{"ecs", "AmazonEC2ContainerServiceV20141113.ListClusters", ""},
		{"ecs", "AmazonEC2ContainerServiceV20141113.ListTaskDefinitions", ""},
		{"events", "AWSEvents.ListEventBuses", "Name"},
		{"events", "AWSEvents.ListConnections", "Name"},
		{"events", "AWSEvents.ListApiDestinations", "Name"},
		{"kms", "TrentService.ListKeys", "KeyArn"},
		{"logs", "Logs_20140328.DescribeLogGroups", "logGroupName"},
		{"secretsmanager", "secretsmanager.ListSecrets", "ARN"},
		{"sqs", "AmazonSQS.ListQueues", ""},
		{"ssm", "AmazonSSM.DescribeParameters", "Name"},
		{"states", "AWSStepFunctions.ListStateMachines", "name"},
	}
	queryLists = []struct{ service, action, version, names string }{
		{"cloudformation", "DescribeStacks", "2010-05-15", "StackName"},
		{"ec2", "DescribeVpcs", "2016-11-15", "vpcId"},
		{"ec2", "DescribeSubnets", "2016-11-15", "subnetId"},
		{"ec2", "DescribeInternetGateways", "2016-11-15", "internetGatewayId"},
		{"ec2", "DescribeRouteTables", "2016-11-15", "routeTableId"},
		{"ec2", "DescribeSecurityGroups", "2016-11-15", "groupId"},
		{"ec2", "DescribeVpcEndpoints", "2016-11-15", "vpcEndpointId"},
		{"iam", "ListOpenIDConnectProviders", "2010-05-08", "Arn"},
		{"iam", "ListPolicies", "2010-05-08", "Arn"},
		{"iam", "ListRoles", "2010-05-08", "RoleName"},
		{"monitoring", "DescribeAlarms", "2010-08-01", "AlarmName"},
		{"monitoring", "ListDashboards", "2010-08-01", "DashboardName"},
		{"sns", "ListTopics", "2010-03-31", "TopicArn"},
	}
	restLists = []struct{ service, path, names string }{
		{"lambda", "/2015-03-31/functions/", "FunctionName"},
		{"s3", "/", "Name"},
		{"scheduler", "/schedules", "Name"},
	}
)

// account lists what the account has: the service, and the name, id or ARN of each thing.
func (c *chain) account(t *testing.T) []string {
	t.Helper()
	var all []string
	add := func(service, names string, text []byte) {
		found := `"([^"]+)"` // a list of names
		switch {
		case strings.HasPrefix(string(text), "<"):
			found = "<" + names + ">([^<]+)</" + names + ">"
		case names != "":
			found = `"` + names + `": ?"([^"]+)"`
		}
		for _, match := range regexp.MustCompile(found).FindAllStringSubmatch(string(text), -1) {
			all = append(all, service+" "+match[1])
		}
	}
	for _, l := range jsonLists {
		var answer json.RawMessage
		c.call(t, l.service, l.target, map[string]any{}, &answer)
		if l.names == "" { // of the only member
			var lists map[string][]string
			if err := json.Unmarshal(answer, &lists); err != nil {
				t.Fatalf("%s: %v", l.target, err)
			}
			for _, names := range lists {
				answer, _ = json.Marshal(names)
			}
		}
		add(l.service, l.names, answer)
	}
	for _, l := range queryLists {
		form := url.Values{"Action": {l.action}, "Version": {l.version}, "Scope": {"Local"}, "MaxItems": {"1000"}}
		add(l.service, l.names, c.get(t, l.service, http.MethodPost, "/", form.Encode()))
	}
	for _, l := range restLists {
		add(l.service, l.names, c.get(t, l.service, http.MethodGet, l.path, ""))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (c *chain) get(t *testing.T, service, method, path, form string) []byte {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, c.cloud.Endpoint+path, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	if form != "" {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	text, err := answerOf(request, service)
	if err != nil {
		t.Fatalf("%s %s: %v", service, form, err)
	}
	return text
}

// since lists what the account has and did not have when it was empty.
func (c *chain) since(t *testing.T) []string {
	t.Helper()
	return slices.DeleteFunc(c.account(t), func(line string) bool { return slices.Contains(c.before, line) })
}
