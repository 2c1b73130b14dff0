package cluster

import (
	"fmt"
	"slices"

	"github.com/carlin-cicd/runner/steps"
)

// maxStackName is the longest name of a stack that CloudFormation takes.
const maxStackName = 128

// Check refuses what AWS would refuse half-way, or what would damage a pipeline that is deployed: a flag is no better
// than the file, whose values are checked when it is read. The error is an *Error. Complete comes first.
func (s *Settings) Check() error {
	for flag, name := range map[string]string{"--stack": s.Stack, "--base": s.Base} {
		if !steps.IsStackName(name) {
			return &Error{
				Message: fmt.Sprintf("%s cannot be %q: it is not the name of a stack", flag, name),
				Advice:  "use up to 128 letters, digits and dashes, and begin with a letter",
			}
		}
	}
	if s.AlarmEmail != "" && !steps.IsEmailAddress(s.AlarmEmail) {
		return &Error{Message: fmt.Sprintf("%q is not an e-mail address", s.AlarmEmail), Advice: "write one: --alarm-email ADDRESS"}
	}
	if s.ImageTag != "" && !steps.IsImageTag(s.ImageTag) {
		return &Error{
			Message: fmt.Sprintf("%q is not the tag of an image", s.ImageTag),
			Advice:  "write a commit or another tag: --image-tag TAG; runner cluster image pushes one",
		}
	}
	if bad, found := s.Network.Invalid(); found {
		return &Error{
			Message: fmt.Sprintf("the network cannot have %q", bad), Advice: "write new, or vpc-0a1b2c3d:subnet-0a1b2c3d,subnet-4e5f6a7b",
		}
	}
	return s.checkEnvironments()
}

// checkEnvironments refuses environments that would share a stack, and names that are too long for one.
func (s *Settings) checkEnvironments() error {
	longest := s.WebhookStack()
	for i, e := range s.Environments {
		for _, before := range s.Environments[:i] {
			if before.Name == e.Name {
				return &Error{
					Message: fmt.Sprintf("two environments have the name %q", e.Name), Advice: "give each environment a name of its own",
				}
			}
			if before.Stack == e.Stack && before.Account == e.Account && before.Region == e.Region && before.Profile == e.Profile {
				return &Error{
					Message: fmt.Sprintf("environments %s and %s deploy the same stack, %s", before.Name, e.Name, e.Stack),
					Advice:  "give each a stack of its own: stack: of the environment, below cluster: in runner.yaml",
				}
			}
		}
		own := []string{s.Stack, s.Base, s.WebhookStack(), s.EnvironmentStack(e.Name), s.TargetStack(e.Name)}
		if slices.Contains(own, e.Stack) {
			return &Error{
				Message: fmt.Sprintf("environment %s deploys stack %s, which is one of the cluster's own", e.Name, e.Stack),
				Advice:  "choose another name: stack: of the environment, below cluster: in runner.yaml",
			}
		}
		for _, name := range []string{e.Stack, s.TargetStack(e.Name)} {
			if len(name) > len(longest) {
				longest = name
			}
		}
	}
	if len(longest) > maxStackName {
		return &Error{
			Message: fmt.Sprintf("the name of stack %s has %d characters, and CloudFormation takes %d", longest, len(longest), maxStackName),
			Advice:  "choose a shorter --stack, or shorter names of environments",
		}
	}
	return nil
}
