package steps

import (
	"math"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/carlin-cicd/runner/steps/pattern"
)

// Cache is what a step keeps between runs: folders under a name, or what tools keep by a protocol of their own.
type Cache struct {
	Name  string   // "" for that of tools
	Paths []string // relative to the workspace, slash-separated, or below "~/"
	Key   []string // globs, relative to the workspace: an entry is exact if the files have the same content
	Save  When     // OnSuccess or Always
	Max   int64    // bytes that are stored for the name on a branch; 0: DefaultCacheMax

	Turbo, Nx, Go bool // the tools whose caches the runner serves while the step runs
}

// IsOfTools reports whether the cache is what tools keep.
func (c Cache) IsOfTools() bool { return c.Turbo || c.Nx || c.Go }

// Limit returns how many bytes may be stored.
func (c Cache) Limit() int64 {
	if c.Max > 0 {
		return c.Max
	}
	return DefaultCacheMax
}

// DefaultCacheMax is how many bytes are stored for a cache on a branch.
const DefaultCacheMax = 5_000_000_000

var (
	cacheSize = pattern.New(`^[0-9]{1,6}(\.[0-9]{1,3})?(MB|GB|MiB|GiB)$`)
	homePath  = pattern.New(`^~/`)
	wildcard  = pattern.New(`[*?]`)
	// unexpanded is what a shell would make another path of, and the runner does not.
	unexpanded = pattern.New(`^\$|^~[^/]`)
)

// cacheKind is one cache or a list of them.
func cacheKind() kind[[]Cache] {
	item := cacheObject().kind()
	list := listOf(item, "cache")
	one := item.schema
	one.Description = "One cache."
	list.schema.Description = "Several caches."
	return kind[[]Cache]{
		schema: schema{OneOf: []schema{one, list.schema}},
		read: func(d *decoder, n ast.Node, what string, to *[]Cache) error {
			if _, isList := d.resolve(n).(*ast.SequenceNode); !isList {
				*to = make([]Cache, 1)
				return item.read(d, n, what, &(*to)[0])
			}
			if err := list.read(d, n, what, to); err != nil {
				return err
			}
			for i, c := range *to {
				same := func(b Cache) bool { return c.Name != "" && b.Name == c.Name }
				if slices.ContainsFunc((*to)[:i], same) {
					return d.errorf(d.item(n, i), "give each cache a name of its own", "two caches have the name %q", c.Name)
				}
			}
			return nil
		},
	}
}

func cacheObject() object[Cache] {
	return object[Cache]{
		what:  "a cache",
		start: Cache{Save: OnSuccess},
		anyOf: []schema{
			{Required: []string{"name", "path"}},
			served("turbo"), served("nx"), served("go"),
		},
		check: checkCache,
		keys: []key[Cache]{
			newKey("name", "What the entries are found by; steps with the same name and paths share them.", artifactKind(),
				func(c *Cache) *string { return &c.Name }),
			newKey("path", "Folders or files, relative to the workspace or below ~/.", oneOrMore(cachePath(), "path"),
				func(c *Cache) *[]string { return &c.Paths }).alias("paths"),
			newKey(
				"key",
				"Globs of files, relative to the workspace: an entry is exact if they have the same content. Without it, it is "+
					"exact for its commit. Otherwise the newest entry of the name is restored.",
				oneOrMore(globKind(), "glob"),
				func(c *Cache) *[]string { return &c.Key },
			).alias("keys", "hash"),
			newKey("save", "After which ends of the command an entry is saved.", oneOf(OnSuccess, Always),
				func(c *Cache) *When { return &c.Save }).otherwise(OnSuccess),
			newKey("max", "How much is stored for the name on a branch; the oldest entries go first.", sizeKind(),
				func(c *Cache) *int64 { return &c.Max }).otherwise("5GB"),
			newKey("turbo", "Whether Turborepo's remote cache is served to the step.", boolean(),
				func(c *Cache) *bool { return &c.Turbo }).otherwise(false),
			newKey("nx", "Whether the remote cache of Nx is served to the step.", boolean(),
				func(c *Cache) *bool { return &c.Nx }).otherwise(false),
			newKey("go", "Whether a cache is served to the go command (GOCACHEPROG).", boolean(),
				func(c *Cache) *bool { return &c.Go }).otherwise(false),
		},
	}
}

// served is a cache of a tool.
func served(tool string) schema {
	return schema{Required: []string{tool}, Properties: properties{{tool, schema{Const: true}}}}
}

func checkCache(d *decoder, n ast.Node, c *Cache) error {
	const example = `write { name: deps, path: ["~/.npm"], key: [package-lock.json] } or { turbo: true }`
	switch folders := c.Name != "" || len(c.Paths) > 0; {
	case c.IsOfTools() && (folders || len(c.Key) > 0):
		return d.errorf(n, "make them two caches in a list", "a cache is of folders or of tools, not of both")
	case c.IsOfTools():
		return nil
	case c.Name == "":
		return d.errorf(n, example, "a cache has no name")
	case len(c.Paths) == 0:
		return d.errorf(n, example, "a cache has no path")
	}
	return nil
}

// oneOrMore is a value or a list of at least one.
func oneOrMore(item kind[string], itemName string) kind[[]string] {
	list := listOf(item, itemName)
	list.schema.MinItems = 1
	return kind[[]string]{
		schema: schema{OneOf: []schema{item.schema, list.schema}},
		read: func(d *decoder, n ast.Node, what string, to *[]string) error {
			if _, isList := d.resolve(n).(*ast.SequenceNode); !isList {
				*to = make([]string, 1)
				return item.read(d, n, what, &(*to)[0])
			}
			err := list.read(d, n, what, to)
			if err == nil && len(*to) == 0 {
				err = d.errorf(n, "write one or more, or remove the key", "%s is empty", what)
			}
			return err
		},
	}
}

// cachePath is a path in the workspace or below the home folder, cleaned.
func cachePath() kind[string] {
	const advice = `write a path inside the workspace or below the home folder, such as .next/cache or "~/.npm"`
	refused := strings.Join([]string{outside.String(), wildcard.String(), unexpanded.String()}, "|")
	s := schema{Type: "string", Pattern: `[^./~]`, Not: &schema{Pattern: refused}}
	return kind[string]{schema: s, read: func(d *decoder, n ast.Node, what string, to *string) error {
		var value string
		if err := d.text(n, what, &value); err != nil {
			return err
		}
		if wildcard.MatchString(value) {
			return d.invalid(n, what, value, "name each folder: a path of a cache is no pattern")
		}
		rest := strings.TrimPrefix(value, "~/")
		clean := path.Clean(rest)
		if rest == "" || outside.MatchString(value) || unexpanded.MatchString(value) ||
			strings.HasPrefix(rest, "/") || clean == "." || clean == "~" || !filepath.IsLocal(filepath.FromSlash(clean)) {
			return d.invalid(n, what, value, advice)
		}
		if *to = clean; homePath.MatchString(value) {
			*to = "~/" + clean
		}
		return nil
	}}
}

// ParseSize returns the bytes of a size such as 500MB or 5GiB.
func ParseSize(text string) (bytes int64, ok bool) {
	if !cacheSize.MatchString(text) || zero.MatchString(text) {
		return 0, false
	}
	for _, u := range []struct {
		name  string
		bytes float64
	}{{"MB", 1e6}, {"GB", 1e9}, {"MiB", 1 << 20}, {"GiB", 1 << 30}} {
		if digits, ok := strings.CutSuffix(text, u.name); ok {
			if size, err := strconv.ParseFloat(digits, 64); err == nil {
				return int64(math.Ceil(size * u.bytes)), true
			}
		}
	}
	return 0, false
}

// sizeKind is a size in bytes.
func sizeKind() kind[int64] {
	s := schema{
		Type: "string", Pattern: cacheSize.String(), Not: &schema{Pattern: zero.String()}, Examples: []any{"500MB", "5GB"},
	}
	return kind[int64]{schema: s, read: func(d *decoder, n ast.Node, what string, to *int64) error {
		value, err := d.scalar(n, what)
		if err != nil {
			return err
		}
		var ok bool
		if *to, ok = ParseSize(value); !ok {
			return d.invalid(n, what, value, "write a size such as 500MB or 5GB")
		}
		return nil
	}}
}
