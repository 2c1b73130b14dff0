// Package keys is the one owner of every key in a store: what is kept where, and which names are refused.
//
//	builds/<branch>/<sha>/…                        the files of a set, by kind
//	coverage/<branch>/latest/…                     the mirror of the newest set
//	manifests/<kind>/<branch>/<sha>.json           the manifest of a set; latest.json beside it for the newest
//	manifests/<kind>/<branch>/<sha>~provenance.json  who built the set, and from what
//	runs/<branch>/<sha>/<step>[@<environment>]/…   the records of a run, and latest.json
//	runs/<branch>/<sha>/<step>~shards/<group>/…    parts of a run that is split, see Shard
//	runs/index/<branch>~/…                         the index of runs: head, older pages, index.html
//	tests/<branch>/…                               test history and the coverage to compare with
//	deployments/<environment>/<scope>/<run>.json   the records of a deployment; live.json beside them
//	cache/<branch>/<name>~/…                       caches: entries, and the blocks that they are made of
//	locks/<environment>/<name>.json                locks
//	locks/artifacts/<branch>/<2 hex digits>.json   locks of a branch's sets while they are published
package keys

import (
	"strconv"
	"strings"
)

// Top-level folders that hold no sets. CheckKind refuses them as kinds.
const (
	manifests   = "manifests"
	runs        = "runs"
	tests       = "tests"
	deployments = "deployments"
	locks       = "locks"
	cache       = "cache"
)

var reserved = []string{manifests, runs, tests, deployments, locks, cache}

// Set returns the prefix of a set's files: "<kind>/<branch>/<sha>".
func Set(kind string, ref Ref) string { return kind + "/" + ref.key() }

// Mirror returns the prefix of the mirror of the newest set: "<kind>/<branch>/latest".
func Mirror(kind, branch string) string { return kind + "/" + branchKey(branch) + "/latest" }

// Manifest returns the key of a set's manifest: "manifests/<kind>/<branch>/<sha>.json".
func Manifest(kind string, ref Ref) string { return manifests + "/" + Set(kind, ref) + ".json" }

// PendingUpdate returns the key of the record that a publisher of a set keeps beside the manifest while it works:
// "manifests/<kind>/<branch>/<sha>~pending.json". The mark keeps it out of the reach of branch names.
func PendingUpdate(kind string, ref Ref) string {
	return manifests + "/" + Set(kind, ref) + Mark + "pending.json"
}

// Provenance returns the key of the statement of who built a set: "manifests/<kind>/<branch>/<sha>~provenance.json".
// The mark keeps it out of the reach of branch names.
func Provenance(kind string, ref Ref) string {
	return manifests + "/" + Set(kind, ref) + Mark + "provenance.json"
}

// LatestManifest returns the key of the manifest of the newest complete set: "manifests/<kind>/<branch>/latest.json".
func LatestManifest(kind, branch string) string {
	return manifests + "/" + Mirror(kind, branch) + ".json"
}

// MirrorManifest returns the key of a mirror's manifest: "manifests/<kind>/<branch>/latest~mirror.json".
func MirrorManifest(kind, branch string) string {
	return manifests + "/" + Mirror(kind, branch) + Mark + "mirror.json"
}

// PendingMirror is PendingUpdate for a mirror: "manifests/<kind>/<branch>/latest~pending.json".
func PendingMirror(kind, branch string) string {
	return manifests + "/" + Mirror(kind, branch) + Mark + "pending.json"
}

// Manifests returns the prefix of all manifests, or of those of a kind, or of a kind on a branch. Branches below the
// given one share the prefix.
func Manifests(kind, branch string) string {
	prefix := manifests + "/"
	if kind != "" {
		prefix += kind + "/"
		if branch != "" {
			prefix += branchKey(branch) + "/"
		}
	}
	return prefix
}

// ParseManifest is the inverse of Manifest. It reports false for other objects below manifests/.
func ParseManifest(key string) (kind string, ref Ref, ok bool) {
	segments := strings.Split(strings.TrimSuffix(key, ".json"), "/")
	last := len(segments) - 1
	if last < 3 {
		return "", Ref{}, false
	}
	for i := range segments {
		segments[i] = strings.TrimSuffix(segments[i], Mark)
	}
	kind, ref = segments[1], Ref{strings.Join(segments[2:last], "/"), segments[last]}
	ok = CheckKind(kind) == nil && ref.Validate() == nil && Manifest(kind, ref) == key
	return kind, ref, ok
}

// Run returns the prefix of a run's records: "runs/<branch>/<sha>/<step>[@<environment>]/<run-id>".
func Run(ref Ref, step, environment, runID string) string {
	return runFolder(ref, step, environment) + segment(runID)
}

// LatestRun returns the key of the record of a step's newest run for a commit:
// "runs/<branch>/<sha>/<step>[@<environment>]/latest.json".
func LatestRun(ref Ref, step, environment string) string {
	return runFolder(ref, step, environment) + "latest.json"
}

// Plan returns the key of what the pipeline runs for a commit and an event, which the first step of the pipeline stores:
// "runs/<branch>/<sha>/<step>/plan-<event>.json".
func Plan(ref Ref, step, event string) string {
	return runFolder(ref, step, "") + "plan-" + segment(event) + ".json"
}

// Image returns the key of what a step says that its image has to be made of, before it is built anew:
// "runs/<branch>/<sha>/<step>/image.json".
func Image(ref Ref, step string) string { return runFolder(ref, step, "") + "image.json" }

// LatestRunOnBranch returns the key of the record of how a step last ended on a branch:
// "runs/<branch>/latest/<step>[@<environment>]/latest.json".
func LatestRunOnBranch(branch, step, environment string) string {
	return strings.Join([]string{runs, branchKey(branch), "latest", stepKey(step, environment), "latest.json"}, "/")
}

// Message returns the key of the state of the message that the runs of a commit share: "runs/<branch>/<sha>/slack.json".
func Message(ref Ref) string { return strings.Join([]string{runs, ref.key(), "slack.json"}, "/") }

// Comment returns the key of the state of the comment of a pull request: "runs/<branch>/latest/comment-<number>.json".
func Comment(branch string, number int) string {
	return strings.Join([]string{runs, branchKey(branch), "latest", "comment-" + strconv.Itoa(number) + ".json"}, "/")
}

// PlannedTimes returns the key of the times of test files that a plan goes by, named by their digest:
// "runs/<branch>/<sha>/<step>/times-<digest>.json". The step is the one that stores the plan.
func PlannedTimes(ref Ref, step, digest string) string {
	return runFolder(ref, step, "") + "times-" + segment(digest) + ".json"
}

// Shards returns the prefix of what the shards of a step's run share: "runs/<branch>/<sha>/<step>~shards/<group>". No
// step has such a name. The group is what tells one run of all shards from another.
func Shards(ref Ref, step, group string) string {
	return strings.Join([]string{runs, ref.key(), segment(step) + Mark + "shards", segment(group)}, "/")
}

// Shard returns the prefix of what one shard of a step's run keeps until the shards are merged into the record of the
// run: "runs/<branch>/<sha>/<step>~shards/<group>/<shard>".
func Shard(ref Ref, step, group string, shard int) string {
	return Shards(ref, step, group) + "/" + strconv.Itoa(shard)
}

// ShardRun returns the prefix of the records of one run of a shard: "<shard>/<run-id>".
func ShardRun(ref Ref, step, group string, shard int, runID string) string {
	return Shard(ref, step, group, shard) + "/" + segment(runID)
}

func runFolder(ref Ref, step, environment string) string {
	return strings.Join([]string{runs, ref.key(), stepKey(step, environment), ""}, "/")
}

// stepKey joins a step and its environment by a character that is in the name of neither.
func stepKey(step, environment string) string {
	if environment == "" {
		return segment(step)
	}
	return segment(step) + "@" + segment(environment)
}

// Runs returns the prefix of the records of all runs on a branch. Branches below it share the prefix.
func Runs(branch string) string { return runs + "/" + branchKey(branch) + "/" }

// ParseFinishedRun reads the key of a run's finished.json as Run makes its folder, for a branch, step and environment.
func ParseFinishedRun(key, branch, step, environment string) (sha, runID string, ok bool) {
	rest, found := strings.CutPrefix(key, Runs(branch))
	parts := strings.Split(rest, "/")
	if !found || len(parts) != 4 || parts[1] != stepKey(step, environment) || parts[3] != "finished.json" {
		return "", "", false
	}
	sha = strings.TrimSuffix(parts[0], Mark)
	return sha, parts[2], IsSHA(sha)
}

// Probe returns the key of an object that a check of the store writes and deletes. No branch has its name.
func Probe(name string) string { return runs + "/probe" + Mark + name + ".json" }

// History returns the key of a step's test history on a branch: "tests/<branch>/history-<step>.json.gz".
func History(branch, step string) string {
	return tests + "/" + branchKey(branch) + "/history-" + segment(step) + ".json.gz"
}

// FileTimes returns the key of how long the test files of a step take on a branch: "tests/<branch>/times-<step>.json.gz".
func FileTimes(branch, step string) string {
	return tests + "/" + branchKey(branch) + "/times-" + segment(step) + ".json.gz"
}

// CoverageBaseline returns the key of the coverage that the next run of a step on a branch is compared with:
// "tests/<branch>/coverage-<step>.json".
func CoverageBaseline(branch, step string) string {
	return tests + "/" + branchKey(branch) + "/coverage-" + segment(step) + ".json"
}

// Deployment returns the key of the record of one run's deployment: "deployments/<environment>/<scope>/<run-id>.json".
// The scope is a stack's name, or that of a step that locks its environment.
func Deployment(environment, scope, runID string) string {
	return DeploymentFolder(environment, scope) + segment(runID) + ".json"
}

// DeploymentFolder returns the prefix of the records of an environment's deployments in a scope.
func DeploymentFolder(environment, scope string) string {
	return strings.Join([]string{deployments, segment(environment), segment(scope), ""}, "/")
}

// DeploymentScopes returns the prefix of the records of all deployments to an environment. What follows is a scope.
func DeploymentScopes(environment string) string { return Deployments + segment(environment) + "/" }

// Deployments is the prefix of the records of all deployments.
const Deployments = deployments + "/"

// DeployedEnvironment returns the environment of a key below Deployments.
func DeployedEnvironment(key string) (environment string, ok bool) {
	parts := strings.Split(key, "/")
	if len(parts) != 4 || parts[0] != deployments {
		return "", false
	}
	return parts[1], true
}

// Live returns the key of the record of what is live: "deployments/<environment>/<scope>/live.json".
func Live(environment, scope string) string { return Deployment(environment, scope, "live") }

// Template returns the key of a stack's template that is too large for a request.
func Template(environment, scope, runID string) string {
	return DeploymentFolder(environment, scope) + segment(runID) + ".template"
}

// segment keeps a name to one segment; whatever else is invalid, Check refuses.
func segment(name string) string {
	return strings.ReplaceAll(name, "/", Mark)
}
