package keys

import (
	"fmt"
	"strings"
)

// The index of runs has a folder a branch, and two for the whole repository: a run of a protected branch is listed in
// one, a run of any other branch in the other, so that a role of the latter need not write what shows the former. The
// mark, which no branch has in its name, keeps the folder of branch "a" apart from those of "a/b" and of "index/a".
const (
	runIndex = runs + "/index/"

	// RunIndexProtected and RunIndexOthers are the folders of the repository's index.
	RunIndexProtected = runIndex + Mark + "protected/"
	RunIndexOthers    = runIndex + Mark + "branches/"

	// RunIndexRepository is the key of the page about the whole repository.
	RunIndexRepository = runIndex + "index.html"
)

// RunIndex returns the folder of a branch's index of runs: "runs/index/<branch>~/".
func RunIndex(branch string) string { return runIndex + branch + Mark + "/" }

// RunIndexHead returns the key of the newest part of an index: "runs/index/<branch>~/head.json.gz".
func RunIndexHead(folder string) string { return folder + "head.json.gz" }

// RunIndexPage returns the key of an older part of an index, from 1, the oldest:
// "runs/index/<branch>~/page-000001.json.gz".
func RunIndexPage(folder string, n int) string { return fmt.Sprintf("%spage-%06d.json.gz", folder, n) }

// RunIndexHTML returns the key of the page of an index: "runs/index/<branch>~/index.html".
func RunIndexHTML(folder string) string { return folder + "index.html" }

// ParseRunIndexHTML is the inverse of RunIndexHTML for the folder of a branch.
func ParseRunIndexHTML(key string) (branch string, ok bool) {
	rest, found := strings.CutPrefix(key, runIndex)
	branch, end := strings.CutSuffix(rest, Mark+"/index.html")
	return branch, found && end && CheckBranch(branch) == nil
}
