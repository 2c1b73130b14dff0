package session

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/carlin-cicd/runner/runner/process"
)

// maxGitOutput is how much of git's output is kept, in bytes.
const maxGitOutput = 1 << 20

// Marker returns the variable that marks every process of the run, so that it is recognized whatever its parent.
func (s *Session) Marker() string { return "RUN_ID=" + s.ID }

// Git runs git under the supervision that the step's command has, since there must be only one waiter for children.
// It implements source.Runner.
func (s *Session) Git(ctx context.Context, dir string, variables []string, args ...string) (string, error) {
	var output boundedBuffer
	env := maps.Clone(s.Variables)
	if env == nil {
		env = map[string]string{}
	}
	for _, entry := range append(slices.Clone(variables), s.Marker()) {
		name, value, _ := strings.Cut(entry, "=")
		env[name] = value
	}
	deadline, ok := ctx.Deadline()
	if !ok || !s.Deadline.IsZero() && s.Deadline.Before(deadline) {
		deadline = s.Deadline
	}
	_, err := process.Run(process.Command{
		Args: append([]string{"git"}, args...), Dir: dir, Env: Entries(env), Output: &output,
		Deadline: deadline, Grace: 2 * time.Second, Marker: s.Marker(),
	}, s.Stop.Forward)
	return output.String(), err
}

// Entries returns variables as execve takes them, sorted.
func Entries(variables map[string]string) []string {
	entries := make([]string, 0, len(variables))
	for name, value := range variables {
		entries = append(entries, name+"="+value)
	}
	slices.Sort(entries)
	return entries
}

// boundedBuffer keeps the first maxGitOutput bytes.
type boundedBuffer struct{ bytes.Buffer }

func (b *boundedBuffer) Write(p []byte) (int, error) {
	b.Buffer.Write(p[:min(len(p), maxGitOutput-b.Len())])
	return len(p), nil
}
