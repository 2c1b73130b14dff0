package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/carlin-cicd/runner/artifacts/cache"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner"
	"github.com/carlin-cicd/runner/runner/units"
	"github.com/carlin-cicd/runner/steps"
)

func newCacheCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "cache",
		GroupID: groupLook,
		Short:   "list, fetch and remove entries of caches",
		Long: "runner cache looks at what steps with cache: in runner.yaml have saved, fetches it and removes it.\n\n" +
			"An entry has a NAME, a branch and a KEY. The first digits of a key are enough.",
		Args: cobra.ArbitraryArgs,
		RunE: requireSubcommand,
		Annotations: map[string]string{
			helpFooter: "Exit codes: 1 the entry does not exist or is damaged, or the store failed; 125 bad input.\n",
		},
	}
	cmd.AddCommand(newCacheListCommand(o), newCacheGetCommand(o), newCacheRemoveCommand(o), newCachePruneCommand(o))
	return cmd
}

var (
	cacheBranchFlag = branchFlag.describe("the branch that saved it (default the workspace's)")
	maxFlag         = flagSpec{"max", "RUNNER_CACHE_MAX", "SIZE", "how much each cache keeps (default 5GB)"}
)

func newCacheListCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ls [NAME]",
		Aliases: []string{"list"},
		Short:   "list the entries, the newest first",
		Example: "runner cache ls\nrunner cache ls pnpm --branch main --json",
		Args:    arguments(0, "NAME"),
		RunE:    o.withCaches(cacheStore.list),
	}
	declare(cmd, branchFlag.describe("the branch (default all)"), storeFlag, jsonFlag)
	declare(cmd, limitFlag.describe("how many entries, 0 for all (default 20)"))
	declare(cmd, checkoutFlags...)
	return cmd
}

func newCacheGetCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "get NAME [KEY]",
		Short: "fetch an entry, by default the newest",
		Long: "runner cache get fetches an entry into a folder, each of its paths below it. Nothing appears before\n" +
			"everything has arrived and been verified; what was at a path before is replaced.",
		Example: "runner cache get pnpm --to /tmp/pnpm\nrunner cache get next 3f9c2a --branch main",
		Args:    arguments(1, "NAME", "KEY"),
		RunE:    o.withCaches(cacheStore.get),
	}
	declare(cmd, cacheBranchFlag, storeFlag)
	declare(cmd, flagSpec{toFlag.name, toFlag.variable, "FOLDER", "where to (default ./NAME)"})
	declare(cmd, checkoutFlags...)
	return cmd
}

func newCacheRemoveCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "rm NAME [KEY]",
		Short:   "remove an entry, or all of a name",
		Long:    "runner cache rm removes entries of one branch, and what no other entry of the branch needs.",
		Example: "runner cache rm pnpm\nrunner cache rm turbo --branch feature/x",
		Args:    arguments(1, "NAME", "KEY"),
		RunE:    o.withCaches(cacheStore.remove),
	}
	declare(cmd, cacheBranchFlag, storeFlag)
	declare(cmd, checkoutFlags...)
	return cmd
}

func newCachePruneCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "prune [NAME]",
		Short: "remove the oldest entries of a branch",
		Long: "runner cache prune removes the oldest entries until each cache of the branch is within its budget, and\n" +
			"blocks that saves which did not finish have left.",
		Example: "runner cache prune --branch main --max 2GB",
		Args:    arguments(0, "NAME"),
		RunE:    o.withCaches(cacheStore.prune),
	}
	declare(cmd, cacheBranchFlag, storeFlag, maxFlag)
	declare(cmd, checkoutFlags...)
	return cmd
}

// cacheStore is the store that a command below runner cache works on.
type cacheStore struct {
	artifactStore
	caches cache.Store
}

// withCaches is the body of a command that works on caches.
func (o *options) withCaches(f func(cacheStore, context.Context, []string) error) func(*cobra.Command, []string) error {
	return o.withStore(func(s artifactStore, ctx context.Context, args []string) error {
		caches, ok := s.store.(cache.Store)
		if !ok {
			return fmt.Errorf("what is in %s cannot be listed", s.place)
		}
		return f(cacheStore{s, caches}, ctx, args)
	})
}

// entryRow is an entry as JSON.
type entryRow struct {
	cache.Entry
	Blocks   int    `json:"blocks"`
	Location string `json:"location"`
}

// toolRow is what a tool keeps, as JSON.
type toolRow struct {
	Name    string    `json:"name"`
	Branch  string    `json:"branch"`
	Objects int       `json:"objects"`
	Stored  int64     `json:"stored"`
	Newest  time.Time `json:"newest"`
}

// list is runner cache ls.
func (s cacheStore) list(ctx context.Context, args []string) error {
	t, err := s.table()
	if err != nil {
		return err
	}
	limit, err := s.limitOr(20)
	if err != nil {
		return err
	}
	prefix := keys.Caches
	if s.config.Branch != "" {
		prefix = keys.CacheBranch(s.config.Branch)
	}
	entries, tools, err := cache.List(ctx, s.caches, prefix)
	if err != nil {
		return err
	}
	selected := func(branch, name string) bool {
		return (s.config.Branch == "" || branch == s.config.Branch) && (len(args) == 0 || name == args[0])
	}
	entries = slices.DeleteFunc(entries, func(l cache.Listed) bool { return !selected(l.Branch, l.Name) })
	tools = slices.DeleteFunc(tools, func(t cache.Tool) bool { return !selected(t.Branch, t.Name) })
	all := len(entries)
	if limit > 0 {
		entries = entries[:min(limit, all)]
	}
	if !t.json && all+len(tools) > 0 {
		t.row(nil, "NAME", "BRANCH", "KEY", "FILES", "SIZE", "STORED", "ADDED", "SAVED")
	}
	if err := s.listEntries(ctx, t, entries); err != nil {
		return err
	}
	for _, tool := range tools {
		row := toolRow{tool.Name, tool.Branch, tool.Objects, tool.Stored, tool.Newest}
		err := t.row(row, tool.Name, tool.Branch, "", units.Count(tool.Objects, "object"), "", units.Size(tool.Stored), "",
			tool.Newest.UTC().Format(time.RFC3339))
		if err != nil {
			return err
		}
	}
	if err := s.show(t); err != nil {
		return err
	}
	of := ""
	if s.config.Branch != "" {
		of = " of branch " + s.config.Branch
	}
	switch {
	case all+len(tools) == 0:
		s.note("there are no entries%s in %s", of, s.place)
	case len(entries) < all:
		s.note("and %d more%s in %s; --limit 0 lists them all", all-len(entries), of, s.place)
	case of != "":
		s.note("these are all%s in %s", of, s.place)
	}
	return nil
}

func (s cacheStore) listEntries(ctx context.Context, t *table, entries []cache.Listed) error {
	for _, l := range entries {
		e, err := cache.Read(ctx, s.caches, l)
		if err != nil {
			s.note("runner: %v", err)
			continue
		}
		err = t.row(entryRow{e, len(e.Blocks), s.locate(l.Key)}, e.Name, e.Branch, e.Key[:min(12, len(e.Key))],
			strconv.Itoa(e.Files), units.Size(e.Bytes), units.Size(e.Stored), units.Size(e.Added),
			e.Created.UTC().Format(time.RFC3339))
		if err != nil {
			return err
		}
	}
	return nil
}

// branch returns the branch that is meant.
func (s cacheStore) branch(ctx context.Context) (string, error) {
	ref, _, err := runner.Identify(ctx, s.variables, s.config)
	return ref.Branch, err
}

// find returns the newest entry of a name on the branch, or the one whose key begins as KEY does.
func (s cacheStore) find(ctx context.Context, args []string) (cache.Listed, error) {
	branch, err := s.branch(ctx)
	if err != nil {
		return cache.Listed{}, err
	}
	entries, _, err := cache.List(ctx, s.caches, keys.CacheEntries(branch, args[0], ""))
	if err != nil {
		return cache.Listed{}, err
	}
	if len(args) == 2 {
		entries = slices.DeleteFunc(entries, func(l cache.Listed) bool { return !strings.HasPrefix(l.Digest, args[1]) })
	} else {
		entries = slices.DeleteFunc(entries, func(l cache.Listed) bool { return l.Platform != cache.Platform() })
	}
	switch {
	case len(entries) == 0:
		return cache.Listed{}, &absentError{fmt.Sprintf("no entry %s on %s in %s", args[0], branch, s.place)}
	case len(args) == 2 && len(entries) > 1:
		return cache.Listed{}, &usageError{
			fmt.Sprintf("%d entries of %s begin with %s", len(entries), args[0], args[1]), "give more digits of the key",
		}
	}
	return entries[0], nil
}

// get is runner cache get.
func (s cacheStore) get(ctx context.Context, args []string) error {
	l, err := s.find(ctx, args)
	if err != nil {
		return err
	}
	e, err := cache.Read(ctx, s.caches, l)
	if err != nil {
		return err
	}
	dir := s.variables[toFlag.variable]
	if dir == "" {
		dir = args[0]
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	var paths []cache.Path
	for _, declared := range e.Paths {
		rel := strings.TrimPrefix(declared, "~/")
		if !filepath.IsLocal(rel) || rel == "." {
			return &cache.DamagedError{Key: l.Key, Reason: fmt.Sprintf("it has the path %q", declared)}
		}
		paths = append(paths, cache.Path{Base: dir, Rel: filepath.ToSlash(filepath.Clean(rel))})
	}
	c := &cache.Cache{Store: s.caches, Name: l.Name, Branch: l.Branch, Main: s.config.MainBranch, Platform: l.Platform}
	if err := c.Fetch(ctx, l, paths, e.Paths); err != nil {
		return err
	}
	s.note("%s of %s, saved by run %s at %s", l.Name, l.Branch, e.RunID, e.Created.UTC().Format(time.RFC3339))
	return s.print("%s  %s, %s\n", units.Path(dir), units.Count(e.Files, "file"), units.Size(e.Bytes))
}

// remove is runner cache rm.
func (s cacheStore) remove(ctx context.Context, args []string) error {
	branch, err := s.branch(ctx)
	if err != nil {
		return err
	}
	drop := func(cache.Listed) bool { return true }
	if len(args) == 2 {
		l, err := s.find(ctx, args)
		if err != nil {
			return err
		}
		drop = func(other cache.Listed) bool { return other.Key == l.Key }
	}
	c := &cache.Cache{Store: s.caches, Name: args[0], Branch: branch}
	pruned, err := c.Prune(ctx, 0, drop)
	if err == nil && len(args) == 1 {
		tool := &cache.Objects{Store: s.caches, Tool: args[0], Branch: branch}
		var objects cache.Pruned
		objects, err = tool.Clear(ctx)
		pruned.Entries, pruned.Bytes = pruned.Entries+objects.Entries, pruned.Bytes+objects.Bytes
	}
	if err != nil {
		return err
	}
	if pruned.Entries == 0 {
		return &absentError{fmt.Sprintf("there is no entry of %s on %s in %s", args[0], branch, s.place)}
	}
	return s.printPruned(args[0], branch, pruned)
}

func (s cacheStore) printPruned(name, branch string, p cache.Pruned) error {
	return s.print("%s of %s: %d removed, %s; %s left\n", name, branch, p.Entries, units.Size(p.Bytes), units.Size(p.Kept))
}

// prune is runner cache prune.
func (s cacheStore) prune(ctx context.Context, args []string) error {
	limit := int64(steps.DefaultCacheMax)
	if v := s.variables[maxFlag.variable]; v != "" {
		var ok bool
		if limit, ok = steps.ParseSize(v); !ok {
			return &usageError{fmt.Sprintf("RUNNER_CACHE_MAX cannot be %q", v), "write a size such as 500MB or 5GB"}
		}
	}
	branch, err := s.branch(ctx)
	if err != nil {
		return err
	}
	entries, tools, err := cache.List(ctx, s.caches, keys.CacheBranch(branch))
	if err != nil {
		return err
	}
	var names []string
	add := func(of, name string) {
		if of == branch && !slices.Contains(names, name) && (len(args) == 0 || name == args[0]) {
			names = append(names, name)
		}
	}
	for _, l := range entries {
		add(l.Branch, l.Name)
	}
	for _, t := range tools {
		add(t.Branch, t.Name)
	}
	slices.Sort(names)
	for _, name := range names {
		c := &cache.Cache{Store: s.caches, Name: name, Branch: branch}
		pruned, err := c.Prune(ctx, limit, nil)
		tool := &cache.Objects{Store: s.caches, Tool: name, Branch: branch}
		objects, toolErr := tool.Prune(ctx, limit)
		if err := errors.Join(err, toolErr); err != nil {
			return err
		}
		pruned.Entries, pruned.Bytes = pruned.Entries+objects.Entries, pruned.Bytes+objects.Bytes
		pruned.Kept += objects.Kept
		if err := s.printPruned(name, branch, pruned); err != nil {
			return err
		}
	}
	if len(names) == 0 {
		s.note("there are no caches of %s in %s", branch, s.place)
	}
	return nil
}
