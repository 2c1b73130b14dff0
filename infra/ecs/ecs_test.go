package ecs

import (
	"context"
	"testing"
	"time"
)

func TestTheServerStartsTakesAStackAndEnds(t *testing.T) {
	s, err := Start(Options{Driver: "process", Entrypoint: "/bin/true", Phase: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Deploy(context.Background(), "ci", t.TempDir()); err != nil {
		t.Error(err)
	}
	s.Close()
}
