package shards

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/steps"
)

// Place is where the shards of one run of a step keep what they have for each other.
type Place struct {
	Ref   artifacts.Ref
	Step  string
	Group string // tells this run of all shards from another one of the same commit
	Of    int    // shards
}

// Index is which shard of how many a run is.
type Index struct{ Shard, Of int }

func (i Index) String() string { return fmt.Sprintf("%d/%d", i.Shard, i.Of) }

// ParseIndex reads what String writes.
func ParseIndex(text string) (i Index, ok bool) {
	shard, of, found := strings.Cut(text, "/")
	var first, second error
	i.Shard, first = strconv.Atoi(shard)
	i.Of, second = strconv.Atoi(of)
	return i, found && first == nil && second == nil && i.String() == text && i.Shard >= 1 && i.Shard <= i.Of && i.Of <= steps.MaxParallel
}

var groupForm = compiled(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// IsGroup reports whether a text can name a group.
func IsGroup(text string) bool { return groupForm().MatchString(text) }

// DefaultGroup is the group of shards that are started by hand.
func DefaultGroup(of int) string { return "of-" + strconv.Itoa(of) }

func (p Place) folder() string { return keys.Shards(p.Ref, p.Step, p.Group) }

// Shard returns the folder of a shard.
func (p Place) Shard(n int) string { return keys.Shard(p.Ref, p.Step, p.Group, n) }

// Run returns the folder of the records of a run of a shard.
func (p Place) Run(n int, runID string) string {
	return keys.ShardRun(p.Ref, p.Step, p.Group, n, runID)
}

func (p Place) times() string             { return p.folder() + "/times.json" }
func (p Place) claim(parts string) string { return p.folder() + "/merge-" + parts + ".json" }
func (p Place) merged() string            { return p.folder() + "/merged.json" }
func (p Place) newest(n int) string       { return p.Shard(n) + "/latest.json" }
func partKey(folder string) string        { return folder + "/part.json" }
func sampleKey(folder string) string      { return folder + "/tests.json.gz" }
func setsKey(folder string) string        { return folder + "/sets" }
