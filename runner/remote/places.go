package remote

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/carlin-cicd/runner/artifacts/keys"
)

// ConsoleURL returns where AWS's console shows an execution; "" if the region is not known.
func (p *Pipeline) ConsoleURL(execution string) string {
	parts := strings.Split(p.machine, ":") // arn:aws:states:eu-west-1:123456789012:stateMachine:ci
	if len(parts) < 7 || parts[3] == "" {
		return ""
	}
	host := "console.aws.amazon.com"
	switch parts[1] {
	case "aws-cn":
		host = "console.amazonaws.cn"
	case "aws-us-gov":
		host = "console.amazonaws-us-gov.com"
	}
	region := url.QueryEscape(parts[3])
	return fmt.Sprintf("https://%s/states/home?region=%s#/v2/executions/details/%s", host, region, p.arn(execution))
}

// Records returns the bucket and the branch and commit that the records of an execution are kept under. It is not ok for
// pull requests from forks, whose records are apart, and for clusters that do not name their bucket.
func (p *Pipeline) Records(e Execution) (bucket string, ref keys.Ref, ok bool) {
	branch, isBranch := strings.CutPrefix(e.Ref, "refs/heads/")
	tag, isTag := strings.CutPrefix(e.Ref, "refs/tags/")
	switch {
	case isBranch:
		branch = p.Cluster.storedBranch(branch)
	case isTag:
		branch = tag
	default:
		return "", ref, false
	}
	bucket = p.Cluster.Outputs["ArtifactBucket"]
	ref = keys.Ref{Branch: branch, SHA: strings.ToLower(e.SHA)}
	return bucket, ref, bucket != "" && keys.CheckBranch(branch) == nil && keys.IsSHA(ref.SHA)
}
