package config

import (
	"fmt"

	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/shards"
	"github.com/carlin-cicd/runner/steps"
)

// What RUNNER_SHARD_MERGE can be.
const (
	MergeLast  = "last"  // the last shard to end merges
	MergeNever = "never" // what started the shards has them merged
)

func (c *Config) checkShards() error {
	_, ok := shards.ParseIndex(c.Shard)
	switch {
	case c.Shard != "" && !ok:
		return &outcome.ConfigError{
			Message: fmt.Sprintf("RUNNER_SHARD cannot be %q", c.Shard),
			Advice:  fmt.Sprintf("write which shard of how many, such as 2/4; the most is %d", steps.MaxParallel),
		}
	case c.MergeShards < 0 || c.MergeShards > steps.MaxParallel:
		return &outcome.ConfigError{
			Message: fmt.Sprintf("RUNNER_MERGE_SHARDS cannot be %d", c.MergeShards),
			Advice:  fmt.Sprintf("write a whole number from 1 to %d", steps.MaxParallel),
		}
	case c.Shard != "" && c.MergeShards > 0:
		return &outcome.ConfigError{
			Message: "a run cannot be a shard and merge shards", Advice: "set RUNNER_SHARD or RUNNER_MERGE_SHARDS",
		}
	case c.ShardRun != "" && !shards.IsGroup(c.ShardRun):
		return &outcome.ConfigError{
			Message: fmt.Sprintf("RUNNER_SHARD_RUN cannot be %q", c.ShardRun),
			Advice:  "use up to 100 letters, digits, dots, dashes and underscores",
		}
	case c.ShardMerge != MergeLast && c.ShardMerge != MergeNever:
		return &outcome.ConfigError{
			Message: fmt.Sprintf("RUNNER_SHARD_MERGE cannot be %q", c.ShardMerge), Advice: "write last or never",
		}
	case (c.Shard != "" || c.MergeShards > 0) && c.Environment != "":
		return &outcome.ConfigError{
			Message: "a step of an environment cannot be divided", Advice: "unset ENVIRONMENT, or run it in one piece",
		}
	}
	return nil
}
