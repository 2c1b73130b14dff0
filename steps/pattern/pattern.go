// Package pattern has regular expressions that are compiled when they are first used. The runner starts in a few
// milliseconds, and no run needs all of them.
package pattern

import (
	"regexp"
	"sync"
)

// Pattern is a regular expression. Its methods are those of regexp.Regexp, and may be called by many goroutines.
type Pattern struct {
	expression string
	compile    func() *regexp.Regexp
}

// New returns a pattern. The first use panics if the expression is not valid.
func New(expression string) *Pattern {
	return &Pattern{expression, sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })}
}

// String returns the expression.
func (p *Pattern) String() string { return p.expression }

func (p *Pattern) FindAllString(text string, n int) []string {
	return p.compile().FindAllString(text, n)
}

func (p *Pattern) FindAllStringIndex(text string, n int) [][]int {
	return p.compile().FindAllStringIndex(text, n)
}

func (p *Pattern) FindAllStringSubmatch(text string, n int) [][]string {
	return p.compile().FindAllStringSubmatch(text, n)
}

func (p *Pattern) FindStringIndex(text string) []int { return p.compile().FindStringIndex(text) }

func (p *Pattern) FindStringSubmatch(text string) []string {
	return p.compile().FindStringSubmatch(text)
}

func (p *Pattern) FindSubmatch(text []byte) [][]byte { return p.compile().FindSubmatch(text) }

func (p *Pattern) Match(text []byte) bool { return p.compile().Match(text) }

func (p *Pattern) MatchString(text string) bool { return p.compile().MatchString(text) }

func (p *Pattern) ReplaceAllString(text, replacement string) string {
	return p.compile().ReplaceAllString(text, replacement)
}

func (p *Pattern) ReplaceAllStringFunc(text string, replace func(string) string) string {
	return p.compile().ReplaceAllStringFunc(text, replace)
}

func (p *Pattern) Split(text string, n int) []string { return p.compile().Split(text, n) }
