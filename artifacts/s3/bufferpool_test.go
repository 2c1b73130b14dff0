package s3

import (
	"runtime"
	"testing"

	"github.com/carlin-cicd/runner/artifacts/artifactstest"
	"github.com/carlin-cicd/runner/artifacts/s3test"
)

// The transport may go on sending a body after the service has refused it, so its memory must not become another's.
func TestMemoryOfARefusedRequestIsNotReused(t *testing.T) {
	noUserSettings(t)
	runtime.GOMAXPROCS(1) // the pool has a place for each processor
	t.Cleanup(func() { runtime.GOMAXPROCS(runtime.NumCPU()) })
	null := &s3test.Null{}
	for name, c := range map[string]struct {
		rules []s3test.Rule
		reuse bool
	}{
		"stored":  {nil, true},
		"refused": {[]s3test.Rule{{Times: 1, Fault: s3test.Respond(s3test.InternalError)}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := fromEnvironment(t, s3test.NewProxy(t, null.Start(t), c.rules...).URL)
			mark := &buffer{make([]byte, classes[0]), int64(classes[0]), 0}
			reused := 0
			for range 20 { // the race detector makes the pool forget some
				artifactstest.Must(t, s.rest.memory.free.Acquire(t.Context(), mark.weight))
				s.rest.memory.release(mark)
				artifactstest.Put(t, s, artifactstest.Object("k", "v"))
				b, err := s.rest.memory.acquire(t.Context(), 1)
				artifactstest.Must(t, err)
				if b == mark {
					reused++
				}
				s.rest.memory.drop(b)
				if !c.reuse {
					break
				}
			}
			if (reused > 0) != c.reuse {
				t.Errorf("its memory is used %d times again", reused)
			}
		})
	}
}
