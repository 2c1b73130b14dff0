package pattern

import (
	"sync"
	"testing"
)

func TestAPatternIsCompiledWhenItIsUsed(t *testing.T) {
	invalid := New("(")
	if got := invalid.String(); got != "(" {
		t.Errorf("String is %q", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("an invalid expression matches")
		}
	}()
	invalid.MatchString("")
}

func TestManyGoroutinesUseAPattern(t *testing.T) {
	word := New(`^(\w+)=(\w+)$`)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if found := word.FindStringSubmatch("a=b"); len(found) != 3 || found[2] != "b" {
				t.Errorf("found %q", found)
			}
		})
	}
	group.Wait()
}
