package cause

import (
	"strings"

	"github.com/carlin-cicd/runner/steps/pattern"
)

func cmake(p *paragraphOf, head []string) {
	p.name = head[3]
	p.below(func(_ int, text string) bool {
		if text != "" {
			p.say(text)
		}
		return text != "" || len(p.says) == 0
	})
	p.is(head)
}

// next is what next build and svelte-check print: a place, then the error.
func next(p *paragraphOf, head []string) {
	if !nextError.MatchString(p.next()) {
		p.skip()
		return
	}
	p.end = p.index + 1
	p.say(p.next())
	if !strings.HasPrefix(head[1], "./") {
		p.tool = "svelte-check"
	}
	p.is(head)
}

// ruff has the place of a violation in the line after it.
func ruff(p *paragraphOf, head []string) {
	place := rustArrow.FindStringSubmatch(p.next())
	if place == nil {
		p.skip()
		return
	}
	p.end = p.index + 1
	p.say(head[2] + " (" + head[1] + ")")
	p.is(place)
}

// terraform has the place of an error below it, in a box or without one.
func terraform(p *paragraphOf, head []string) {
	var place []string
	p.below(func(i int, text string) bool {
		place = terraformPlace.FindStringSubmatch(text)
		return place == nil && i < p.index+4
	})
	if place == nil {
		p.skip()
		return
	}
	p.say(head[1])
	p.is(place)
}

// gradleWrong is what Gradle says at the end; an error of a compiler or a test says more.
func gradleWrong(p *paragraphOf, _ []string) {
	p.weight = generic
	p.below(func(_ int, text string) bool {
		if text == "" || strings.HasPrefix(text, "* ") {
			return false
		}
		p.say(strings.TrimPrefix(text, "> "))
		return true
	})
}

var suiteForms = []suite{
	{"rspec", ") ", pattern.New(`^ +\d+\) (\S.*)$`), rspec},
	{"exunit", ") ", pattern.New(`^ +\d+\) test (\S.*?) \(\S+\)$`), exunit},
	{"phpunit", "::", pattern.New(`^\d+\) (\S+::\S.*)$`), phpunit},
	{"playwright", " › ", playwrightHead, playwright},
	{"node test", "test at ", pattern.New(`^test at (\S+):(\d+):\d+$`), nodeTest},
	{"tap", "not ok ", pattern.New(`^ *not ok \d+(?: -)? ((?:[^#]|#[^ ]|# [^TS])*)$`), tap},
	{"dotnet test", "Failed ", pattern.New(`^\s+Failed (\S.*?) \[[<\d].*\]$`), dotnetTest},
	{"gradle", " FAILED", pattern.New(`^(\S.*?) > (.+) FAILED$`), gradleTest},
	{"gradle", "* What", pattern.New(`^\* What went wrong:$`), gradleWrong},
	{"surefire", "[ERROR]", pattern.New(`^\[ERROR\] +(\w[\w.$]*\.\w+(?:\[.*\])?):(\d+)(?:->\S+)? (.+)$`), surefire},
	{"gtest", ": Failure", pattern.New(`^(\S+):(\d+): Failure$`), gtest},
	{"bun test", "✗ ", pattern.New(`^(?:✗|\(fail\)) (.+?)(?: \[[\d.]+m?s\])?$`), bunTest},
	{"deno test", " => ", pattern.New(`^(.+) => (\S+?):(\d+):\d+$`), denoTest},
	{"ctest", " - ", pattern.New(`^\s+\d+ - (\S.*) \((Failed|Timeout|Not Run|SEGFAULT|Exit code .*|Subprocess .*)\)$`), ctest},
	{"cmake", "CMake Error", pattern.New(`^CMake Error at (\S+?):(\d+) \((\w+)\):$`), cmake},
	{"next", ":", pattern.New(`^(\.?/?[\w@./-]+\.\w+):(\d+):\d+$`), next},
	{"ruff", " ", pattern.New(`^([A-Z]{1,5}\d{3,4}) (?:\[\*\] )?(\S.*)$`), ruff},
	{"terraform", "Error: ", pattern.New(`^(?:│ )?Error: (\S.*)$`), terraform},
	{"git", "rejected] ", pattern.New(`^ ! \[((?:remote )?rejected)\] +(\S+ +-> \S+) \((.+)\)$`), gitPush},
	{"black", "ould reformat", pattern.New(`^([wW])ould reformat:? (\S+)$`), unformatted},
	{"black", "cannot format ", pattern.New(`^error: cannot format (\S+): (.+)$`), unreadable},
	{"eslint", "many warnings", pattern.New(`^ESLint found too many warnings \(maximum: (\d+)\)\.$`), manyWarnings},
	{"scalac", "[error] -- ", pattern.New(`^\[error\] -- (?:\[E\d+\] )?(\S.*): (\S+\.scala):(\d+):\d+ *$`), scala3},
	{"scalac", "[error] /", pattern.New(`^\[error\] (/\S+\.(?:scala|java|sbt)):(\d+):(?:\d+:)? (\S.*)$`), scala2},
	{"scalatest", "*** FAILED", pattern.New(`^\[info\] - (\S.*?) \*\*\* FAILED \*\*\*`), scalaTest},
	{"munit", "==> X ", pattern.New(`^\[error\] ==> X (\S.*?) +[\d.]+s +(\S.*)$`), munit},
}

var (
	playwrightHead = pattern.New(`^ *\d+\) (?:\[[^\]]+\] › )?(\S+?\.[cm]?[jt]sx?):(\d+):(\d+) › (.+?)[ ─]*$`)
	failedCount    = pattern.New(`^\d+ failed$`)
	rubyFrame      = pattern.New(`^# ((?:\./|/)?[^:\s]+\.rb):(\d+)`)
	exunitPlace    = pattern.New(`^(\S+\.exs?):(\d+)$`)
	phpPlace       = pattern.New(`^(\S+\.php):(\d+)$`)
	nodeName       = pattern.New(`^✖ (.+) \([\d.]+m?s\)$`)
	tapKey         = pattern.New(`^\w+:(?: |$)`)
	dotnetFrame    = pattern.New(` in (\S.*):line (\d+)$`)
	nextError      = pattern.New(`^(?:Type error|Error|Syntax [Ee]rror|SyntaxError|Module not found|ReferenceError): \S`)
	rustArrow      = pattern.New(`^--> (\S+?):(\d+):\d+$`)
	terraformPlace = pattern.New(`^(?:│ +)?on (\S+\.tf) line (\d+)`)
)
