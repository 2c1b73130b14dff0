package task

import (
	"encoding/json"
	"testing"
)

func TestTheLogStreamIsThatOfTheRunnersContainer(t *testing.T) {
	const two = `{"TaskARN":"arn:aws:ecs:eu-west-1:1:task/ci/a","Containers":[
		{"DockerId":"a-1","LogDriver":"awslogs","LogOptions":{"awslogs-group":"/other","awslogs-stream":"x","awslogs-region":"eu-west-1"}},
		{"DockerId":"a-2","LogDriver":"awslogs","LogOptions":{"awslogs-group":"/ci/build","awslogs-stream":"build/runner/a","awslogs-region":"eu-west-1"}}]}`
	const one = `{"TaskARN":"arn:aws-cn:ecs:cn-north-1:1:task/ci/a","Containers":[
		{"DockerId":"b","LogDriver":"awslogs","LogOptions":{"awslogs-group":"g","awslogs-stream":"s"}}]}`
	for name, c := range map[string]struct{ endpoint, text, want string }{
		"by the endpoint's end": {
			"http://169.254.170.2/v4/a-2", two, "https://console.aws.amazon.com/cloudwatch/home?region=eu-west-1" +
				"#logsV2:log-groups/log-group/$252Fci$252Fbuild/log-events/build$252Frunner$252Fa",
		},
		"unknown among several": {"http://169.254.170.2/v4/c", two, ""},
		"the only one, in China": {
			"http://169.254.170.2/v4/c", one,
			"https://console.amazonaws.cn/cloudwatch/home?region=cn-north-1#logsV2:log-groups/log-group/g/log-events/s",
		},
		"another driver": {"/b", `{"Containers":[{"DockerId":"b","LogDriver":"awsfirelens"}]}`, ""},
		"nothing":        {"", `{}`, ""},
	} {
		var task Task
		if err := json.Unmarshal([]byte(c.text), &task); err != nil {
			t.Fatal(err)
		}
		task.endpoint = c.endpoint
		if got := task.LogURL(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
