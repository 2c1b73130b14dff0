package config

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"strings"
	"sync"

	"github.com/carlin-cicd/runner/runner/outcome"
)

// compiled compiles an expression when it is needed: few runs set what these check.
func compiled(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}

// keyForm is what KMS takes for a key: an ARN of a key or an alias, a key's id, an alias.
var keyForm = compiled(
	`^(arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:(key|alias)/[A-Za-z0-9/_-]+|(mrk-)?[0-9a-f-]{32,36}|alias/[A-Za-z0-9/_-]+)$`,
)

var digestForm = compiled(`^[a-z0-9][a-z0-9-]*=[0-9a-f]{64}$`)

// IsProtected reports whether what was published for a commit of the branch is not replaced: in a store that is shared,
// for the branches of RUNNER_PROTECTED_BRANCHES.
func (c Config) IsProtected(branch string) bool {
	if c.Artifacts == "" {
		return false
	}
	for _, pattern := range list(cmp.Or(c.Protected, c.MainBranch)) {
		if ok, err := path.Match(pattern, branch); err == nil && ok {
			return true
		}
	}
	return false
}

// NoDigests in RUNNER_ARTIFACT_DIGESTS says that nothing was on record when the run was approved.
const NoDigests = "none"

// ArtifactDigests returns the digests of the sets that may be fetched, by kind.
func (c Config) ArtifactDigests() map[string]string {
	digests := map[string]string{}
	if c.Digests == NoDigests {
		return digests
	}
	for _, entry := range list(c.Digests) {
		kind, digest, _ := strings.Cut(entry, "=")
		digests[kind] = digest
	}
	return digests
}

func (c Config) checkProtection() error {
	for _, pattern := range list(c.Protected) {
		if _, err := path.Match(pattern, ""); err != nil {
			return &outcome.ConfigError{
				Message: "RUNNER_PROTECTED_BRANCHES cannot have the pattern " + pattern,
				Advice:  "write names or patterns such as main,release/*",
			}
		}
	}
	if c.SigningKey != "" && !keyForm().MatchString(c.SigningKey) {
		return &outcome.ConfigError{
			Message: fmt.Sprintf("RUNNER_SIGNING_KEY cannot be %q", c.SigningKey),
			Advice:  "write the ARN of a key of KMS, its id, or alias/NAME",
		}
	}
	for _, entry := range list(c.Digests) {
		if c.Digests != NoDigests && !digestForm().MatchString(entry) {
			return &outcome.ConfigError{
				Message: "RUNNER_ARTIFACT_DIGESTS cannot have the entry " + entry,
				Advice:  "write KIND=SHA256, as the records of a build have it, separated by commas, or none",
			}
		}
	}
	return nil
}

// list splits a value at its commas.
func list(value string) (entries []string) {
	for entry := range strings.SplitSeq(value, ",") {
		if entry = strings.TrimSpace(entry); entry != "" {
			entries = append(entries, entry)
		}
	}
	return entries
}
