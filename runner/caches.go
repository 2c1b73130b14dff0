package runner

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/cache"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/scrub"
	"github.com/carlin-cicd/runner/steps"
)

// Caches are restored before dependencies are installed, and saved when everything else of a run that may save them is
// done. What goes wrong with them is logged and recorded; it never fails a run.

// cacheTime is the most that restoring or saving one cache may take. A run without it would only take longer.
const cacheTime = 10 * time.Minute

// caches are the caches of a run.
type caches struct {
	all   []*cacheRun
	tools toolCaches
	begun time.Time // when they had been restored
	saved float64   // seconds, see record.Run
}

// cacheRun is one cache in a run.
type cacheRun struct {
	steps.Cache
	cache    *cache.Cache
	key      cache.Key
	paths    []cache.Path
	restored *cache.Restored
	record   record.Cache
	skip     bool // it is neither restored nor saved
}

func (c *caches) record() []record.Cache {
	var all []record.Cache
	for _, one := range c.all {
		all = append(all, one.record)
	}
	for _, t := range c.tools.all {
		all = append(all, t.record)
	}
	return all
}

// restoreCaches restores the caches of the step. The error is that of a stopped run.
func (r *run) restoreCaches() error {
	if len(r.step.Caches) == 0 {
		return nil
	}
	store, readOnly, err := r.cacheStore()
	if err != nil {
		r.Log.Warn("the caches are not used", "error", err.Error(), "hint", outcome.Hint(err))
		return nil
	}
	for _, declared := range r.step.Caches {
		if declared.IsOfTools() {
			continue
		}
		c := &cacheRun{Cache: declared, record: record.Cache{Name: declared.Name, Hit: record.NoHit, Save: record.SaveNone}}
		r.caches.all = append(r.caches.all, c)
		c.cache = &cache.Cache{
			Store: store, Name: c.Name, Branch: r.Ref.Branch, Main: r.Config.MainBranch, Platform: cache.Platform(),
		}
		if readOnly {
			c.cache.Branch = ""
		}
		if err := r.phase("cache "+c.Name, func() error { return r.restoreCache(c) }); err != nil {
			return err
		}
	}
	r.serveCaches(store, readOnly)
	r.caches.begun = time.Now()
	return nil
}

// cacheStore returns the store of the caches, and whether they are only read there.
func (r *run) cacheStore() (s cache.Store, readOnly bool, err error) {
	opened := r.Store
	if r.Config.CacheFrom != "" {
		readOnly = true
		if opened, err = r.OpenCacheStore(r.Stop.Work); err != nil {
			return nil, false, err
		}
	}
	s, ok := opened.(cache.Store)
	if !ok {
		return nil, false, errors.New("the store cannot be listed")
	}
	return s, readOnly, nil
}

// restoreCache restores one cache. The error is that of a stopped run.
func (r *run) restoreCache(c *cacheRun) error {
	began := time.Now()
	defer func() { c.record.Restore = record.Seconds(time.Since(began)) }()
	why := r.locateCache(c)
	if why == "" {
		why = r.hashKey(c)
	}
	if why != "" {
		c.skip, c.record.Note = true, why
		r.Log.Info("the cache is not used", "cache", c.Name, "reason", why)
		return nil
	}
	if name := r.present(c); name != "" {
		c.record.Note = name + " is there already"
		r.Log.Info("the cache is not restored, since its folder is there already", "cache", c.Name, "path", name)
		return nil
	}
	ctx, cancel := context.WithTimeout(r.Stop.Work, cacheTime)
	defer cancel()
	defer r.makeRoom()()
	restored, err := c.cache.Restore(ctx, c.key, c.paths, c.Paths)
	c.restored = restored
	for _, p := range restored.Problems {
		r.Log.Warn("a cache entry is not used", "cache", c.Name, "error", p.Error(), "hint", outcome.Hint(p))
		c.record.Note = p.Error()
	}
	if r.Stop.Work.Err() != nil {
		return context.Cause(r.Stop.Work)
	}
	if err != nil {
		c.record.Note = err.Error()
		r.Log.Warn("the cache is not restored", "cache", c.Name, "error", err.Error())
	}
	c.record.Hit = record.Miss
	if !restored.Hit {
		r.Log.Info("cache miss", "cache", c.Name)
		return nil
	}
	e := restored.Entry
	c.record.Hit = record.OlderHit
	if restored.Exact {
		c.record.Hit = record.ExactHit
	}
	c.record.Branch, c.record.From, c.record.Note = restored.Branch, e.RunID, ""
	c.record.Files, c.record.Bytes, c.record.Loaded = e.Files, e.Bytes, restored.Loaded
	r.Log.Info("cache restored", "cache", c.Name, "hit", string(c.record.Hit), "branch", restored.Branch, "run", e.RunID,
		"files", e.Files, "bytes", e.Bytes, "loaded", restored.Loaded)
	return nil
}

// makeRoom lets the runner use more memory until what it returns is called.
func (r *run) makeRoom() (back func()) {
	if r.in.Roomy == nil {
		return func() {}
	}
	return r.in.Roomy()
}

// locateCache finds the paths of a cache on this machine, or says why it is not used. The home folder of a person is
// left alone: what tools keep there lasts without us.
func (r *run) locateCache(c *cacheRun) (why string) {
	home := cmp.Or(r.env.Variables["HOME"], r.Variables["HOME"])
	for _, p := range c.Paths {
		if strings.HasPrefix(p, "~/") {
			switch {
			case !r.IsUnattended():
				return p + " is in your home folder, and stays as it is; set CI=true to have it restored and saved"
			case !filepath.IsAbs(home):
				return "HOME is not set, so " + p + " is nowhere"
			}
		}
		c.paths = append(c.paths, cache.ParsePath(p, r.Config.Workspace, filepath.Clean(home)))
	}
	return ""
}

// present returns a path of the cache that has something already, on a person's machine: that is newer than the cache.
func (r *run) present(c *cacheRun) string {
	if r.IsUnattended() {
		return ""
	}
	for i, p := range c.paths {
		if cache.HasContent(p) {
			return c.Paths[i]
		}
	}
	return ""
}

// hashKey sets the key of a cache, or says why there is none.
func (r *run) hashKey(c *cacheRun) (why string) {
	digest := "commit " + r.Ref.SHA
	if len(c.Key) > 0 {
		of, files, err := cache.HashFiles(r.Config.Workspace, c.Key)
		switch {
		case err != nil:
			return "the files of its key cannot be read: " + err.Error()
		case files == 0:
			r.Log.Warn("no file matches the key of the cache, so an entry is exact for its commit only", "cache", c.Name,
				"key", strings.Join(c.Key, " "))
		default:
			digest = "files " + of
		}
	}
	c.key = cache.NewKey(append(slices.Clone(c.Paths), digest)...)
	return ""
}

// saveCaches saves the caches of a run that ended with an error or none.
func (r *run) saveCaches(runErr error) {
	r.closeToolCaches()
	if r.caches.begun.IsZero() || r.result == nil {
		return
	}
	took := r.commandSeconds()
	r.caches.saved = r.timeSaved(took)
	for _, c := range r.caches.all {
		if why := r.unsaved(c, runErr); why != "" {
			c.record.SaveNote = why
			r.Log.Debug("the cache is not saved", "cache", c.Name, "reason", why)
			continue
		}
		if c.restored != nil && c.restored.Exact {
			c.record.Save = record.SaveUnchanged
			continue
		}
		_ = r.timed("save cache "+c.Name, func() error { return r.saveCache(c, took) }) // it has been logged
	}
}

// unsaved says why a cache is not saved; "" if it is.
func (r *run) unsaved(c *cacheRun, runErr error) string {
	switch {
	case c.skip:
		return c.record.Note
	case c.cache.Branch == "":
		return cache.ErrReadOnly.Error()
	case r.Stop.Work.Err() != nil:
		return "the run was stopped"
	case !c.Save.Includes(runErr == nil):
		return "the step failed"
	case r.isPartial():
		return "only a part of the tests ran"
	case r.Redactor.MasksExceeded():
		return "it may hold values that are not masked"
	case r.Dirty && r.Config.IsProtected(r.Ref.Branch):
		return "the workspace has changes that are not in the commit"
	}
	return ""
}

// saveCache saves one cache.
func (r *run) saveCache(c *cacheRun, took float64) error {
	began := time.Now()
	defer func() { c.record.Saving = record.Seconds(time.Since(began)) }()
	ctx, cancel := context.WithTimeout(r.Stop.Work, cacheTime)
	defer cancel()
	defer r.makeRoom()()
	if c.restored != nil && c.restored.Hit { // the step was faster than without an entry
		took = c.restored.Entry.Seconds
	}
	inspector := scrub.Folder{Redactor: r.Redactor.Known()}
	saved, err := c.cache.Save(ctx, c.restored, cache.SaveOptions{
		Key: c.key, Paths: c.paths, Declared: c.Paths, RunID: r.ID, Step: r.step.Name, SHA: r.Ref.SHA, Seconds: took,
		Inspect: inspector.Inspect,
	})
	var secret *cache.SecretError
	switch {
	case errors.Is(err, fs.ErrNotExist) && !isStoreError(err):
		c.record.SaveNote = "there is nothing at " + strings.Join(c.Paths, ", ")
		r.Log.Info("the cache is not saved: "+c.record.SaveNote, "cache", c.Name)
		return nil
	case errors.As(err, &secret):
		c.record.Save, c.record.SaveNote = record.SaveWithheld, secret.Error()
		r.Log.Warn("the cache is withheld", "cache", c.Name, "error", secret.Error(), "hint", secret.Hint())
		return err
	case err != nil:
		c.record.Save, c.record.SaveNote = record.SaveFailed, err.Error()
		r.Log.Warn("the cache could not be saved", "cache", c.Name, "error", err.Error(), "hint", outcome.Hint(err))
		return err
	case saved.Existed:
		c.record.Save = record.SaveUnchanged
		return nil
	}
	c.record.Save, c.record.Kept, c.record.Added = record.SaveDone, saved.Entry.Bytes, saved.Entry.Added
	r.Log.Info("cache saved", "cache", c.Name, "files", saved.Entry.Files, "bytes", saved.Entry.Bytes,
		"stored", saved.Entry.Stored, "added", saved.Entry.Added)
	if saved.Skipped > 0 {
		r.Log.Info("sockets, pipes and devices are not in the cache", "cache", c.Name, "count", saved.Skipped)
	}
	r.pruneCache(ctx, c)
	return nil
}

func isStoreError(err error) bool {
	var store *artifacts.StoreError
	return errors.As(err, &store)
}

// pruneCache keeps a cache within its budget.
func (r *run) pruneCache(ctx context.Context, c *cacheRun) {
	pruned, err := c.cache.Prune(ctx, c.Limit(), nil)
	c.record.Pruned = pruned.Entries
	r.logPruned(c.Name, pruned, err)
}

func (r *run) logPruned(name string, pruned cache.Pruned, err error) {
	if err != nil {
		r.Log.Warn("the cache may exceed its budget, since old entries could not be removed", "cache", name,
			"error", err.Error(), "hint", "allow s3:DeleteObject below cache/ of the branch, or let a lifecycle rule expire it")
		return
	}
	if pruned.Entries > 0 {
		r.Log.Info("old entries of the cache were removed", "cache", name, "entries", pruned.Entries, "bytes",
			pruned.Bytes, "kept", pruned.Kept)
	}
}

// commandSeconds is how long the run has taken since the caches were restored, up to the end of the command.
func (r *run) commandSeconds() float64 {
	end := r.result.Started.Add(r.result.Wall)
	return record.Seconds(max(0, end.Sub(r.caches.begun)))
}

// timeSaved compares the run with the one that saved an entry without having one. It is 0 if that is not known.
func (r *run) timeSaved(took float64) float64 {
	before, restoring := 0.0, 0.0
	for _, c := range r.caches.all {
		restoring += c.record.Restore
		if c.restored != nil && c.restored.Hit {
			before = max(before, c.restored.Entry.Seconds)
		}
	}
	if before == 0 {
		return 0
	}
	return record.Round(max(0, before-took-restoring))
}
