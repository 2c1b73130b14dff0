package cause

import (
	"cmp"
	"strings"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/steps/pattern"
)

// suite is a tool that prints a paragraph for each failure. Its head is tried on lines that contain has.
type suite struct {
	tool, has string
	head      *pattern.Pattern
	read      func(p *paragraphOf, head []string)
}

// paragraphOf is the paragraph of a failure that is read.
type paragraphOf struct {
	telling
	name  string
	says  []string // in the order of the output
	all   []string // the lines of the output
	index int      // of the head
	end   int      // of the last line that belongs to it
}

// maxBelow is how many lines below its head a failure is looked for.
const maxBelow = 40

// suites finds the failures that a tool lists: those of the last one that lists any.
func suites(lines []string) (found telling) {
	for i := 0; i < len(lines); i++ {
		for _, s := range suiteForms {
			if !strings.Contains(lines[i], s.has) {
				continue
			}
			f := s.head.FindStringSubmatch(lines[i])
			if f == nil {
				continue
			}
			p := paragraphOf{all: lines, index: i, end: i, telling: telling{weight: strong}}
			s.read(&p, f)
			t := p.tell(s.tool)
			if t.weight == nothing {
				continue
			}
			if found.add(t); p.end > i {
				i = p.end
			}
			break
		}
	}
	return found
}

// tell makes one line of what a paragraph says, and keeps its lines.
func (p *paragraphOf) tell(tool string) telling {
	says := trimmed(p.says)
	if p.weight == nothing || len(says) == 0 {
		return telling{}
	}
	t := p.telling
	t.kind, t.tool, t.to = record.CauseOutput, cmp.Or(t.tool, tool), p.end
	if t.at == 0 {
		t.at = p.index
	}
	const inSummary = 4
	t.summary = strings.Join(says[:min(len(says), inSummary)], " ")
	if p.name != "" {
		t.summary = p.name + ": " + t.summary
	}
	t.lines = p.all[t.at:min(len(p.all), p.end+1, t.at+maxParagraph)]
	return t
}

// add adds a further failure of the same tool.
func (t *telling) add(other telling) {
	if t.weight == nothing || t.tool != other.tool || other.weight > t.weight {
		*t = other
		return
	}
	if other.weight < t.weight {
		return
	}
	t.more++
	t.to = other.to
	if len(t.lines) < maxLines {
		t.lines = append(t.lines[:len(t.lines):len(t.lines)], other.summary)
	}
}

// below calls read with each line below the head, trimmed, until it returns false.
func (p *paragraphOf) below(read func(i int, text string) bool) {
	for i := p.index + 1; i < min(len(p.all), p.index+maxBelow); i++ {
		if !read(i, strings.TrimSpace(p.all[i])) {
			return
		}
		p.end = i
	}
}

// next is the line below the head, trimmed.
func (p *paragraphOf) next() string {
	if p.index+1 < len(p.all) {
		return strings.TrimSpace(p.all[p.index+1])
	}
	return ""
}

func (p *paragraphOf) say(text string) { p.says = append(p.says, text) }

// is takes the place of a match of a path and a line.
func (p *paragraphOf) is(place []string) {
	if place != nil && p.path == "" && isOwn(place[1]) {
		p.path, p.line = place[1], number(place[2])
	}
}

// skip drops a paragraph that is none of the tool.
func (p *paragraphOf) skip() { p.weight = nothing }

// rspec prints the line of code that failed, what it says, and frames that begin with "#".
func rspec(p *paragraphOf, head []string) {
	code, found := strings.CutPrefix(p.next(), "Failure/Error:")
	if !found {
		p.skip()
		return
	}
	p.name = head[1]
	inCode := true
	p.below(func(i int, text string) bool {
		switch {
		case i == p.index+1, strings.HasPrefix(text, "(compared using"):
		case text == "":
			inCode = false
		case strings.HasPrefix(text, "# "):
			p.is(rubyFrame.FindStringSubmatch(text))
			return i+1 < len(p.all) && strings.HasPrefix(strings.TrimSpace(p.all[i+1]), "# ")
		case !inCode:
			p.say(text)
		}
		return true
	})
	if len(p.says) == 0 {
		p.say(code)
	}
}

// exunit is Elixir's.
func exunit(p *paragraphOf, head []string) {
	place := exunitPlace.FindStringSubmatch(p.next())
	if place == nil {
		p.skip()
		return
	}
	p.name = head[1]
	p.below(func(i int, text string) bool {
		if i > p.index+1 && text != "" && text != "stacktrace:" {
			p.say(text)
		}
		return text != "" && text != "stacktrace:"
	})
	p.is(place)
}

func phpunit(p *paragraphOf, head []string) {
	p.name = head[1]
	blank := false
	p.below(func(_ int, text string) bool {
		if place := phpPlace.FindStringSubmatch(text); place != nil {
			p.is(place)
			return false
		}
		if text == "" {
			blank = true
		} else if !blank {
			p.say(text)
		}
		return text != "--"
	})
}

func playwright(p *paragraphOf, head []string) {
	p.name = head[4]
	p.below(func(_ int, text string) bool {
		if f := framePlace.FindStringSubmatch(text); f != nil && strings.HasPrefix(text, "at ") {
			p.is(f)
			return false
		}
		switch {
		case strings.HasPrefix(text, "Error:"), strings.HasPrefix(text, "Expected"), strings.HasPrefix(text, "Received"),
			strings.Contains(text, "Error: "), strings.HasPrefix(text, "Test timeout"):
			p.say(text)
		}
		return !playwrightHead.MatchString(text) && !failedCount.MatchString(text)
	})
	p.is(head)
}

// nodeTest is the list at the end of node --test.
func nodeTest(p *paragraphOf, head []string) {
	f := nodeName.FindStringSubmatch(p.next())
	if f == nil {
		p.skip()
		return
	}
	p.name = f[1]
	p.below(func(i int, text string) bool {
		if i > p.index+1 && !strings.HasPrefix(text, "at ") {
			p.say(text)
		}
		return !strings.HasPrefix(text, "at ")
	})
	p.is(head)
}

// tap is the Test Anything Protocol, with the block that node and tap print below.
func tap(p *paragraphOf, head []string) {
	p.name = head[1]
	inError := false
	p.below(func(_ int, text string) bool {
		key, value, found := strings.Cut(text, ": ")
		switch {
		case strings.HasPrefix(text, "not ok "), strings.HasPrefix(text, "ok "), text == "...":
			return false
		case text == "failureType: 'subtestsFailed'":
			p.skip()
		case key == "location" || key == "at" && found:
			p.is(framePlace.FindStringSubmatch(" " + strings.Trim(value, "'\"")))
		case key == "error" || key == "message":
			if inError = strings.HasPrefix(value, "|"); !inError {
				p.say(strings.Trim(value, "'\""))
			}
		case inError && tapKey.MatchString(text):
			inError = false
		case inError:
			p.say(text)
		}
		return true
	})
	if len(p.says) == 0 {
		p.say("not ok")
	}
}

func dotnetTest(p *paragraphOf, head []string) {
	p.name = head[1]
	inTrace := false
	p.below(func(_ int, text string) bool {
		switch {
		case text == "Stack Trace:":
			inTrace = true
		case inTrace:
			p.is(dotnetFrame.FindStringSubmatch(text))
			return p.path == "" && strings.HasPrefix(text, "at ")
		case text != "Error Message:":
			p.say(text)
		}
		return true
	})
}

// gradleTest prints the exception alone, unless it is configured to print more.
func gradleTest(p *paragraphOf, head []string) {
	p.name = head[1] + " › " + head[2]
	if next := p.next(); next != "" && strings.HasPrefix(p.all[p.index+1], " ") {
		p.end = p.index + 1
		p.say(next)
	}
}

// surefire is Maven's list of failures.
func surefire(p *paragraphOf, head []string) {
	p.name = head[1] + ":" + head[2]
	p.say(head[3])
}

func gtest(p *paragraphOf, head []string) {
	for i := p.index - 1; i >= max(0, p.index-maxBelow); i-- {
		if name, found := strings.CutPrefix(p.all[i], "[ RUN      ] "); found {
			p.name = name
			break
		}
	}
	p.below(func(_ int, text string) bool {
		if text == "" || strings.HasPrefix(text, "[ ") || strings.HasPrefix(text, "====") {
			return false
		}
		p.say(text)
		return true
	})
	p.is(head)
}

// bunTest prints the error above the name of its test.
func bunTest(p *paragraphOf, head []string) {
	p.name = head[1]
	for i := p.index - 1; i >= max(0, p.index-maxBelow); i-- {
		text := strings.TrimSpace(p.all[i])
		if f := framePlace.FindStringSubmatch(text); f != nil && strings.HasPrefix(text, "at ") {
			p.is(f)
		}
		if rest, found := strings.CutPrefix(text, "error: "); found {
			p.at = i
			p.says = append([]string{rest}, p.all[i+1:min(p.index, i+4)]...)
			return
		}
	}
	p.skip()
}

func denoTest(p *paragraphOf, head []string) {
	says, found := strings.CutPrefix(p.next(), "error: ")
	if !found {
		p.skip()
		return
	}
	p.name = head[1]
	p.say(says)
	p.below(func(_ int, text string) bool {
		if strings.HasPrefix(text, "-") || strings.HasPrefix(text, "+") {
			p.say(text)
		}
		f := framePlace.FindStringSubmatch(text)
		if f != nil && strings.HasPrefix(text, "at ") && !strings.Contains(text, "http") {
			p.is(f)
			return false
		}
		return true
	})
	p.is(head[1:])
}

// ctest lists the names of programs that failed: what they printed says more.
func ctest(p *paragraphOf, head []string) {
	p.weight, p.name = generic, head[1]
	p.say(head[2])
}
