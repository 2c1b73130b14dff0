package runner

import (
	"cmp"
	"context"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts/cache"
	"github.com/carlin-cicd/runner/artifacts/cache/serve"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/runner/scratch"
	"github.com/carlin-cicd/runner/runner/scrub"
	"github.com/carlin-cicd/runner/steps"
)

// Tools with a remote cache of their own find one on loopback while the step runs. Its address and a token for it are
// in their variables.

// toolCaches are those of a run.
type toolCaches struct {
	server *serve.Server // nil: no tool is served
	all    []*toolCache
}

type toolCache struct {
	steps.Cache
	tool    string
	objects *cache.Objects
	record  record.Cache
}

// toolVariables are the variables by which a tool finds its cache, by the tool. The first one tells whether the step
// has another cache.
var toolVariables = map[string]func(s *serve.Server, program string) [][2]string{
	"turbo": func(s *serve.Server, _ string) [][2]string {
		return [][2]string{{"TURBO_API", s.URL()}, {"TURBO_TOKEN", s.Token()}, {"TURBO_TEAM", "runner"}}
	},
	"nx": func(s *serve.Server, _ string) [][2]string {
		return [][2]string{
			{"NX_SELF_HOSTED_REMOTE_CACHE_SERVER", s.URL()}, {"NX_SELF_HOSTED_REMOTE_CACHE_ACCESS_TOKEN", s.Token()},
		}
	},
	"go": func(s *serve.Server, program string) [][2]string {
		return [][2]string{
			{"GOCACHEPROG", quoteArgument(program) + " gocacheprog"},
			{"RUNNER_CACHE_URL", s.URL()},
			{"RUNNER_CACHE_TOKEN", s.Token()},
		}
	},
}

// quoteArgument quotes a path as the go command splits its variables.
func quoteArgument(path string) string {
	if strings.ContainsAny(path, " \t'") {
		return `"` + path + `"`
	}
	return path
}

// tools returns the tools that a cache is for.
func tools(c steps.Cache) []string {
	var all []string
	for _, t := range []struct {
		used bool
		name string
	}{{c.Turbo, "turbo"}, {c.Nx, "nx"}, {c.Go, "go"}} {
		if t.used {
			all = append(all, t.name)
		}
	}
	return all
}

// serveCaches serves the tools of the step. Errors are logged.
func (r *run) serveCaches(store cache.Store, readOnly bool) {
	for _, declared := range r.step.Caches {
		for _, tool := range tools(declared) {
			if err := r.serveTool(declared, tool, store, readOnly); err != nil {
				r.Log.Warn("the cache is not served", "cache", tool, "error", err.Error(), "hint", outcome.Hint(err))
			}
		}
	}
}

func (r *run) serveTool(declared steps.Cache, tool string, store cache.Store, readOnly bool) error {
	served := &r.caches.tools
	if slices.ContainsFunc(served.all, func(t *toolCache) bool { return t.tool == tool }) {
		return nil
	}
	if served.server == nil {
		folder, err := scratch.Dir("runner-cache-*")
		if err != nil {
			return err
		}
		if served.server, err = serve.Start(r.Stop.Work, folder); err != nil {
			_ = os.RemoveAll(folder) // it is empty
			return err
		}
		served.server.SignatureKey = r.env.Variables["TURBO_REMOTE_CACHE_SIGNATURE_KEY"]
		served.server.Warn = func(tool, name string, err error) {
			r.Log.Warn("an object of the cache is not used", "cache", tool, "object", name, "error", err.Error(),
				"hint", outcome.Hint(err))
		}
		r.Redactor.Add(redact.Secret{Name: "RUNNER_CACHE_TOKEN", Value: served.server.Token()})
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	variables := toolVariables[tool](served.server, program)
	if name := variables[0][0]; r.env.Variables[name] != "" {
		r.Log.Warn("the cache is not served, since the step has another one", "cache", tool, "variable", name,
			"hint", "remove the variable, or "+tool+": true from cache:")
		return nil
	}
	t := &toolCache{Cache: declared, tool: tool}
	t.record = record.Cache{Name: tool, Hit: record.NoHit, Tool: &record.ToolCache{}}
	t.objects = &cache.Objects{
		Store: store, Tool: tool, Branch: r.Ref.Branch, Main: r.Config.MainBranch, Compress: tool == "go",
		Inspect: r.inspectObject,
	}
	if readOnly || r.Dirty && r.Config.IsProtected(r.Ref.Branch) {
		t.objects.Branch = ""
		t.record.Note = "read only"
	}
	served.server.Serve(t.objects)
	served.all = append(served.all, t)
	r.env.Variables = maps.Clone(r.env.Variables)
	for _, v := range variables {
		if v[0] != "TURBO_TEAM" || cmp.Or(r.env.Variables["TURBO_TEAM"], r.env.Variables["TURBO_TEAMID"]) == "" {
			r.env.Variables[v[0]] = v[1]
		}
	}
	return nil
}

// inspectObject looks for the secrets that are known by now.
func (r *run) inspectObject(ctx context.Context, name string, file *os.File) (string, error) {
	if r.Redactor.MasksExceeded() {
		return "values that are not masked", nil
	}
	return scrub.Folder{Redactor: r.Redactor.Known()}.Inspect(ctx, name, file)
}

// closeToolCaches waits until what the tools made is stored, keeps their budgets and counts.
func (r *run) closeToolCaches() {
	served := &r.caches.tools
	if served.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(r.Stop.Work, cacheTime)
	defer cancel()
	began := time.Now()
	if err := served.server.Close(ctx); err != nil {
		r.Log.Warn("some objects of the cache could not be stored", "error", err.Error())
	}
	for _, t := range served.all {
		c := served.server.Counts(t.tool)
		t.record.Tool = &record.ToolCache{Hits: c.Hits, Misses: c.Misses, Stored: c.Stored, Withheld: c.Withheld}
		t.record.Loaded, t.record.Added, t.record.Saving = c.Loaded, c.Added, record.Seconds(time.Since(began))
		r.Log.Info("cache served", "cache", t.tool, "hits", c.Hits, "misses", c.Misses, "stored", c.Stored)
		if c.Stored == 0 || ctx.Err() != nil {
			continue
		}
		pruned, err := t.objects.Prune(ctx, t.Limit())
		t.record.Pruned = pruned.Entries
		r.logPruned(t.tool, pruned, err)
	}
	served.server = nil // it is closed once
}
