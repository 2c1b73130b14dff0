package s3

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// explicitDeny matches what S3 says of a statement that denies a request: "… with an explicit deny in a
// resource-based policy".
var explicitDeny = regexp.MustCompile(`with an explicit deny in an? ([a-z -]*policy|permissions boundary)`)

// denyHint names the policy that denies a request, and the setting that cures it. No Allow overrides a Deny.
func (s *Store) denyHint(ctx context.Context, op, policy string) string {
	action := actions[op]
	if action == "" {
		action = "this"
	}
	hint := fmt.Sprintf("a Deny statement in a %s refuses %s, and no Allow overrides it", policy, action)
	if policy != "resource-based policy" {
		return hint + ": ask the owner of that policy"
	}
	if cures := s.cures(ctx, action); len(cures) > 0 {
		return hint + ": " + strings.Join(cures, "; ")
	}
	if op == "put" && s.options.Encryption == "" {
		return hint + ": if the bucket's policy demands encryption, set RUNNER_S3_ENCRYPTION=aws:kms or AES256, as it says"
	}
	return hint + ": compare the conditions in the bucket's policy with RUNNER_S3_ENCRYPTION, RUNNER_S3_KMS_KEY, " +
		"RUNNER_S3_STORAGE_CLASS and RUNNER_S3_TAGS"
}

// policyTimeout limits how long an error waits for the policy that explains it.
const policyTimeout = 3 * time.Second

// cures reads the bucket's policy, if that is allowed, and returns what its Deny statements for an action ask for.
func (s *Store) cures(ctx context.Context, action string) []string {
	ctx, cancel := context.WithTimeout(ctx, policyTimeout)
	defer cancel()
	policy, err := s.policy(ctx)
	if err != nil {
		return nil
	}
	var cures []string
	for _, statement := range parsePolicy(policy) {
		if statement.Effect == "Deny" && statement.covers(action) {
			cures = append(cures, statement.cures()...)
		}
	}
	slices.Sort(cures)
	return slices.Compact(cures)
}

// statement is a part of a policy. IAM accepts one text in place of a list, and a text in place of a boolean.
type statement struct {
	Effect    string
	Action    any
	NotAction any
	Condition map[string]map[string]any
}

// parsePolicy returns no statement of a policy that is not valid.
func parsePolicy(policy string) []statement {
	var many struct{ Statement []statement }
	if json.Unmarshal([]byte(policy), &many) == nil {
		return many.Statement
	}
	var one struct{ Statement statement }
	if json.Unmarshal([]byte(policy), &one) == nil {
		return []statement{one.Statement}
	}
	return nil
}

// covers reports whether a statement is about an action.
func (s statement) covers(action string) bool {
	if s.NotAction != nil {
		return !slices.ContainsFunc(texts(s.NotAction), func(p string) bool { return matchAction(p, action) })
	}
	return slices.ContainsFunc(texts(s.Action), func(p string) bool { return matchAction(p, action) })
}

// matchAction compares an action with a pattern of IAM, such as "s3:Put*".
func matchAction(pattern, action string) bool {
	parts := strings.Split(strings.ToLower(pattern), "*")
	for i, part := range parts {
		parts[i] = regexp.QuoteMeta(part)
	}
	matched, err := regexp.MatchString("^"+strings.Join(parts, ".*")+"$", strings.ToLower(action))
	return err == nil && matched
}

// settings are the settings that satisfy a condition on a request.
var settings = map[string]string{
	"s3:x-amz-server-side-encryption":                "set RUNNER_S3_ENCRYPTION",
	"s3:x-amz-server-side-encryption-aws-kms-key-id": "set RUNNER_S3_ENCRYPTION=aws:kms and RUNNER_S3_KMS_KEY",
	"s3:x-amz-storage-class":                         "set RUNNER_S3_STORAGE_CLASS",
	"s3:requestobjecttagkeys":                        "set RUNNER_S3_TAGS",
	"aws:securetransport":                            "give AWS_ENDPOINT_URL an address that begins with https",
	"aws:sourcevpce":                                 "run this where the VPC endpoint is used",
	"aws:sourcevpc":                                  "run this in the VPC",
	"aws:sourceip":                                   "run this at an address that the policy lists",
	"s3:resourceaccount":                             "check RUNNER_S3_BUCKET_OWNER",
}

// cures returns the settings for the conditions of a statement, with the values that it names.
func (s statement) cures() []string {
	var cures []string
	for _, keys := range s.Condition {
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			cure, ok := settings[strings.ToLower(key)]
			if tag, found := strings.CutPrefix(strings.ToLower(key), "s3:requestobjecttag/"); found {
				cure, ok = fmt.Sprintf("set RUNNER_S3_TAGS with the tag %q", tag), true
			}
			if !ok {
				continue
			}
			if values := texts(keys[key]); !strings.Contains(cure, "https") && values[0] != "true" &&
				values[0] != "false" {
				cure += fmt.Sprintf(" (the policy names %s)", strings.Join(values, ", "))
			}
			cures = append(cures, cure)
		}
	}
	return cures
}

// texts are the values of a text or a list of texts.
func texts(v any) []string {
	list, ok := v.([]any)
	if !ok {
		return []string{fmt.Sprint(v)}
	}
	out := make([]string, 0, len(list))
	for _, item := range list {
		out = append(out, fmt.Sprint(item))
	}
	if len(out) == 0 {
		return []string{""}
	}
	return out
}
