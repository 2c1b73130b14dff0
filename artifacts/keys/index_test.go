package keys

import (
	"strings"
	"testing"
)

func TestTheIndexOfABranchSharesNoFolderWithAnother(t *testing.T) {
	folders := map[string]string{RunIndexProtected: "the protected branches", RunIndexOthers: "the other branches"}
	for _, branch := range []string{"main", "a", "a/b", "a/latest", "index", "index/a", "protected", "branches", "index.html", "a/" + sha1} {
		folder := RunIndex(branch)
		if other, ok := folders[folder]; ok {
			t.Errorf("%s and %s share %s", branch, other, folder)
		}
		folders[folder] = branch
		for _, key := range []string{RunIndexHead(folder), RunIndexPage(folder, 12), RunIndexHTML(folder)} {
			if err := Check(key); err != nil {
				t.Error(err)
			}
			for _, other := range []string{"main", "a", "index", "index/a", "index/a/" + sha1} {
				if strings.HasPrefix(key, Run(Ref{other, sha1}, "x", "", "")) || key == LatestRunOnBranch(other, "x", "") {
					t.Errorf("%s is a record of branch %s", key, other)
				}
			}
		}
		if got, ok := ParseRunIndexHTML(RunIndexHTML(folder)); !ok || got != branch {
			t.Errorf("the page of %s reads as that of %q, %v", branch, got, ok)
		}
	}
	for _, key := range []string{RunIndexRepository, RunIndexHTML(RunIndexOthers), "runs/main/index.html", RunIndexHead(RunIndex("a"))} {
		if branch, ok := ParseRunIndexHTML(key); ok {
			t.Errorf("%s reads as the page of branch %q", key, branch)
		}
	}
}
