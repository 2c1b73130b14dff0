package cause

import (
	"strings"

	"github.com/carlin-cicd/runner/steps/pattern"
)

// gitPush is a reference that a remote does not take, with what its hooks say above.
func gitPush(p *paragraphOf, head []string) {
	p.name = "git push " + head[2]
	p.say(head[1] + ": " + head[3])
	for i := p.index - 1; i >= max(0, p.index-maxBelow); i-- {
		text, found := strings.CutPrefix(p.all[i], "remote: ")
		if text = strings.TrimSpace(text); found && text != "" {
			p.at, p.says = i, append([]string{p.says[0], text}, p.says[1:]...)
		} else if !found && !strings.HasPrefix(p.all[i], "To ") && !strings.HasPrefix(p.all[i], "remote:") {
			break
		}
	}
	p.below(func(_ int, text string) bool {
		return strings.HasPrefix(text, "error: ") || strings.HasPrefix(text, "hint: ")
	})
	if len(p.says) > 1 {
		p.says[0] += ":"
	}
	switch head[3] {
	case "fetch first", "non-fast-forward", "stale info", "remote ref updated since checkout":
		p.hint = "the remote has commits that this checkout does not have: fetch and rebase before the push, and let one run " +
			"at a time push"
	default:
		p.hint = "the remote refuses the push: see its rules for the branch, and the rights of the token"
	}
}

// unformatted is a file that black or ruff would write differently.
func unformatted(p *paragraphOf, head []string) {
	p.tool, p.hint = "black", "run black on the file, and commit what it changes"
	if head[1] == "W" {
		p.tool, p.hint = "ruff", "run ruff format, and commit what it changes"
	}
	p.path = head[2]
	p.say(head[2] + " is not formatted as " + p.tool + " does it")
}

// unreadable is a file that black cannot parse.
func unreadable(p *paragraphOf, head []string) {
	p.name = head[1]
	p.say(head[2])
	if place := blackPlace.FindStringSubmatch(head[2]); place != nil {
		p.is([]string{"", head[1], place[1]})
	}
}

// manyWarnings is the end of eslint --max-warnings; the first warning stands above, below the name of its file.
func manyWarnings(p *paragraphOf, head []string) {
	var first []string
	for i := p.index - 1; i >= max(0, p.index-nearEnd); i-- {
		line := p.all[i]
		if f := warningLine.FindStringSubmatch(line); f != nil {
			first, p.at = f, i
			continue
		}
		if first != nil && line != "" && line[0] != ' ' {
			p.is([]string{"", line, first[1]})
			if blank := i == 0 || p.all[i-1] == ""; p.path == line && blank {
				p.at = i
			}
		}
	}
	text := "more warnings than --max-warnings " + head[1] + " allows"
	if first != nil {
		text += "; the first: " + strings.TrimSpace(first[2])
		if first[3] != "" {
			text += " (" + first[3] + ")"
		}
	}
	p.say(text)
}

// scala3 has its place in the head, and what was found below lines of code.
func scala3(p *paragraphOf, head []string) {
	p.below(func(i int, text string) bool {
		_, text, found := strings.Cut(text, " |")
		text = strings.TrimSpace(text)
		if found && strings.Trim(text, "^~- ") != "" && !strings.HasPrefix(text, "longer explanation") &&
			!scalaCode.MatchString(p.all[i]) {
			p.say(text)
		}
		return found
	})
	if p.name = head[1]; len(p.says) == 0 {
		p.name = ""
		p.say(head[1])
	}
	p.is(head[1:])
}

func scala2(p *paragraphOf, head []string) {
	p.say(head[3])
	p.below(func(_ int, text string) bool {
		text, found := strings.CutPrefix(text, "[error]  ")
		if found && (strings.HasPrefix(text, "found ") || strings.HasPrefix(text, "required:")) {
			p.say(strings.Join(strings.Fields(text), " "))
		}
		return found
	})
	p.is(head)
}

// scalaTest prints what a test says below its name, all of it by sbt's logger.
func scalaTest(p *paragraphOf, head []string) {
	p.name = head[1]
	text, found := strings.CutPrefix(p.next(), "[info]   ")
	if !found {
		text = "failed"
	} else {
		p.end = p.index + 1
	}
	p.say(text)
}

// munit prints the place, then lines of code with their numbers, then what it says.
func munit(p *paragraphOf, head []string) {
	p.name = head[1]
	p.below(func(_ int, text string) bool {
		text, found := strings.CutPrefix(text, "[error] ")
		if !found || munitEnd.MatchString(text) {
			return false
		}
		if !scalaLine.MatchString(text) {
			p.say(strings.TrimPrefix(text, "=> "))
		}
		return true
	})
	if len(p.says) == 0 {
		p.say(head[2])
	}
	p.is(framePlace.FindStringSubmatch(" " + head[2]))
}

var (
	blackPlace  = pattern.New(`\b(\d+):\d+: `)
	warningLine = pattern.New(`^ +(\d+):\d+ +warning +(.*?)(?:\s{2,}(\S+))?$`)
	munitEnd    = pattern.New(`^(?:=> Diff|Failed|==> )`)
	scalaLine   = pattern.New(`^\d+:`)
	scalaCode   = pattern.New(`^\[error\] *\d+ \|`)
)
