package conformance

import (
	"cmp"
	"context"
	"fmt"
	"strings"
)

// deployment are the arguments that deploy everything.
func (s *Suite) deployment() []string {
	return []string{
		"cluster", "deploy", "--stack", s.stack(), "--base", s.base(), "--repository", s.Repository, "--door", "both",
		"--environments", "staging,production!", "--webhook-zip", s.Zip,
	}
}

func (s *Suite) second() string { return s.stack() + "-two" }

func (s *Suite) dryRun(ctx context.Context) error {
	if _, err := s.run(ctx, 0, append(s.deployment(), "--dry-run")...); err != nil {
		return err
	}
	return s.expect(ctx, 0, "there is nothing to delete", "cluster", "destroy", "--stack", s.stack(), "--base", s.base(), "--dry-run")
}

// expect runs the program and looks for words in what it prints.
func (s *Suite) expect(ctx context.Context, code int, words string, args ...string) error {
	said, err := s.run(ctx, code, args...)
	if err == nil && !strings.Contains(said, words) {
		err = fmt.Errorf("runner %s does not say %q:\n%s", strings.Join(args, " "), words, said)
	}
	return err
}

func (s *Suite) deploy(ctx context.Context) error {
	return s.expect(ctx, 0, "deployed\n", append(s.deployment(), "--yes")...)
}

func (s *Suite) deployAgain(ctx context.Context) error {
	return s.expect(ctx, 0, "no changes", append(s.deployment(), "--yes")...)
}

func (s *Suite) deployUnsaid(ctx context.Context) error {
	return s.expect(ctx, 0, "no changes", "cluster", "deploy", "--stack", s.stack(), "--base", s.base(), "--webhook-zip", s.Zip, "--yes")
}

func (s *Suite) deploySecond(ctx context.Context) error {
	if err := s.deployTwo(ctx); err != nil {
		return err
	}
	return s.destroyTwo(ctx)
}

// deployTwo deploys the pipeline of a second repository, on the same base.
func (s *Suite) deployTwo(ctx context.Context) error {
	return s.expect(ctx, 0, "deployed\n", "cluster", "deploy", "--stack", s.second(), "--base", s.base(),
		"--repository", cmp.Or(s.Second, s.Repository),
		"--door", "webhook", "--environments", "staging", "--webhook-zip", s.Zip, "--yes")
}

func (s *Suite) destroyTwo(ctx context.Context) error {
	return s.expect(ctx, 0, "deleted\n", s.removal(s.second())...)
}

func (s *Suite) checkWithoutImage(ctx context.Context) error {
	return s.expect(ctx, 1, "there is no image yet", "cluster", "check", "--stack", s.stack(), "--base", s.base(), "--no-drift")
}

func (s *Suite) checkQuotas(ctx context.Context) error {
	return s.expect(ctx, 1, "is as its template says", "cluster", "check", "--stack", s.stack(), "--base", s.base())
}

func (s *Suite) image(ctx context.Context) error {
	return s.expect(ctx, 0, "every step runs the image", "cluster", "image", "--stack", s.stack(), "--base", s.base())
}

func (s *Suite) destroy(ctx context.Context) error {
	err := s.expect(ctx, 0, "deleted\n", s.removal(s.stack())...)
	if err != nil {
		return err
	}
	return s.expect(ctx, 0, "there is nothing to delete", "cluster", "destroy", "--stack", s.stack(), "--base", s.base(), "--all")
}
