package artifacts

import (
	"path"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// patterns are globs of slash-separated paths in which ** stands for any number of folders. A pattern that matches a
// folder stands for everything in it.
type patterns []string

func (p patterns) check() error {
	for _, pattern := range p {
		if pattern == "" || strings.HasPrefix(pattern, "/") || !doublestar.ValidatePattern(pattern) {
			const reason = `is not a glob of paths in the set, such as "assets/**/*.js"`
			return &KeyError{Part: "pattern", Value: pattern, Reason: reason}
		}
	}
	return nil
}

// match reports whether a pattern matches the path, or a folder that it is in.
func (p patterns) match(name string) bool {
	for ; name != "."; name = path.Dir(name) {
		if slices.ContainsFunc(
			p,
			func(pattern string) bool { return doublestar.MatchUnvalidated(clean(pattern), name) },
		) {
			return true
		}
	}
	return false
}

// matchBelow reports whether a pattern may match something in a folder.
func (p patterns) matchBelow(folder string) bool {
	return slices.ContainsFunc(p, func(pattern string) bool {
		segments := strings.Split(clean(pattern), "/")
		for name := range strings.SplitSeq(folder, "/") {
			switch {
			case len(segments) == 0:
				return true
			case segments[0] == "**":
				return true
			case !doublestar.MatchUnvalidated(segments[0], name):
				return false
			}
			segments = segments[1:]
		}
		return len(segments) > 0
	})
}

func clean(pattern string) string { return strings.TrimPrefix(strings.TrimSuffix(pattern, "/"), "./") }

// publicDotFiles are made to be published: a website's well-known files, GitHub Pages' marker, Vite's manifest.
var publicDotFiles = patterns{".well-known", ".nojekyll", ".vite"}

// isHidden reports whether a path has a segment that begins with a dot.
func isHidden(name string) bool { return name[0] == '.' || strings.Contains(name, "/.") }
