package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/carlin-cicd/runner/steps"
)

// askForSettings asks the person at the terminal for what nothing else says. An empty answer is the default.
func (c *clusterCommand) askForSettings(ctx context.Context) error {
	s := &c.deployment.Settings
	answers := bufio.NewScanner(c.stdin)
	ask := func(question, otherwise string) (string, error) {
		c.ask("%s [%s] ", question, otherwise)
		read := make(chan string, 1)
		go func() {
			if answers.Scan() {
				read <- answers.Text()
			}
			close(read)
		}()
		select {
		case <-ctx.Done():
			c.note("")
			return "", context.Cause(ctx)
		case text, ok := <-read:
			if !ok {
				return "", &usageError{"the answers ended", "set what is asked for by flags, and --yes"}
			}
			return cmp.Or(strings.TrimSpace(text), otherwise), nil
		}
	}
	c.note("This account has no stack %s yet. What is to be deployed?", cmp.Or(s.Stack, "carlin-cicd"))
	for _, q := range []struct {
		question, otherwise string
		needed              bool
		take                func(answer string) error
	}{
		{"repository at GitHub, owner/name", s.Repository, s.Cluster.Repository == "" || c.fromOrigin, func(answer string) error {
			s.Repository = answer
			return nil
		}},
		{
			"environments, with ! after those that wait for an approval", "staging,production!", len(s.Environments) == 0,
			func(answer string) (err error) {
				s.Environments, err = environmentsOf(answer, nil)
				return err
			},
		},
		{"network: new, or VPC:SUBNET,SUBNET", "new", s.Network.VPC == "", func(answer string) error { return setNetwork(&s.Network, answer) }},
		{"how GitHub's events come in: webhook, workflow or both", "webhook", s.Door == "", func(answer string) error {
			return setDoor(&s.Door, steps.Door(answer))
		}},
		{"e-mail address for alarms, or none", "none", s.AlarmEmail == "", func(answer string) error {
			if answer != "none" {
				s.AlarmEmail = answer
			}
			return nil
		}},
	} {
		if !q.needed {
			continue
		}
		for {
			answer, err := ask(q.question, q.otherwise)
			if err != nil {
				return err
			}
			if err = q.take(answer); err == nil {
				break
			}
			c.note("%s", err)
		}
	}
	return nil
}

// environmentsOf reads the environments of a flag. Those that are known keep what else is known of them.
func environmentsOf(names string, known []steps.ClusterEnvironment) ([]steps.ClusterEnvironment, error) {
	var all []steps.ClusterEnvironment
	for name := range strings.SplitSeq(names, ",") {
		name = strings.TrimSpace(name)
		e := steps.ClusterEnvironment{Name: strings.TrimSuffix(name, "!")}
		for _, k := range known {
			if k.Name == e.Name {
				e = k
			}
		}
		e.Approval = strings.HasSuffix(name, "!")
		if !steps.IsEnvironmentName(e.Name) {
			return nil, &usageError{
				fmt.Sprintf("%q cannot be the name of an environment", e.Name),
				"use lower-case letters, digits and dashes: --environments staging,production!",
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
