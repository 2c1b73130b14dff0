package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carlin-cicd/runner/infra"
	"github.com/carlin-cicd/runner/runner/cluster/clustertest"
)

// Lambda takes any zip, and fails at the first delivery. So what is not the webhook of this version is refused.
func TestAZipThatIsNotTheWebhookIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		zip  []byte
		says string
	}{
		"the webhook":        {clustertest.Webhook{}.Zip(), ""},
		"no zip":             {[]byte("not really a zip"), "it cannot be read as a zip"},
		"another file":       {clustertest.Webhook{Name: "main"}.Zip(), "it has no file bootstrap"},
		"a plain file":       {clustertest.Webhook{Mode: 0o644}.Zip(), "its file bootstrap is not executable"},
		"another processor":  {clustertest.Webhook{Machine: 0x3e}.Zip(), "its program is for x86_64, and the function runs on arm64"},
		"an odd processor":   {clustertest.Webhook{Machine: 0xf3}.Zip(), "its program is for another processor"},
		"another program":    {clustertest.Webhook{Program: "example.com/hello"}.Zip(), "its program is another one"},
		"no version":         {clustertest.Webhook{Comment: "-"}.Zip(), "it does not say of which version it is, and this runner is " + infra.Version()},
		"another version":    {clustertest.Webhook{Comment: infra.WebhookComment + "0.1.0"}.Zip(), "it is of runner 0.1.0, and this one is " + infra.Version()},
		"only half of a zip": {clustertest.Webhook{}.Zip()[:60], "it cannot be read as a zip"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "webhook.zip")
			if err := os.WriteFile(path, c.zip, 0o600); err != nil {
				t.Fatal(err)
			}
			found, err := ZipSource{File: path}.Find(t.Context())
			switch {
			case c.says == "":
				if err != nil || found.Path != path {
					t.Errorf("%v %v", found, err)
				}
			case err == nil || err.Error() != path+" is not the webhook of this runner: "+c.says && !strings.HasPrefix(err.Error(), path+" is not the webhook of this runner: "+c.says+","):
				t.Errorf("%v, want %s", err, c.says)
			default:
				if hint := err.(*Error).Advice; !strings.Contains(hint, "/v"+infra.Version()+", or make webhook in a checkout") {
					t.Errorf("the advice is %s", hint)
				}
			}
		})
	}
}
