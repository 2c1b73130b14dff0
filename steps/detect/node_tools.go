package detect

import (
	"slices"
	"strings"

	"github.com/carlin-cicd/runner/steps/pattern"
)

// testTool is a tool that runs tests of JavaScript. To know another, add it to testTools.
type testTool struct {
	name     string
	programs []string         // how scripts call it; "react-scripts test" is a program with its first argument
	needs    []string         // packages without which it writes no report beside its log
	prepare  string           // commands before it, with {reporter} for that of the log
	before   string           // variables for the report
	report   string           // arguments with which it writes junit.xml and keeps its log
	inside   bool             // whether they come directly behind the program, as what follows is the tests' own
	rerun    string           // more arguments, with which it runs what failed; "" where it cannot
	bare     string           // an argument with which a rerun measures no coverage, whose floors few files do not reach
	after    string           // a command that makes junit.xml of what the tool left behind; "%" is what runs a program
	alone    string           // an option with which more reporters do not go together
	option   string           // the option that names a reporter, in the place of those of its configuration
	configs  []string         // files of its configuration
	asked    *pattern.Pattern // a configuration that asks for a report
	own      *pattern.Pattern // a script that already asks for a report; its group is the file
	file     string           // the file of such a report where the script names none
	watch    []string         // flags for a person at a terminal
	note     string           // for a tool that writes no report
}

var testTools = []*testTool{
	{
		name: "vitest", programs: []string{"vitest"},
		report: "--reporter=default --reporter=junit --outputFile=junit.xml", rerun: "{files}",
		option: "--reporter", configs: configFiles("vitest.config", "vite.config"),
		asked: pattern.New(`(?s)\breporters\s*:\s*\[[^\]]*["']junit["']`),
		bare:  "--coverage.enabled=false",
		own:   pattern.New(`--reporter[= ]junit\b(?:.*--outputFile(?:\.junit)?[= ]([\w./-]+))?`),
		watch: []string{"--watch", "-w", "watch", "dev"},
	},
	{
		name:     "jest",
		programs: []string{"jest", "jest-cli", "react-scripts test", "craco test", "vue-cli-service test:unit"},
		needs:    []string{"jest-junit"}, report: "--ci --reporters=default --reporters=jest-junit",
		rerun: "--runTestsByPath {files}", bare: "--coverage=false",
		option: "--reporters", configs: append(configFiles("jest.config"), "package.json"),
		asked: pattern.New(`(?s)\breporters["']?\s*:\s*\[[^\]]*["']jest-junit["']`),
		own:   pattern.New(`--reporters[= ]jest-junit()`), file: "junit.xml",
		watch: []string{"--watch", "--watchAll"},
	},
	{
		name: "mocha", programs: []string{"mocha", "_mocha", "ts-mocha", "electron-mocha"},
		needs: []string{"mocha-multi-reporters"},
		// mocha takes one reporter, and this one its list from a file only.
		prepare: "mkdir -p node_modules/.cache\n" +
			`echo '{ "reporterEnabled": "{reporter}, xunit", "xunitReporterOptions": { "output": "junit.xml" } }' ` +
			">node_modules/.cache/mocha-reporters.json",
		report: "--reporter mocha-multi-reporters --reporter-option configFile=node_modules/.cache/mocha-reporters.json",
		rerun:  "{files}",
		alone:  "mocha-multi-reporters",
		own:    pattern.New(`--reporter[= ]mocha-junit-reporter\b(?:.*mochaFile=([\w./-]+))?`), file: "test-results.xml",
		watch: []string{"--watch", "-w"},
	},
	{
		name: "node:test", programs: []string{"node --test", "tsx --test"}, inside: true,
		report: "--test-reporter=spec --test-reporter-destination=stdout " +
			"--test-reporter=junit --test-reporter-destination=junit.xml",
		alone: "--test-reporter",
		own:   pattern.New(`--test-reporter[= ]\S*junit\b.*--test-reporter-destination[= ]([\w./-]+\.xml)`),
		watch: []string{"--watch"},
	},
	{
		name: "playwright", programs: []string{"playwright test"},
		before: "PLAYWRIGHT_JUNIT_OUTPUT_FILE=junit.xml ", report: "--reporter=list,junit", rerun: "--last-failed",
	},
	{
		name: "bun test", programs: []string{"bun test"},
		report: "--reporter=junit --reporter-outfile=junit.xml", rerun: "{files}",
		own:   pattern.New(`--reporter-outfile[= ]([\w./-]+)`),
		watch: []string{"--watch"},
	},
	{
		name: "deno test", programs: []string{"deno test"}, report: "--junit-path=junit.xml", inside: true,
		own:   pattern.New(`--junit-path[= ]([\w./-]+)`),
		watch: []string{"--watch"},
	},
	{
		name: "tap", programs: []string{"tap"}, after: "%tap replay --reporter=junit >junit.xml",
		note: "tap writes JUnit reports since version 18", watch: []string{"--watch", "-w"},
	},
	{name: "ava", programs: []string{"ava"}, note: "ava writes no JUnit report", watch: []string{"--watch", "-w"}},
	{
		name: "cypress", programs: []string{"cypress run", "cypress-repeat run"},
		note: "cypress writes either its log or a report: with cypress-multi-reporters it writes both",
	},
	{name: "uvu", programs: []string{"uvu"}, note: "uvu writes no JUnit report"},
	{name: "tape", programs: []string{"tape", "airtap"}, note: "tape writes TAP, no JUnit report"},
	{name: "jasmine", programs: []string{"jasmine"}, note: "jasmine writes JUnit reports with jasmine-reporters"},
	{
		name: "karma", programs: []string{"karma start", "ng test"},
		note: "karma writes JUnit reports with karma-junit-reporter",
	},
	{name: "lab", programs: []string{"lab"}, note: "lab writes a JUnit report instead of its log"},
	{
		name: "wtr", programs: []string{"web-test-runner", "wtr"},
		note: "wtr writes JUnit reports with @web/test-runner-junit-reporter",
	},
	{name: "borp", programs: []string{"borp"}, note: "borp writes JUnit reports with --reporter=junit:junit.xml"},
	{name: "better-node-test", programs: []string{"bnt"}, note: "bnt takes no arguments for a JUnit report"},
}

// toolOf is the test tool that words call, or nil.
func toolOf(words []string) *testTool {
	name := programName(words[0])
	for _, t := range testTools {
		for _, program := range t.programs {
			first, second, two := strings.Cut(program, " ")
			switch {
			case first != name:
			case strings.HasPrefix(second, "-"): // an option of node, before the file that it runs
				if carried := words[1:]; slices.Contains(options(carried), second) {
					return t
				}
			case two && (len(words) < 2 || words[1] != second):
			default:
				return t
			}
		}
	}
	return nil
}

// options are the words before the first that is neither an option nor the value of one.
func options(words []string) []string {
	for i, w := range words {
		value := i > 0 && slices.Contains(nodeOptions, words[i-1])
		if !strings.HasPrefix(w, "-") && !value {
			return words[:i]
		}
	}
	return words
}

// assignment matches a variable before a command.
var assignment = pattern.New(`^[A-Za-z_][A-Za-z0-9_]*=`)

// measures tells a command that measures coverage, configures a configuration that does.
var (
	measures   = pattern.New(`(^|[\s/])(c8|nyc)\s|--coverage(\s|=true|\.enabled|$)|--experimental-test-coverage`)
	configures = pattern.New(
		`collectCoverage["']?\s*:\s*true|(?s)\bcoverage["']?\s*:\s*\{[^}]*\benabled["']?\s*:\s*true`,
	)
)
