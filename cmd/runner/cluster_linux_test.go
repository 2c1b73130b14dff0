package main

import (
	"context"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/carlin-cicd/runner/infra/ecs"
)

// sharedCluster is an AWS that runs tasks, as processes: the runner is the entry point of every image.
var sharedCluster = sync.OnceValues(func() (*ecs.Server, error) {
	entrypoint, err := exec.LookPath("runner")
	if err != nil {
		return nil, err
	}
	return ecs.Start(ecs.Options{Driver: "process", Entrypoint: entrypoint, Phase: 100 * time.Millisecond, LogDelay: 200 * time.Millisecond})
})

// cluster NAME FOLDER [SUBNET...]: a cluster of the script's own, whose image is the folder.
func cmdCluster(ts *testscript.TestScript, _ bool, args []string) {
	server, err := sharedCluster()
	ts.Check(err)
	for _, entry := range server.Environment() {
		name, value, _ := strings.Cut(entry, "=")
		ts.Setenv(name, value)
	}
	ts.Check(server.Deploy(context.Background(), args[0], ts.MkAbs(args[1]), args[2:]...))
	ts.Setenv("RUNNER_CLUSTER_STACK", args[0])
	ts.Setenv("RUNNER_TASK_POLL", "100ms")
}
