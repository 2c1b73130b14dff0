package keys

import (
	"errors"
	"strings"
	"testing"
)

func TestLock(t *testing.T) {
	for _, tt := range []struct{ environment, name, want string }{
		{"production", "deploy-web", "locks/production/deploy-web.json"},
		{"Production_2", "v1.2", "locks/Production_2/v1.2.json"},
		{"pr/12", "a b", "locks/pr~2f12/a~20b.json"},
		{".", "..", "locks/~2e/~2e..json"},
		{"~", "ü", "locks/~7e/~c3~bc.json"},
		{"", "x", ""},
		{"x", "", ""},
		{"x", strings.Repeat("x", maxSegment), "locks/x/" + strings.Repeat("x", maxSegment) + ".json"},
		{"x", strings.Repeat("x", maxSegment+1), ""},
		{strings.Repeat("/", maxSegment), "x", ""},
	} {
		got, err := Lock(tt.environment, tt.name)
		var bad *Error
		if got != tt.want || (err == nil) != (tt.want != "") || err != nil && !errors.As(err, &bad) {
			t.Errorf("Lock(%q, %q) = %q, %v", tt.environment, tt.name, got, err)
		}
	}
}

func TestAShardKeepsItsPartOutsideOfTheRecords(t *testing.T) {
	ref := Ref{"feature/a", strings.Repeat("a", 40)}
	if key, want := Shard(ref, "test", "01m8", 2), "runs/feature/a/"+ref.SHA+"/test~shards/01m8/2"; key != want {
		t.Errorf("the shard's prefix is %s, want %s", key, want)
	}
	if _, _, ok := ParseFinishedRun(Shard(ref, "test", "01m8", 2)+"/finished.json", ref.Branch, "test", ""); ok {
		t.Error("a shard's part is taken for a record")
	}
}

func TestPublishLockIsOfTheBranch(t *testing.T) {
	ref := Ref{"feature/main", strings.Repeat("a", 40)}
	for prefix, folder := range map[string]string{
		Set("builds", ref):                     "locks/artifacts/feature/main/",
		Mirror("coverage", ref.Branch):         "locks/artifacts/feature/main/",
		Set("builds", Ref{"main", ref.SHA}):    "locks/artifacts/main/",
		Mirror("coverage", "main"):             "locks/artifacts/main/",
		Mirror("coverage", "a/latest"):         "locks/artifacts/a/latest" + Mark + "/",
		Set("builds", Ref{"main/ab", ref.SHA}): "locks/artifacts/main/ab/",
	} {
		key := PublishLock(prefix)
		name, ok := strings.CutPrefix(key, folder)
		if !ok || len(name) != len("ab.json") || Check(key) != nil {
			t.Errorf("the lock of %s is %s", prefix, key)
		}
	}
	if a, b := PublishLock("builds/main/"+ref.SHA), PublishLock("coverage/main/"+ref.SHA); a == b {
		t.Errorf("both kinds share %s", a)
	}
}

func FuzzLock(f *testing.F) {
	f.Add("production", "deploy-web", "production", "deploy~web")
	f.Add("a/b", "c", "a", "b/c")
	f.Add("~2f", ".", "/", "..")
	f.Fuzz(func(t *testing.T, e1, n1, e2, n2 string) {
		k1, err1 := Lock(e1, n1)
		k2, err2 := Lock(e2, n2)
		if err1 != nil || err2 != nil {
			return
		}
		if err := Check(k1); err != nil || strings.Count(k1, "/") != 2 {
			t.Errorf("%q: %v", k1, err)
		}
		if k1 == k2 && (e1 != e2 || n1 != n2) {
			t.Errorf("%q is both %q %q and %q %q", k1, e1, n1, e2, n2)
		}
	})
}
