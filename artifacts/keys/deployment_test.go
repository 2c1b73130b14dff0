package keys

import (
	"strings"
	"testing"
)

func TestDeployedEnvironment(t *testing.T) {
	key := Deployment("staging", "web", "01m8")
	if name, ok := DeployedEnvironment(key); !ok || name != "staging" || !strings.HasPrefix(key, Deployments) {
		t.Errorf("%s is of %q, %v", key, name, ok)
	}
	for _, other := range []string{"", Deployments, "deployments/staging", "locks/staging/stack.web.json", "runs/a/b/c"} {
		if name, ok := DeployedEnvironment(other); ok {
			t.Errorf("%s is of %s", other, name)
		}
	}
}
