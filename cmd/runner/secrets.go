package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/carlin-cicd/runner/runner"
	"github.com/carlin-cicd/runner/runner/config"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/terminal"
)

func newSecretsCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "secrets",
		GroupID: groupSetUp,
		Short:   "check the secrets that a step refers to",
		Args:    cobra.ArbitraryArgs,
		RunE:    requireSubcommand,
	}
	check := &cobra.Command{
		Use:     "check",
		Short:   "resolve a step's secrets and show all but their values",
		Example: "runner secrets check --step deploy --environment staging",
		Args:    arguments(0),
		RunE:    o.withSignals(o.checkSecrets),
	}
	declare(check, stepFlag, environmentFlag, stackNameFlag)
	declare(check, checkoutFlags...)
	cmd.AddCommand(check)
	return cmd
}

// checkSecrets resolves the references of a step. A secret that cannot be resolved is a finding, everything else input.
func (o *options) checkSecrets(ctx context.Context, variables map[string]string, _ []string) error {
	settings, err := config.Read(variables)
	if err != nil {
		return outcome.Refused(err)
	}
	err = runner.CheckSecrets(ctx, terminal.Writer(o.stdout), variables, settings)
	var unresolved *outcome.SecretsError
	if errors.As(err, &unresolved) {
		return err
	}
	return outcome.Refused(err)
}
