package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/carlin-cicd/runner/runner/cluster"
	"github.com/carlin-cicd/runner/steps"
)

// defaultSize is that of the templates.
const defaultSize = "2-4"

// question is something that the person at the terminal is asked for.
type question struct {
	text, otherwise string // an empty answer is the latter
	needed          bool
	take            func(answer string) error
}

// askForSettings asks the person at the terminal for what nothing else says, again if an answer cannot be used.
func (c *clusterCommand) askForSettings(ctx context.Context) error {
	c.note("This account has no stack %s yet. What is to be deployed?", cmp.Or(c.deployment.Settings.Stack, cluster.DefaultStack))
	for _, q := range c.questions() {
		for q.needed {
			c.ask("%s [%s] ", q.text, q.otherwise)
			answer, err := c.readAnswer(ctx)
			if err != nil {
				return err
			}
			if err = q.take(cmp.Or(answer, q.otherwise)); err == nil {
				break
			}
			c.note("%s", err)
			if hinted := (interface{ Hint() string })(nil); errors.As(err, &hinted) {
				c.note("hint: %s", hinted.Hint())
			}
		}
	}
	return nil
}

// questions are what is asked for, in this order.
func (c *clusterCommand) questions() []question {
	s := &c.deployment.Settings
	return []question{
		{"repository at GitHub, owner/name", s.Repository, s.Cluster.Repository == "" || c.fromOrigin, func(answer string) error {
			if !steps.IsRepositoryName(answer) {
				return &usageError{fmt.Sprintf("%q is not the name of a repository", answer), "write it as owner/name"}
			}
			s.Repository = answer
			return nil
		}},
		{
			"environments: ! after those that wait for an approval, @PROFILE after those in another account", "staging,production!",
			len(s.Environments) == 0, func(answer string) (err error) {
				s.Environments, err = environmentsOf(answer, nil)
				return err
			},
		},
		{
			"network: new, or VPC:SUBNET,SUBNET", "new", s.Network.VPC == "" && c.variables[networkFlag.variable] == "",
			func(answer string) error { return setNetwork(&s.Network, answer) },
		},
		{"how GitHub's events come in: webhook, workflow or both", "webhook", s.Door == "", func(answer string) error {
			return setDoor(&s.Door, steps.Door(answer))
		}},
		{"vCPU and GB of build and test", defaultSize, s.Sizes == (steps.ClusterSizes{}), func(answer string) error {
			if answer == defaultSize {
				s.Sizes = steps.ClusterSizes{}
				return nil
			}
			s.Sizes.Build, s.Sizes.Test = answer, answer
			return s.CheckSizes()
		}},
		{"e-mail address for alarms, or none", "none", s.AlarmEmail == "", func(answer string) error {
			switch {
			case answer == "none":
			case !steps.IsEmailAddress(answer):
				return &usageError{fmt.Sprintf("%q is not an e-mail address", answer), "write one, or none"}
			default:
				s.AlarmEmail = answer
			}
			return nil
		}},
	}
}

// readAnswer reads a line that is typed.
func (c *clusterCommand) readAnswer(ctx context.Context) (string, error) {
	type line struct {
		text string
		err  error
	}
	read, typed := make(chan line, 1), c.answers()
	go func() {
		text, err := typed.ReadString('\n')
		read <- line{strings.TrimSpace(text), err}
	}()
	select {
	case <-ctx.Done():
		c.note("\nrunner: nothing was deployed")
		return "", context.Cause(ctx)
	case l := <-read:
		if l.err != nil && l.text == "" {
			c.note("")
			return "", &usageError{"nothing was deployed: the answers ended", "set what is asked for by flags, and --yes"}
		}
		return l.text, nil
	}
}

// confirmed asks unless --yes was given. The error says that nothing was done.
func (c *clusterCommand) confirmed(ctx context.Context, question, nothing string) error {
	switch {
	case c.yes || c.confirm(ctx, question):
		return nil
	case ctx.Err() != nil:
		c.note("runner: %s", nothing)
		return context.Cause(ctx)
	case !c.terminal:
		return &usageError{nothing + ": there is no terminal to ask at", "if the plan is right, run it again with --yes"}
	}
	return &usageError{nothing, "answer y, or use --yes"}
}

// environmentsOf reads the environments of a flag. Those that are known keep what else is known of them.
func environmentsOf(names string, known []steps.ClusterEnvironment) ([]steps.ClusterEnvironment, error) {
	var all []steps.ClusterEnvironment
	for name := range strings.SplitSeq(names, ",") {
		name, approval := strings.CutSuffix(strings.TrimSpace(name), "!")
		name, profile, _ := strings.Cut(name, "@")
		e := steps.ClusterEnvironment{Name: name}
		for _, k := range known {
			if k.Name == e.Name {
				e = k
			}
		}
		e.Approval, e.Profile = approval, cmp.Or(profile, e.Profile)
		if !steps.IsEnvironmentName(e.Name) {
			return nil, &usageError{
				fmt.Sprintf("%q cannot be the name of an environment", e.Name),
				"use lower-case letters, digits and dashes: --environments staging,production!, or production@PROFILE!",
			}
		}
		all = append(all, e)
	}
	return all, nil
}

func setNetwork(to *steps.ClusterNetwork, text string) error {
	if text == "new" {
		return nil
	}
	vpc, subnets, ok := strings.Cut(text, ":")
	subnets = strings.ReplaceAll(subnets, " ", "")
	if !ok || !strings.HasPrefix(vpc, "vpc-") || !strings.Contains(subnets, ",") {
		return &usageError{
			fmt.Sprintf("--network cannot be %q", text), "write new, or vpc-0a1b2c3d:subnet-0a1b2c3d,subnet-4e5f6a7b",
		}
	}
	to.VPC, to.Subnets = vpc, strings.Split(subnets, ",")
	return nil
}

func setDoor(to *steps.Door, door steps.Door) error {
	switch door {
	case steps.WebhookDoor, steps.WorkflowDoor, steps.BothDoors:
		*to = door
		return nil
	}
	return &usageError{fmt.Sprintf("--door cannot be %q", door), "write " + joinWords(steps.Doors(), "or")}
}
