// Package ecs gives tests an ECS that runs its tasks, as processes or in containers: moto_server with the patches in
// this folder. See README.md.
package ecs

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/carlin-cicd/runner/runner/awstest"
)

// Options say how tasks are run.
type Options struct {
	Driver     string        // "process" or "podman"
	Entrypoint string        // for process: the program that is started for every image, in a copy of the folder that the image names
	Image      string        // replaces the image of every task definition
	Layers     string        // the address of a registry with the images of ECR, without a login
	Mounts     []string      // for podman: FILE:PATH of files that each container has
	Variables  []string      // NAME=VALUE that each container has
	Phase      time.Duration // how long a task is PROVISIONING, and how long PENDING
	LogDelay   time.Duration // until CloudWatch Logs returns a line
}

// Server is a moto_server whose ECS runs tasks.
type Server struct {
	awstest.AWS
	input io.Closer
	ended chan error
}

// Start starts a server, which ends with Close or with this process, its tasks with it.
func Start(o Options) (*Server, error) {
	address, err := awstest.FreeAddress()
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(address)
	args := []string{
		folder(), "--port", port, "--driver", o.Driver, "--until-stdin-ends",
		"--phase", fmt.Sprint(o.Phase.Seconds()), "--log-delay", fmt.Sprint(o.LogDelay.Seconds()),
	}
	if o.Entrypoint != "" {
		args = append(args, "--entrypoint", o.Entrypoint)
	}
	if o.Image != "" {
		args = append(args, "--image", o.Image)
	}
	if o.Layers != "" {
		args = append(args, "--layers", o.Layers)
	}
	for _, mount := range o.Mounts {
		args = append(args, "--mount", mount)
	}
	for _, variable := range o.Variables {
		args = append(args, "--env", variable)
	}
	var said bytes.Buffer
	server := exec.Command("python3", args...)
	server.Stdout, server.Stderr = &said, &said
	input, err := server.StdinPipe() // the server ends when this is closed, also by the end of this process
	if err != nil {
		return nil, err
	}
	s := &Server{AWS: awstest.AWS{Endpoint: "http://" + address}, input: input, ended: make(chan error, 1)}
	if err := server.Start(); err != nil {
		return nil, err
	}
	go func() { s.ended <- server.Wait() }()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		select {
		case err := <-s.ended:
			return nil, fmt.Errorf("the server does not start: %w: %s", err, said.String())
		default:
		}
		if answer, err := http.Get(s.Endpoint + "/moto-api/"); err == nil {
			answer.Body.Close()
			return s, nil
		}
	}
	s.Close()
	return nil, errors.New("the server does not answer after two minutes")
}

// Close ends the server and its tasks.
func (s *Server) Close() {
	s.input.Close()
	<-s.ended
}

// folder returns the folder of the server's sources.
func folder() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}

// Config returns the SDK configuration for the server.
func (s *Server) Config() aws.Config {
	return aws.Config{
		Region: awstest.Region, BaseEndpoint: &s.Endpoint,
		Credentials: credentials.NewStaticCredentialsProvider(
			"AKIAIOSFODNN7EXAMPLE",
			"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
			"",
		),
	}
}

//go:embed cluster.yaml
var cluster string

// Deploy makes a stack with the outputs of infra/cicd.yaml, whose tasks run the image, in subnets if any are named.
func (s *Server) Deploy(ctx context.Context, stack, image string, subnets ...string) error {
	parameters := []types.Parameter{{ParameterKey: aws.String("Image"), ParameterValue: &image}}
	if len(subnets) > 0 {
		joined := strings.Join(subnets, ",")
		parameters = append(parameters, types.Parameter{ParameterKey: aws.String("SubnetIds"), ParameterValue: &joined})
	}
	input := &cloudformation.CreateStackInput{StackName: &stack, TemplateBody: &cluster, Parameters: parameters}
	_, err := cloudformation.NewFromConfig(s.Config()).CreateStack(ctx, input)
	return err
}
