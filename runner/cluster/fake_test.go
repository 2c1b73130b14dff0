package cluster

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"

	"github.com/carlin-cicd/runner/infra"
	"github.com/carlin-cicd/runner/runner/awstest/recorded"
	"github.com/carlin-cicd/runner/steps"
)

// fakeStack is a stack of fakeAWS.
type fakeStack struct {
	status, template, role string
	next                   string // what follows the status, once it was seen
	stuck                  bool   // it cannot be deleted
	parameters, outputs    map[string]string
}

// refusal is an error as AWS documents it, which make test-aws does not provoke.
type refusal struct{ code, message string }

// refused is how AWS refuses a request about something, as it was recorded or is documented.
func refused(service, about string) recorded.Refusal { return recorded.Of(service, about) }

// fakeAWS is an account in which a cluster is deployed, and all is well. A test breaks one thing of it.
type fakeAWS struct {
	*httptest.Server
	mu      sync.Mutex
	stacks  map[string]*fakeStack
	json    map[string]any    // answers of services that speak JSON, by the operation
	xml     map[string]string // those of the others
	bucket  map[string]string // parts of the bucket's configuration, by their names; "" is none
	objects map[string][]byte
	hook    int // what the webhook answers
	hooks   any // what GitHub knows of it
	asked   map[string][]map[string]any
}

// newFakeAWS returns a fake in which everything is as it should be.
func newFakeAWS(t *testing.T) *fakeAWS {
	t.Helper()
	f := &fakeAWS{
		bucket: map[string]string{
			"encryption": `<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>`,
			"policy":     `{"Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`,
			"versioning": `<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>`,
			"lifecycle":  `<LifecycleConfiguration><Rule><ID>runs</ID><Status>Enabled</Status><Filter><Prefix>runs/</Prefix></Filter><Expiration><Days>30</Days></Expiration></Rule></LifecycleConfiguration>`,
		},
		objects: map[string][]byte{}, hook: http.StatusMethodNotAllowed, asked: map[string][]map[string]any{},
	}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	text := func(name string) string {
		template, err := LoadTemplate(name)
		if err != nil {
			t.Fatal(err)
		}
		return template.Text
	}
	f.stacks = map[string]*fakeStack{
		"ci-base": {template: text(baseTemplate), outputs: map[string]string{"TemplateBucket": "templates"}},
		"ci": {
			template: text(pipelineTemplate),
			parameters: map[string]string{
				"GitHubRepository": "acme/shop", "Environments": "staging", "ApprovalEnvironments": "", "ImageTag": "0123abc", "MainBranch": "main",
				"BuildSize": "2-4", "TestSize": "4-8", "UseSpot": "true", "MaxConcurrentTasks": "0", "GitHubRoles": "true",
			},
			outputs: map[string]string{
				"RepositoryName": "ci/shop", "EventBusName": "ci", "StateMachineArn": "arn:aws:states:eu-west-1:123456789012:stateMachine:ci",
				"ArtifactBucket": "shop-artifacts", "TopicArn": "arn:aws:sns:eu-west-1:123456789012:ci", "DlqUrl": f.URL + "/dlq",
				"SubnetIds": "subnet-a,subnet-b", "AssignPublicIp": "ENABLED", "SecretsPrefix": "ci", "GitHubRepository": "acme/shop", "TableName": "ci",
			},
		},
		"ci-staging": {
			template: text(environmentTemplate),
			parameters: map[string]string{
				"StackName": "Shop-Staging", "ImageTag": "0123abc", "StackPolicyArn": "arn:aws:iam::123456789012:policy/shop",
			},
			outputs: map[string]string{"StackRoleArn": "arn:aws:iam::123456789012:role/stack"},
		},
		"Shop-Staging": {template: "{}", role: "arn:aws:iam::123456789012:role/stack"},
		"ci-webhook": {
			template: text(webhookTemplate),
			outputs:  map[string]string{"Url": f.URL + "/hook", "SecretArn": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:hook"},
		},
	}
	for _, s := range f.stacks {
		if strings.Contains(s.template, versionOutput) {
			s.outputs = with(s.outputs, versionOutput, infra.Version())
		}
	}
	f.objects["/shop-artifacts/config"] = []byte(`{"config": {"Labels": {"org.opencontainers.image.title": "carlin-cicd runner", "org.opencontainers.image.version": "` +
		infra.Version() + `", "org.opencontainers.image.revision": "0123456789abcdef0123456789abcdef01234567"}}}`)
	f.json = map[string]any{
		"GetItem":                map[string]any{"Item": map[string]any{"inputs": map[string]any{"S": "{}"}, "digest": map[string]any{"S": "sha256:1"}}},
		"BatchGetImage":          map[string]any{"images": []any{map[string]any{"imageId": map[string]any{"imageDigest": "sha256:1"}, "imageManifest": `{"config": {"digest": "sha256:c"}}`}}},
		"GetDownloadUrlForLayer": map[string]any{"downloadUrl": f.URL + "/shop-artifacts/config"},
		"DescribeImages":         map[string]any{"imageDetails": []any{map[string]any{"imageSizeInBytes": 1}}},
		"ListRules": map[string]any{"Rules": []any{
			map[string]any{"Name": "ci-BranchRule", "State": "ENABLED", "EventPattern": `{"source":["ci.github"],"detail-type":["push"]}`},
		}},
		"DescribeStateMachine": map[string]any{"status": "ACTIVE"},
		"GetQueueAttributes":   map[string]any{"Attributes": map[string]string{"ApproximateNumberOfMessages": "0"}},
		"DescribeSecret":       map[string]any{"Name": "x"},
		"DescribeParameters":   map[string]any{"Parameters": []any{map[string]any{"Name": "x"}}},
		"GetServiceQuota":      map[string]any{"Quota": map[string]any{"Value": 100}},
		"PutItem":              map[string]any{},
		"PutEvents":            map[string]any{"Entries": []any{map[string]any{"EventId": "event-1"}}},
		"ListExecutions":       map[string]any{"executions": []any{map[string]any{"executionArn": "arn:x", "status": "SUCCEEDED"}}},
		"DescribeExecution":    map[string]any{"input": `{"id":"event-1"}`},
	}
	f.xml = map[string]string{
		"DescribeSubnets": "<subnetSet><item><subnetId>subnet-a</subnetId><vpcId>vpc-1</vpcId><availabilityZone>a</availabilityZone><availableIpAddressCount>4000</availableIpAddressCount></item>" +
			"<item><subnetId>subnet-b</subnetId><vpcId>vpc-1</vpcId><availabilityZone>b</availabilityZone><availableIpAddressCount>4000</availableIpAddressCount></item></subnetSet>",
		"DescribeRouteTables": "<routeTableSet><item><associationSet><item><main>true</main></item></associationSet>" +
			"<routeSet><item><destinationCidrBlock>0.0.0.0/0</destinationCidrBlock><gatewayId>igw-1</gatewayId><state>active</state></item></routeSet></item></routeTableSet>",
		"DescribeAlarms": alarmsXML(func(string) string { return "" }),
		"ListSubscriptionsByTopic": "<Subscriptions><member><SubscriptionArn>arn:aws:sns:eu-west-1:123456789012:ci:1</SubscriptionArn>" +
			"<Endpoint>ci@example.com</Endpoint><Protocol>email</Protocol></member></Subscriptions>",
		"GetRole":                  "<Role><RoleName>AWSServiceRoleForECS</RoleName></Role>",
		"GetOpenIDConnectProvider": "<ClientIDList><member>sts.amazonaws.com</member></ClientIDList>",
		"DetectStackDrift":         "<StackDriftDetectionId>1</StackDriftDetectionId>",
		"DescribeStackDriftDetectionStatus": "<StackId>x</StackId><StackDriftDetectionId>1</StackDriftDetectionId><DetectionStatus>DETECTION_COMPLETE</DetectionStatus>" +
			"<StackDriftStatus>IN_SYNC</StackDriftStatus><Timestamp>2026-11-30T10:00:00Z</Timestamp>",
	}
	f.hooks = []any{hookOf(f, "")}
	return f
}

// hookOf is the webhook at GitHub, with one thing changed.
func hookOf(f *fakeAWS, change string) map[string]any {
	h := map[string]any{
		"active": true, "events": []string{"push", "pull_request", "merge_group"},
		"config":        map[string]any{"url": f.URL + "/hook", "content_type": "json"},
		"last_response": map[string]any{"code": 200, "status": "active", "message": "OK"},
	}
	switch change {
	case "inactive":
		h["active"] = false
	case "form":
		h["config"].(map[string]any)["content_type"] = "form"
	case "no pushes":
		h["events"] = []string{"pull_request", "merge_group"}
	case "unauthorized":
		h["last_response"] = map[string]any{"code": 401, "status": "unused", "message": "Invalid HTTP Response: 401"}
	}
	return h
}

// alarmsXML are the alarms of the pipeline; change returns what replaces that of a logical id.
func alarmsXML(change func(id string) string) string {
	var b strings.Builder
	b.WriteString("<MetricAlarms>")
	for _, id := range []string{"FailedAlarm", "TimedOutAlarm", "AbortedAlarm", "DlqAlarm", "InvocationsAlarm", "FailuresAlarm"} {
		state := "<ActionsEnabled>true</ActionsEnabled><AlarmActions><member>arn:topic</member></AlarmActions><StateValue>OK</StateValue>"
		switch changed := change(id); changed {
		case "":
		case "gone":
			continue
		default:
			state = changed
		}
		fmt.Fprintf(&b, "<member><AlarmName>ci-%s-1A2B</AlarmName>%s</member>", id, state)
	}
	return b.String() + "</MetricAlarms>"
}

func (f *fakeAWS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	target := r.Header.Get("X-Amz-Target")
	switch {
	case target != "":
		f.serveJSON(w, target[strings.LastIndex(target, ".")+1:], body)
	case r.URL.Path == "/hook":
		w.WriteHeader(f.hook)
	case r.URL.Path == "/repos/acme/shop/hooks":
		f.serveHooks(w, r, body)
	case strings.HasPrefix(r.URL.Path, "/shop-artifacts"):
		f.serveBucket(w, r, body)
	default:
		form, _ := url.ParseQuery(string(body))
		f.serveXML(w, form)
	}
}

// serveHooks is GitHub, which shows and takes webhooks.
func (f *fakeAWS) serveHooks(w http.ResponseWriter, r *http.Request, body []byte) {
	hooks, may := f.hooks.([]any)
	if !may || r.Header.Get("Authorization") != "Bearer token" {
		w.WriteHeader(http.StatusNotFound) // as GitHub says that a token may not
		return
	}
	if r.Method == http.MethodPost {
		var hook map[string]any
		_ = json.Unmarshal(body, &hook)
		f.hooks = append(hooks, hook)
		w.WriteHeader(http.StatusCreated)
	}
	_ = json.NewEncoder(w).Encode(f.hooks)
}

func (f *fakeAWS) serveJSON(w http.ResponseWriter, operation string, body []byte) {
	var input map[string]any
	_ = json.Unmarshal(body, &input)
	f.asked[operation] = append(f.asked[operation], input)
	answer := f.json[operation]
	if choose, is := answer.(func(map[string]any) any); is {
		answer = choose(input)
	}
	if no, is := answer.(refusal); is {
		answer = recorded.Refusal{Status: http.StatusBadRequest, Code: no.code, Message: no.message}
	}
	if no, is := answer.(recorded.Refusal); is {
		w.WriteHeader(no.Status)
		answer = map[string]string{"__type": no.Code, "message": no.Message}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (f *fakeAWS) serveBucket(w http.ResponseWriter, r *http.Request, body []byte) {
	for part, text := range f.bucket {
		if !r.URL.Query().Has(part) {
			continue
		}
		if text == "" {
			code := map[string]string{
				"encryption": "ServerSideEncryptionConfigurationNotFoundError", "policy": "NoSuchBucketPolicy", "lifecycle": "NoSuchLifecycleConfiguration",
			}[part]
			w.WriteHeader(http.StatusNotFound)
			text = "<Error><Code>" + code + "</Code><Message>no</Message></Error>"
		}
		fmt.Fprint(w, text)
		return
	}
	switch stored, is := f.objects[r.URL.Path]; {
	case r.Method == http.MethodPut:
		f.objects[r.URL.Path] = body
	case r.Method == http.MethodDelete:
		delete(f.objects, r.URL.Path)
		w.WriteHeader(http.StatusNoContent)
	case is:
		_, _ = w.Write(stored)
	default:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, "<Error><Code>NoSuchKey</Code></Error>")
	}
}

func (f *fakeAWS) serveXML(w http.ResponseWriter, form url.Values) {
	action, name := form.Get("Action"), strings.TrimPrefix(form.Get("StackName"), "arn:")
	result, known := f.xml[action+" "+form.Get("RoleName")]
	if !known {
		result, known = f.xml[action]
	}
	if no, is := strings.CutPrefix(result, "!"); is {
		service, about, _ := strings.Cut(no, ": ")
		refuse(w, refused(service, about))
		return
	}
	if action == "DescribeStacks" && name == "" && !known { // all of them
		for _, each := range sortedKeys(f.stacks) {
			result += strings.TrimSuffix(strings.TrimPrefix(f.stacks[each].xml(each), "<Stacks>"), "</Stacks>")
		}
		result, known = "<Stacks>"+result+"</Stacks>", true
	}
	if s := f.stacks[name]; !known && s != nil {
		switch action {
		case "DescribeStacks":
			result = s.xml(name)
			if s.next != "" {
				s.status, s.next = s.next, ""
			}
		case "DeleteStack":
			if s.status = "DELETE_FAILED"; !s.stuck {
				delete(f.stacks, name)
			}
		case "GetTemplate":
			result = element("TemplateBody", s.template)
		}
	} else if !known {
		no := refused("cloudformation", "no stack")
		no.Message = strings.ReplaceAll(no.Message, "conformance-none", name)
		refuse(w, no)
		return
	}
	fmt.Fprintf(w, "<%[1]sResponse><%[1]sResult>%[2]s</%[1]sResult>%[2]s</%[1]sResponse>", action, result)
}

func refuse(w http.ResponseWriter, no recorded.Refusal) {
	w.WriteHeader(no.Status)
	fmt.Fprint(w, "<ErrorResponse><Error>"+element("Code", no.Code)+element("Message", no.Message)+"</Error></ErrorResponse>")
}

func (s *fakeStack) xml(name string) string {
	status := s.status
	if status == "" {
		status = "CREATE_COMPLETE"
	}
	var b strings.Builder
	b.WriteString("<Stacks><member>" + element("StackId", "arn:"+name) + element("StackName", name) + element("StackStatus", status) +
		element("CreationTime", "2026-11-30T10:00:00Z"))
	if s.role != "" {
		b.WriteString(element("RoleARN", s.role))
	}
	b.WriteString("<Parameters>")
	for key, value := range s.parameters {
		b.WriteString("<member>" + element("ParameterKey", key) + element("ParameterValue", value) + "</member>")
	}
	b.WriteString("</Parameters><Outputs>")
	for key, value := range s.outputs {
		b.WriteString("<member>" + element("OutputKey", key) + element("OutputValue", value) + "</member>")
	}
	return b.String() + "</Outputs></member></Stacks>"
}

func element(name, text string) string {
	var b strings.Builder
	b.WriteString("<" + name + ">")
	_ = xml.EscapeText(&b, []byte(text))
	return b.String() + "</" + name + ">"
}

// inspect returns an inspection of the fake's cluster.
func (f *fakeAWS) inspect(t *testing.T) *Inspection {
	t.Helper()
	config := aws.Config{
		Region: "eu-west-1", BaseEndpoint: &f.URL, Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
	}
	client := cloudformation.NewFromConfig(config)
	account := &Account{ID: "123456789012", Region: "eu-west-1", Poll: time.Millisecond, config: config, stacks: client}
	d := &Deployment{Account: account, Settings: Settings{Cluster: steps.Cluster{Stack: "ci", Base: "ci-base"}}}
	if _, err := d.Adopt(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.Settings.Repository = "acme/shop"
	if err := d.Settings.Complete(); err != nil {
		t.Fatal(err)
	}
	return &Inspection{
		Deployment: d, DefaultBranch: "main", GitHubToken: "token", GitHubURL: f.URL, HTTP: f.Client(), Drift: true,
		Steps: []steps.Step{
			{Name: "build", Secrets: map[string]string{"NPM_TOKEN": "secretsmanager:ci/build/npm:token"}},
			{Name: "deploy", Secrets: map[string]string{"KEY": "ssm:/ci/deploy-${ENVIRONMENT}/key"}},
		},
	}
}

// with returns a copy of a map with one value changed.
func with(m map[string]string, key, value string) map[string]string {
	m = maps.Clone(m)
	m[key] = value
	return m
}
