package main

import (
	"fmt"
	"strings"
)

// repositories lists whose events are accepted: owner/name, or owner/* for all of an owner's.
type repositories []string

// parseRepositories reads a comma-separated list.
func parseRepositories(list string) (repositories, error) {
	var allowed repositories
	for entry := range strings.SplitSeq(list, ",") {
		entry = strings.TrimSpace(entry)
		owner, name, _ := strings.Cut(entry, "/")
		if !isName(owner) || name != "*" && !isName(name) {
			return nil, fmt.Errorf(
				"REPOSITORIES has %q, which is not owner/name or owner/*: name the repositories that may start the pipeline",
				entry,
			)
		}
		allowed = append(allowed, entry)
	}
	return allowed, nil
}

// find returns the repository's name as the list spells it: to GitHub upper and lower case are the same, to a rule of
// EventBridge they are not.
func (r repositories) find(fullName string) (string, bool) {
	owner, name, ok := strings.Cut(fullName, "/")
	if !ok || !isName(owner) || !isName(name) {
		return "", false
	}
	for _, entry := range r {
		if strings.EqualFold(entry, fullName) {
			return entry, true
		}
	}
	for _, entry := range r {
		if o, all := strings.CutSuffix(entry, "/*"); all && strings.EqualFold(o, owner) {
			return fullName, true
		}
	}
	return "", false
}

// isName accepts what GitHub allows in the name of an owner or a repository.
func isName(s string) bool {
	return s != "" && len(s) <= 100 && s != "." && s != ".." && only(s, "-_.")
}
