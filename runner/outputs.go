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

	"github.com/carlin-cicd/runner/artifacts"
	"github.com/carlin-cicd/runner/runner/environment"
	"github.com/carlin-cicd/runner/runner/needs"
	"github.com/carlin-cicd/runner/runner/outcome"
	"github.com/carlin-cicd/runner/runner/redact"
	"github.com/carlin-cicd/runner/runner/scratch"
)

// A step passes values to later steps of the same commit by writing KEY=VALUE lines to the file that RUNNER_OUTPUT
// names. They are stored with the run. A step that needs it receives those that it declares under inputs:.

// Limits of the outputs of a step. They are in the environment of each command of later steps, which is limited.
const (
	maxOutputs     = 100
	maxOutputBytes = 64 << 10 // of the file
)

// OutputError is an invalid line of RUNNER_OUTPUT. It repeats no value.
type OutputError struct {
	Line            int
	Message, Advice string
}

func (e *OutputError) Error() string { return fmt.Sprintf("RUNNER_OUTPUT:%d: %s", e.Line, e.Message) }

// Hint says what is valid.
func (e *OutputError) Hint() string { return e.Advice }

var outputName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// codeVariables change what a shell, an interpreter or a compiler runs, so text that reached the file must not set
// them.
var codeVariables = []string{
	"BASH_ENV", "ENV", "IFS", "NODE_OPTIONS", "NODE_PATH", "PYTHONPATH", "PYTHONSTARTUP", "PERL5OPT", "PERL5LIB", "RUBYOPT", "RUBYLIB", "JAVA_TOOL_OPTIONS", "SHELL",
	"PYTHONHOME", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH", "DOTNET_STARTUP_HOOKS", "PHP_INI_SCAN_DIR", "GOFLAGS", "GOTOOLCHAIN", "PROMPT_COMMAND", "PS4", "SHELLOPTS", "BASHOPTS", "CDPATH",
	"NODE_EXTRA_CA_CERTS", "NODE_TLS_REJECT_UNAUTHORIZED", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "YARN_YARN_PATH", "YARN_RC_FILENAME",
}

// codePrefixes begin the names of families of such variables; npm and the like read theirs in any letter case.
var codePrefixes = []string{"LD_", "DYLD_", "GIT_", "NPM_CONFIG_", "PNPM_CONFIG_"}

// changesCode reports whether a variable changes which code runs, or which certificates it trusts.
func changesCode(name string) bool {
	upper := strings.ToUpper(name)
	return slices.Contains(codeVariables, upper) ||
		slices.ContainsFunc(codePrefixes, func(p string) bool { return strings.HasPrefix(upper, p) })
}

// refusedOutput returns why a variable cannot be an output; "" if it can.
func refusedOutput(name string) string {
	switch {
	case !outputName.MatchString(name):
		return "it is not a variable name"
	case environment.Reserved(name), changesCode(name):
		return "it is reserved"
	case redact.IsSecretName(name):
		return "its name is that of a secret, and outputs are stored in clear text"
	}
	return ""
}

// ParseOutputs reads KEY=VALUE lines, and KEY<<WORD with the lines of the value up to one that is WORD. The last one of
// a name counts. The error is an *OutputError.
func ParseOutputs(text string) (map[string]string, error) {
	outputs := map[string]string{}
	if len(text) > maxOutputBytes {
		return nil, &OutputError{
			1 + strings.Count(text[:maxOutputBytes], "\n"),
			"the file is larger than 64 KiB",
			"pass a path or a URL, and publish large data as an artifact",
		}
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
				return nil, &OutputError{
					number,
					"the value has no end",
					"end it with a line that repeats the word after <<",
				}
			}
			value = strings.Join(lines[i+1:i+1+end], "\n")
			i += end + 1
		case at > 0:
			name, value = line[:at], line[at+1:]
		default:
			return nil, &OutputError{
				number,
				"this is not a KEY=VALUE line",
				"write KEY=VALUE, or KEY<<WORD, the lines of the value, and WORD",
			}
		}
		if why := refusedOutput(name); why != "" {
			return nil, &OutputError{
				number,
				fmt.Sprintf("%.64q cannot be an output: %s", name, why),
				"rename it: letters, digits and underscores, not beginning with a digit",
			}
		}
		if !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
			return nil, &OutputError{
				number,
				"the value of " + name + " is not UTF-8 text",
				"encode it, for example with base64",
			}
		}
		if outputs[name] = value; len(outputs) > maxOutputs {
			return nil, &OutputError{
				number,
				fmt.Sprintf("there are more than %d outputs", maxOutputs),
				"pass fewer, or a file as an artifact",
			}
		}
	}
	return outputs, nil
}

// outputs are the values that a run passes to later steps, and those that it received.
type outputs struct {
	file     string            // "" if there is none
	own      map[string]string // of this run
	received map[string]string // the step that each received variable came from
}

// openOutputs creates the file for them.
func (r *run) openOutputs() {
	delete(r.env.Variables, "RUNNER_OUTPUT") // of a runner that runs this runner
	dir, err := scratch.Dir("runner-output-*")
	if err == nil {
		r.outputs.file = filepath.Join(dir, "output")
		err = os.WriteFile(r.outputs.file, nil, 0o600)
	}
	if err != nil {
		r.Log.Warn("the file for RUNNER_OUTPUT could not be created", "error", err.Error(), "hint", outcome.Hint(err))
		return
	}
	r.env.Variables["RUNNER_OUTPUT"] = r.outputs.file
}

// removeOutputs removes the file.
func (r *run) removeOutputs() {
	if r.outputs.file != "" {
		_ = os.RemoveAll(filepath.Dir(r.outputs.file)) // it is in the temporary folder
	}
}

// readOutputs reads what the command and its hooks wrote. Invalid outputs turn a passed run red.
func (r *run) readOutputs() error {
	if r.outputs.file == "" {
		return nil
	}
	text, err := readPlain(r.outputs.file, maxOutputBytes+1)
	if err != nil {
		return &outcome.ResultsError{
			Message: fmt.Sprintf("RUNNER_OUTPUT cannot be read: %v", err),
			Advice:  "write lines to the file, and do not move it",
		}
	}
	found, err := ParseOutputs(string(text))
	if err != nil {
		return &outcome.ResultsError{Message: err.Error(), Advice: outcome.Hint(err)}
	}
	for name, value := range found {
		if r.Redactor.String(value) != value {
			r.Log.Warn(
				"an output contains a secret, so it is not passed on",
				"output",
				name,
				"hint",
				"give the later step the secret under secrets: in runner.yaml",
			)
			delete(found, name)
		}
	}
	r.outputs.own = found
	if len(found) > 0 {
		r.Log.Info("outputs for later steps", "outputs", strings.Join(slices.Sorted(maps.Keys(found)), ", "))
	}
	return nil
}

// readPlain reads the beginning of a regular file. It never follows a link, and never blocks on a pipe.
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
		return nil, errors.Join(err, errors.New("it is not a regular file"))
	}
	return io.ReadAll(io.LimitReader(f, limit))
}

// receiveOutputs sets the variables that the step declares under inputs: from the outputs of a run that passed.
// Variables that are set already win, as the environment does everywhere.
func (r *run) receiveOutputs(ctx context.Context, from needs.Run) error {
	if from.Latest.Outputs == 0 || len(r.step.Inputs) == 0 {
		return nil
	}
	var finished struct {
		Outputs map[string]string `json:"outputs"`
	}
	err := artifacts.GetJSON(ctx, r.Store, from.Latest.Key+"/finished.json", &finished)
	if errors.Is(err, os.ErrNotExist) {
		return &outcome.GuardError{
			Message: fmt.Sprintf(
				"the outputs of %s for commit %.12s were deleted with its record",
				from.Step,
				r.Ref.SHA,
			),
			Advice: "run it again: runner --step " + from.Step,
		}
	}
	if err != nil {
		return outcome.ArtifactsError{Err: err}
	}
	for name, value := range finished.Outputs {
		_, received := r.outputs.received[name]
		set := r.env.Variables[name] != ""
		_, secret := r.env.References[name]
		switch {
		case !slices.Contains(r.step.Inputs, name):
			r.Log.Debug(
				"an output is not used, because the step does not declare it under inputs:",
				"output",
				name,
				"of",
				from.Step,
			)
			continue
		case refusedOutput(name) != "" || secret || set && !received:
			r.Log.Debug("an output is not used, because the variable is set", "output", name, "of", from.Step)
			continue
		}
		if r.outputs.received == nil {
			r.outputs.received = map[string]string{}
		}
		r.env.Variables[name], r.outputs.received[name] = value, from.Step // the later one of two needs wins
	}
	return nil
}

// plannedInputs describes the variables that come from needed steps, as far as their runs are on record.
func (r *run) plannedInputs() string {
	ctx, cancel := context.WithTimeout(r.Stop.Work, 5*time.Second)
	defer cancel()
	var pending []string
	for _, need := range r.step.Needs {
		latest, err := needs.Find(ctx, &r.Session, need)
		if err == nil && latest.Passed {
			err = r.receiveOutputs(ctx, needs.Run{Step: need, Latest: latest})
		}
		if err != nil || !latest.Passed {
			pending = append(pending, "outputs of "+need+", which has not passed yet")
		}
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(r.outputs.received)) {
		all = append(all, name+" from "+r.outputs.received[name])
	}
	return strings.Join(append(all, pending...), ", ")
}
