package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/carlin-cicd/runner/runner/record"
	"github.com/carlin-cicd/runner/runner/session"

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/artifacts/keys"
	"github.com/carlin-cicd/runner/runner/environment"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/redact"
)

// A step says something to later steps of the same commit by writing KEY=VALUE lines to the file that RUNNER_OUTPUT names. They
// are on record with the run, and variables of every step that has it among its needs.

// How much a step may hand on. Everything is in the environment of each command of later steps, where room is scarce.
const (
	maxOutputs     = 100
	maxOutputBytes = 64 << 10 // of the file
)

// OutputError is a line of RUNNER_OUTPUT that cannot be taken. It repeats no value.
type OutputError struct {
	Line            int
	Message, Advice string
}

func (e *OutputError) Error() string { return fmt.Sprintf("RUNNER_OUTPUT:%d: %s", e.Line, e.Message) }

// Hint says what would be taken.
func (e *OutputError) Hint() string { return e.Advice }

var outputName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// loaded change what a shell or an interpreter runs: text that found its way into the file must not.
var loaded = []string{
	"BASH_ENV", "ENV", "IFS", "NODE_OPTIONS", "NODE_PATH", "PYTHONPATH", "PYTHONSTARTUP", "PERL5OPT", "PERL5LIB", "RUBYOPT", "RUBYLIB", "JAVA_TOOL_OPTIONS", "SHELL",
	"PYTHONHOME", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH", "DOTNET_STARTUP_HOOKS", "PHP_INI_SCAN_DIR", "GOFLAGS", "GOTOOLCHAIN", "PROMPT_COMMAND", "PS4", "SHELLOPTS", "BASHOPTS", "CDPATH",
	"NODE_EXTRA_CA_CERTS", "NODE_TLS_REJECT_UNAUTHORIZED", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "YARN_YARN_PATH", "YARN_RC_FILENAME",
}

// loadedPrefixes begin the names of whole families of such variables; npm and its like read theirs in any case.
var loadedPrefixes = []string{"LD_", "DYLD_", "GIT_", "NPM_CONFIG_", "PNPM_CONFIG_"}

// loads reports whether a variable changes which code is run, or whom it trusts.
func loads(name string) bool {
	upper := strings.ToUpper(name)
	return slices.Contains(loaded, upper) || slices.ContainsFunc(loadedPrefixes, func(p string) bool { return strings.HasPrefix(upper, p) })
}

// refusedOutput says why a variable cannot be an output; "" if it can.
func refusedOutput(name string) string {
	switch {
	case !outputName.MatchString(name):
		return "it is no name of a variable"
	case environment.Reserved(name), loads(name):
		return "it is reserved"
	case redact.IsSecretName(name):
		return "by its name it is a secret, and outputs are on record as they are"
	}
	return ""
}

// ParseOutputs reads KEY=VALUE lines, and KEY<<WORD with the lines of the value up to one that is WORD. The last one of a
// name counts. The error is an *OutputError.
func ParseOutputs(text string) (map[string]string, error) {
	outputs := map[string]string{}
	if len(text) > maxOutputBytes {
		return nil, &OutputError{1 + strings.Count(text[:maxOutputBytes], "\n"), "the file is larger than 64 KiB", "hand on a path or a URL, and publish what is large as an artifact"}
	}
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"))
	}
	for i := 0; i < len(lines); i++ {
		line, number := lines[i], i+1
		if line == "" {
			continue
		}
		at := strings.IndexByte(line, '=')
		several := strings.Index(line, "<<")
		var name, value string
		switch {
		case several > 0 && (at < 0 || several < at):
			name = line[:several]
			end := slices.Index(lines[i+1:], line[several+2:])
			if end < 0 || line[several+2:] == "" {
				return nil, &OutputError{number, "the value has no end", "close it by a line that repeats what stands after <<"}
			}
			value = strings.Join(lines[i+1:i+1+end], "\n")
			i += end + 1
		case at > 0:
			name, value = line[:at], line[at+1:]
		default:
			return nil, &OutputError{number, "this is no KEY=VALUE line", "write KEY=VALUE, or KEY<<WORD, the lines of the value, and WORD"}
		}
		if why := refusedOutput(name); why != "" {
			return nil, &OutputError{number, fmt.Sprintf("%.64q cannot be an output: %s", name, why), "call it otherwise: letters, digits and underscores, not a digit first"}
		}
		if !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
			return nil, &OutputError{number, "the value of " + name + " is no text", "encode it, as by base64"}
		}
		if outputs[name] = value; len(outputs) > maxOutputs {
			return nil, &OutputError{number, fmt.Sprintf("there are more than %d outputs", maxOutputs), "hand on fewer, or a file as an artifact"}
		}
	}
	return outputs, nil
}

// outputs is what a run hands on, and what it was handed.
type outputs struct {
	file     string            // "" if there is none
	own      map[string]string // what this run hands on
	needed   []neededRun       // that may have handed something on
	received map[string]string // which step each variable of another one's outputs came from
}

// neededRun is the newest run of a step that this one needs.
type neededRun struct {
	step   string
	latest record.Latest
}

// openOutputs makes the file for them.
func (r *run) openOutputs() {
	delete(r.env.Variables, "RUNNER_OUTPUT") // of a runner that runs this one
	dir, err := os.MkdirTemp("", "runner-output-*")
	if err == nil {
		r.outputs.file = filepath.Join(dir, "output")
		err = os.WriteFile(r.outputs.file, nil, 0o600)
	}
	if err != nil {
		r.Log.Warn("there is no file for RUNNER_OUTPUT", "error", err.Error(), "hint", outcome.Hint(err))
		return
	}
	r.env.Variables["RUNNER_OUTPUT"] = r.outputs.file
}

// removeOutputs removes the file.
func (r *run) removeOutputs() {
	if r.outputs.file != "" {
		_ = os.RemoveAll(filepath.Dir(r.outputs.file)) // it is in the folder for temporary files
	}
}

// readOutputs reads what the command and its hooks wrote. What cannot be taken is not lost silently: a run that passed is red.
func (r *run) readOutputs() error {
	if r.outputs.file == "" {
		return nil
	}
	text, err := readPlain(r.outputs.file, maxOutputBytes+1)
	if err != nil {
		return &outcome.ResultsError{Message: fmt.Sprintf("RUNNER_OUTPUT cannot be read: %v", err), Advice: "write lines to the file, and leave it where it is"}
	}
	found, err := ParseOutputs(string(text))
	if err != nil {
		return &outcome.ResultsError{Message: err.Error(), Advice: outcome.Hint(err)}
	}
	for name, value := range found {
		if r.Redactor.String(value) != value {
			r.Log.Warn("an output holds a secret, so it is not handed on", "output", name, "hint", "let the later step have the secret under secrets: in runner.yaml")
			delete(found, name)
		}
	}
	r.outputs.own = found
	if len(found) > 0 {
		r.Log.Info("handed on to later steps", "outputs", strings.Join(slices.Sorted(maps.Keys(found)), ", "))
	}
	return nil
}

// readPlain reads the beginning of a regular file. A command cannot make us read something else, nor wait.
func readPlain(name string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, errors.New("it is no regular file"))
	}
	return io.ReadAll(io.LimitReader(f, limit))
}

// newestRun reads the record of a step's newest run for the session's commit, in its environment or in none.
func newestRun(ctx context.Context, s *session.Session, step string) (latest record.Latest, err error) {
	for _, environment := range slices.Compact([]string{s.Config.Environment, ""}) {
		key := keys.LatestRun(s.Ref, step, environment)
		if err = artifacts.GetJSON(ctx, s.Store, key, &latest); !errors.Is(err, os.ErrNotExist) {
			break
		}
	}
	return latest, err
}

// admit sees that the steps which this one needs have passed, and that all which it requires is there, some of it from them.
func (r *run) admit() error {
	needed, err := checkNeeds(&r.Session, r.step)
	if err != nil {
		return err
	}
	r.outputs.needed = needed
	for _, n := range needed {
		if err := r.receive(r.Stop.Work, n.step, n.latest); err != nil {
			return err
		}
	}
	return r.required(false)
}

// receive makes the outputs of a run that passed variables of this one. What the step has already wins, as the environment does
// everywhere.
func (r *run) receive(ctx context.Context, need string, latest record.Latest) error {
	if latest.Outputs == 0 {
		return nil
	}
	var from struct {
		Outputs map[string]string `json:"outputs"`
	}
	err := artifacts.GetJSON(ctx, r.Store, latest.Key+"/finished.json", &from)
	if errors.Is(err, os.ErrNotExist) {
		return &outcome.GuardError{Message: fmt.Sprintf("the outputs of %s for commit %.12s are gone with its record", need, r.Ref.SHA), Advice: "run it once more: runner --step " + need}
	}
	if err != nil {
		return outcome.ArtifactsError{Err: err}
	}
	for name, value := range from.Outputs {
		_, received := r.outputs.received[name]
		set := r.env.Variables[name] != ""
		_, secret := r.env.References[name]
		if refusedOutput(name) != "" || secret || set && !received {
			r.Log.Debug("an output of another step is not used, since the variable is set", "output", name, "of", need)
			continue
		}
		if r.outputs.received == nil {
			r.outputs.received = map[string]string{}
		}
		r.env.Variables[name], r.outputs.received[name] = value, need // of two needs the later one counts
	}
	return nil
}

// plannedOutputs says which variables come from the steps that this one needs, as far as that is on record.
func (r *run) plannedOutputs() string {
	ctx, cancel := context.WithTimeout(r.Stop.Work, 5*time.Second)
	defer cancel()
	var open []string
	for _, need := range r.step.Needs {
		record, err := newestRun(ctx, &r.Session, need)
		if err == nil && record.Passed {
			err = r.receive(ctx, need, record)
		}
		if err != nil || !record.Passed {
			open = append(open, "what "+need+" hands on, which is not on record as passed")
		}
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(r.outputs.received)) {
		all = append(all, name+" from "+r.outputs.received[name])
	}
	return strings.Join(append(all, open...), ", ")
}
