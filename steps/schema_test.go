package steps

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

var update = flag.Bool("update", false, "rewrite schema.json")

// schema.json is for editors, which read it from the repository.
func TestSchemaFileIsCurrent(t *testing.T) {
	if *update {
		if err := os.WriteFile("schema.json", Schema(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile("schema.json")
	if err != nil || !bytes.Equal(file, Schema()) {
		t.Errorf("schema.json is out of date: go test ./steps -run SchemaFile -update (%v)", err)
	}
}

// validator validates a runner.yaml against the schema; ok is false for text that is not one YAML document.
func validator(tb testing.TB) func(source string) (valid, ok bool) {
	tb.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		tb.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("schema.json", document); err != nil {
		tb.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		tb.Fatal(err)
	}
	return func(source string) (valid, ok bool) {
		var value, second any
		d := yaml.NewDecoder(strings.NewReader(strings.TrimPrefix(source, "\uFEFF")))
		if err := d.Decode(&value); err != nil || d.Decode(&second) == nil {
			return false, false
		}
		text, err := json.Marshal(value)
		if err != nil {
			return false, false
		}
		instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		return err == nil && s.Validate(instance) == nil, true
	}
}

// The schema cannot relate one value to another. These are the errors that only the parser has.
var parserOnly = regexp.MustCompile(
	`two artifacts have the name|is after itself|not a service of the step|are after each other|invalid log|needs itself|is not a step|steps need each other|which no step publishes|` +
		`runs all tests again|is inside of quotes|is a part of the argument|the command begins with|cannot be read|invalid pattern|groups instead of one|invalid glob in reports|` +
		`the first stage must be|the pipeline has|changes an environment|is followed by no stage|jobs side by side|` +
		`names no files|one task, whose task|invalid until|mapping key .* already defined|the value of a merge key`,
)

const (
	valid   = "valid"
	invalid = "invalid"
	context = "invalid by what else is in the file" // which a schema cannot know
)

func TestSchemaAndParserAgree(t *testing.T) {
	validate := validator(t)
	for name, c := range map[string]struct{ source, want string }{
		"nothing but the version":           {"version: 1\n", valid},
		"the version in quotes":             {"version: \"1\"\nsteps: {}\n", valid},
		"the address of the schema":         {"$schema: x\nversion: 1\n", valid},
		"a byte order mark":                 {"\uFEFFversion: 1\n", valid},
		"no version":                        {"steps: {}\n", invalid},
		"a later version":                   {"version: 2\nsteps: {}\n", invalid},
		"an empty file":                     {"", invalid},
		"a list":                            {"- version: 1\n", invalid},
		"a key of one's own at the top":     {"version: 1\nx-common: &c {timeout: 5m}\nsteps:\n  test: *c\n", invalid},
		"defaults at the top":               {"version: 1\ndefaults: {timeout: 5m}\n", invalid},
		"a step without a value":            {step("test:"), invalid},
		"a name with a space":               {step(`"a b": { command: x }`), invalid},
		"a name in upper case":              {step("Test: { command: x }"), invalid},
		"setup":                             {"version: 1\nsetup: make deps\n", valid},
		"setup as a list":                   {"version: 1\nsetup: [make, deps]\n", valid},
		"no setup":                          {"version: 1\nsetup: false\n", valid},
		"setup: true":                       {"version: 1\nsetup: true\n", invalid},
		"checkout for all":                  {"version: 1\ncheckout: { depth: 0, tags: true, submodules: recursive, lfs: true }\n", valid},
		"checkout for a step":               {step("test: { checkout: { submodules: true, clean: false, credentials: step } }"), valid},
		"checkout with a filter":            {step("test: { checkout: { filter: 'blob:limit=10m' } }"), valid},
		"checkout with an unknown filter":   {step("test: { checkout: { filter: 'sparse:oid=x' } }"), invalid},
		"checkout of a negative depth":      {step("test: { checkout: { depth: -1 } }"), invalid},
		"checkout of unknown submodules":    {step("test: { checkout: { submodules: all } }"), invalid},
		"checkout with unknown credentials": {step("test: { checkout: { credentials: always } }"), invalid},
		"checkout with an unknown key":      {step("test: { checkout: { fetch-depth: 0 } }"), invalid},
		"a command":                         {step("lint: { command: x }"), valid},
		"a command as a list":               {step("lint: { command: [x, 1, true] }"), valid},
		"no command":                        {step("lint: { directory: . }"), invalid},
		"an empty command":                  {step(`lint: { command: "" }`), invalid},
		"a blank command":                   {step(`lint: { command: "  " }`), invalid},
		"an empty list":                     {step("lint: { command: [] }"), invalid},
		"a list that begins with nothing":   {step(`lint: { command: ["", a] }`), invalid},
		"a command that is a boolean":       {step("lint: { command: true }"), invalid},
		"a command of a merge key":          {step("lint: &c { command: x, timeout: 5m }\n  fmt: { <<: *c, command: y }\n  more: { <<: *c }"), valid},
		"an unknown key":                    {step("test: { comand: x }"), invalid},
		"env":                               {step("test: { env: { A: b } }"), invalid},
		"run":                               {step("test: { run: x }"), invalid},
		"depends_on":                        {step("deploy: { depends_on: [test] }"), invalid},
		"a shell":                           {step("test: { shell: bash }"), valid},
		"a shell as a list":                 {step("test: { shell: [zsh, -c] }"), valid},
		"a shell without a program":         {step("test: { shell: [] }"), invalid},
		"an unknown shell":                  {step("test: { shell: zsh }"), invalid},
		"a hook":                            {step("test: { before: echo a, after: [echo, b], on_failure: echo c }"), valid},
		"hooks of argument lists":           {step("test: { before: [[echo, a], [echo, b]] }"), valid},
		"an empty hook":                     {step(`test: { before: "" }`), invalid},
		"a directory":                       {step("test: { directory: a/b }"), valid},
		"an absolute directory":             {step("test: { directory: /tmp }"), invalid},
		"a directory above":                 {step("test: { directory: a/../../b }"), invalid},
		"an empty directory":                {step(`test: { directory: "" }`), invalid},
		"a timeout":                         {step("test: { timeout: 1h30m }"), valid},
		"a timeout with a fraction":         {step("test: { timeout: 1.5h }"), valid},
		"a timeout in days":                 {step("test: { timeout: 1d }"), invalid},
		"a timeout without a unit":          {step("test: { timeout: 15 }"), invalid},
		"a timeout with a space":            {step("test: { timeout: 15 m }"), invalid},
		"a timeout of nothing":              {step("test: { timeout: 0s }"), invalid},
		"a wait of nothing":                 {step("deploy: { wait: 0s }"), invalid},
		"a grace":                           {step("test: { grace: 5m }"), valid},
		"a grace below zero":                {step("test: { grace: -5m }"), invalid},
		"an environment":                    {step("test: { environment: { A: true, B: 1.50, C: 010, D: x } }"), valid},
		"an environment without a value":    {step("test: { environment: { A: } }"), invalid},
		"a variable with a dash":            {step("test: { environment: { A-B: x } }"), invalid},
		"a secret":                          {step("test: { secrets: { A: ssm:/a, B: file:x, C: 'secretsmanager:x' } }"), valid},
		"a plain secret":                    {step("test: { secrets: { A: hunter2 } }"), invalid},
		"an ARN of something else":          {step("test: { secrets: { A: 'arn:aws:s3:::b' } }"), invalid},
		"credentials":                       {step("test: { credentials: none }"), valid},
		"unknown credentials":               {step("test: { credentials: admin }"), invalid},
		"required":                          {step("test: { required: [A] }"), valid},
		"required with a dash":              {step("test: { required: [A-B] }"), invalid},
		"reports":                           {step("test: { reports: [a.xml, '**/b.xml'] }"), valid},
		"a report":                          {step("test: { reports: a.xml }"), invalid},
		"a report above":                    {step("test: { reports: [../a.xml] }"), invalid},
		"a malformed glob":                  {step("test: { reports: ['[a'] }"), context},
		"allow_empty":                       {step("test: { allow_empty: true }"), valid},
		"allow_empty as text":               {step("test: { allow_empty: yes }"), invalid},
		"an artifact":                       {step("build: { artifacts: [{ name: a, path: b, when: always, mirror: latest, optional: true, redact: false }] }"), valid},
		"an artifact without a name":        {step("build: { artifacts: [{ path: b }] }"), invalid},
		"an artifact of the root":           {step("build: { artifacts: [{ name: a, path: /etc }] }"), invalid},
		"an artifact above":                 {step("build: { artifacts: [{ name: a, path: ../x }] }"), invalid},
		"an artifact named like a folder":   {step("build: { artifacts: [{ name: runs, path: x }] }"), invalid},
		"two artifacts of one name":         {step("build: { artifacts: [{ name: a, path: b }, { name: a, path: c }] }"), context},
		"an unknown condition":              {step("build: { artifacts: [{ name: a, path: b, when: sometimes }] }"), invalid},
		"a mirror that is a boolean":        {step("build: { artifacts: [{ name: a, path: b, mirror: true }] }"), invalid},
		"redact as text":                    {step("build: { artifacts: [{ name: a, path: b, redact: yes }] }"), invalid},
		"a retry":                           {step("test: { retry: { attempts: 1, on: [infrastructure] } }"), valid},
		"a thousand retries":                {step("test: { retry: { attempts: 1000, on: [oom] } }"), invalid},
		"retries below zero":                {step("test: { retry: { attempts: -1, on: [oom] } }"), invalid},
		"a number in quotes":                {step(`test: { retry: { attempts: "1" } }`), invalid},
		"half a retry":                      {step("test: { retry: { attempts: 0.5 } }"), invalid},
		"a retry of a migration":            {step("migrate: { retry: { attempts: 1 } }"), invalid},
		"needs":                             {step("deploy: { needs: [test, build], fetch: [builds], inputs: [VERSION] }"), valid},
		"a need of itself":                  {step("test: { needs: [test] }"), context},
		"an unknown need":                   {step("test: { needs: [nope] }"), context},
		"an unknown fetch":                  {step("deploy: { fetch: [nope] }"), context},
		"a fetch as text":                   {step("deploy: { fetch: builds }"), invalid},
		"a rerun":                           {step("test: { rerun: { command: 'jest {files}', attempts: 1, at_most: 5, pattern: '(.+)' } }"), valid},
		"no rerun":                          {step("test: { rerun: { attempts: 0 } }"), valid},
		"a rerun without a command":         {step("test: { rerun: { at_most: 1 } }"), invalid},
		"a rerun of all tests":              {step("test: { rerun: { command: jest } }"), context},
		"a rerun without reports":           {step("lint: { command: x, rerun: { command: 'x {files}' } }"), invalid},
		"a quarantine":                      {step("test: { quarantine: [{ test: x, until: 2020-01-01 }] }"), valid},
		"a quarantine without an end":       {step("test: { quarantine: [{ test: x }] }"), invalid},
		"a quarantine until no day":         {step("test: { quarantine: [{ test: x, until: 2026-13-45 }] }"), invalid},
		"a quarantine of all tests":         {step("test: { quarantine: [{ test: '*', until: 2026-12-31 }] }"), invalid},
		"a quarantine without reports":      {step("deploy: { quarantine: [{ test: x, until: 2026-12-31 }] }"), invalid},
		"a floor":                           {step("test: { coverage: { minimum: 79.5, drop: 1, path: cov } }"), valid},
		"a floor over 100 %":                {step("test: { coverage: { minimum: 180 } }"), invalid},
		"a floor with a percent sign":       {step("test: { coverage: { minimum: 80% } }"), invalid},
		"a split":                           {step("test: { split: { list: 'jest --listTests', run: 'jest {files}' } }"), valid},
		"a split by a file of names":        {step("test: { split: { list: [ls], run: 'xargs -a {list} x' } }"), valid},
		"a split of argument lists":         {step("test: { split: { list: [ls], run: [x, '{files}'] } }"), valid},
		"a split without a list":            {step("test: { split: { run: 'jest {files}' } }"), invalid},
		"a split without a command":         {step("test: { split: { list: ls } }"), invalid},
		"a split that is a tool":            {step("test: { split: jest }"), invalid},
		"a split that names no files":       {step("test: { split: { list: ls, run: jest } }"), context},
		"a split in quotes":                 {step("test: { split: { list: ls, run: 'x \"{files}\"' } }"), context},
		"files in a part of an argument":    {step("test: { split: { list: ls, run: [x, '--f={files}'] } }"), context},
		"a split of nothing but files":      {step("test: { split: { list: ls, run: ['{files}'] } }"), context},
		"a size":                            {step("test: { size: 2-8, spot: true, task: build }"), valid},
		"the smallest size":                 {step("test: { size: 0.25-0.5, spot: false, task: migrate }"), valid},
		"a size that Fargate has not":       {step("test: { size: 2-3 }"), invalid},
		"a size of three vCPU":              {step("test: { size: 3-8 }"), invalid},
		"a size with units":                 {step("test: { size: 2048-8192 }"), invalid},
		"a size that is a number":           {step("test: { size: 2 }"), invalid},
		"a task of another kind":            {step("test: { task: release }"), invalid},
		"spot as text":                      {step("test: { spot: always }"), invalid},
		"an account":                        {step("deploy: { account: '012345678901', region: eu-west-1 }"), valid},
		"an account that is a number":       {step("deploy: { account: 123456789012 }"), invalid},
		"a short account":                   {step("deploy: { account: '1234' }"), invalid},
		"a role":                            {step("deploy: { role: 'arn:aws:iam::123456789012:role/a/b' }"), valid},
		"a role that is a user":             {step("deploy: { role: 'arn:aws:iam::123456789012:user/b' }"), invalid},
		"a role of a variable":              {step("deploy: { role: '${DEPLOY_ROLE}', account: $ACCOUNT, region: '${REGION}' }"), valid},
		"a region in words":                 {step("deploy: { region: Ireland }"), invalid},
		"stacks":                            {step("deploy: { stacks: [net-*, app, 'web-${ENVIRONMENT}'] }"), valid},
		"stacks as text":                    {step("deploy: { stacks: app }"), invalid},
		"a stack with a slash":              {step("deploy: { stacks: [a/b] }"), invalid},
		"a stack with a long name":          {step("deploy: { stacks: [" + strings.Repeat("a", 129) + "] }"), invalid},
		"a lock":                            {step("deploy: { lock: none, rollback: false }"), valid},
		"an unknown lock":                   {step("deploy: { lock: global }"), invalid},
		"rollback as text":                  {step(`deploy: { rollback: "yes" }`), invalid},
		"rollback as YAML 1.1 had booleans": {step("deploy: { rollback: yes }"), invalid},
	} {
		t.Run(name, func(t *testing.T) { checkVerdicts(t, validate, c.source, c.want) })
	}
}

// checkVerdicts checks what the parser and the schema say of a file.
func checkVerdicts(t *testing.T, validate func(string) (valid, ok bool), source, want string) {
	t.Helper()
	_, err := Parse("runner.yaml", []byte(source))
	if (err == nil) != (want == valid) {
		t.Errorf("the parser: %v; want %s", err, want)
	}
	if ok, _ := validate(source); ok != (want != invalid) {
		t.Errorf("valid by the schema: %v; want %s", ok, want)
	}
	if want == context && (err == nil || !parserOnly.MatchString(err.Error())) {
		t.Errorf("%v is not among the errors that only the parser has", err)
	}
}

// step is a file with one step.
func step(text string) string { return "version: 1\nsteps:\n  " + text + "\n" }

func TestNotYAML(t *testing.T) {
	for _, source := range []string{"version: 1\nsteps:\n\ttest:\n", "version: 1\n---\nversion: 1\n", step("test: { timeout: 5m, timeout: 6m }")} {
		if _, err := Parse("runner.yaml", []byte(source)); err == nil {
			t.Errorf("%q is accepted", source)
		}
	}
}

// Every declared key refuses values of all types but its own, in the parser as in the schema.
func TestEveryKeyAgreesOnTypes(t *testing.T) {
	validate := validator(t)
	values := []string{
		"x",
		"1",
		"1.5",
		"true",
		"[x]",
		"[[x]]",
		"{ x: y }",
		`""`,
		"[]",
		"{}",
		"~",
		"[1]",
		"[~]",
		"15m",
		"builds",
		"[test]",
		"-1",
		"101",
	}
	for _, k := range stepObject().keys {
		for _, name := range []string{"test", "migrate", "other"} {
			for _, value := range values {
				source := step(name + ":\n    command: x\n    reports: [a]\n    " + k.name + ": " + value)
				if k.name == "command" || k.name == "reports" {
					source = step(name + ":\n    " + k.name + ": " + value)
				}
				agree(t, source, validate)
			}
		}
	}
}

func agree(t *testing.T, source string, validate func(string) (valid, ok bool)) {
	t.Helper()
	_, err := Parse("runner.yaml", []byte(source))
	valid, ok := validate(source)
	switch {
	case !ok:
	case err == nil && !valid:
		t.Errorf("the parser accepts what the schema refuses:\n%s", source)
	case err != nil && valid && !parserOnly.MatchString(err.Error()):
		t.Errorf("the schema accepts what the parser refuses (%v):\n%s", err, source)
	}
}

func FuzzSchemaAndParserAgree(f *testing.F) {
	for _, source := range []string{
		step("test: { command: x, timeout: 1m, retry: { attempts: 1 } }"), step("lint: { command: [a, b], artifacts: [{ name: a, path: b }] }"),
		step("a: &x { command: b }\n  c: { <<: *x, needs: [a] }"),
	} {
		f.Add(source)
	}
	validate := validator(f)
	f.Fuzz(func(t *testing.T, source string) { agree(t, source, validate) })
}
