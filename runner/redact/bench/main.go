// Command bench compares the redactor with another program's, both fed the same log and the same secrets. buildkite.sh runs
// it.
//
//	bench input FOLDER                        writes the log and the secrets
//	bench run redact|json FOLDER SECRETS      feeds the first SECRETS of them and the log to the redactor
//	bench compare PEER FOLDER                 runs all, in turns, and prints the table
//
// A run prints what the log took, in seconds of CPU: writing to /dev/null is in it, reading is not. What was read is where a
// read of a pipe leaves it, in a buffer that is used again and again. The log passes several times, and of each block the
// least time counts: on a machine that others use, too, that is the time that it takes.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/carlin-cicd/runner/runner/logs"
	"github.com/carlin-cicd/runner/runner/logs/cilog"
	"github.com/carlin-cicd/runner/runner/redact"
)

func main() {
	if err := bench(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: bench input FOLDER, bench run redact|json FOLDER SECRETS, bench compare PEER FOLDER")

func bench(args []string, out io.Writer) error {
	switch {
	case len(args) == 2 && args[0] == "input":
		return input(args[1])
	case len(args) == 4 && args[0] == "run":
		return run(args[1], args[2], args[3], out)
	case len(args) == 3 && args[0] == "compare":
		return compare(args[1], args[2], out)
	}
	return errUsage
}

const (
	logFile     = "log"
	secretsFile = "secrets" // one a line
	mostSecrets = 1000
)

func input(folder string) error {
	if err := os.WriteFile(filepath.Join(folder, logFile), cilog.Log(), 0o600); err != nil {
		return err
	}
	secrets := strings.Join(cilog.Secrets(mostSecrets), "\n") + "\n"
	return os.WriteFile(filepath.Join(folder, secretsFile), []byte(secrets), 0o600)
}

// run measures the redactor, alone or before the sink that makes JSON of lines.
func run(what, folder, secrets string, out io.Writer) error {
	list, err := os.ReadFile(filepath.Join(folder, secretsFile))
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(secrets)
	if err != nil {
		return err
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer null.Close()

	to := io.WriteCloser(null)
	if what == "json" {
		to = logs.New(null, logs.Options{Attrs: cilog.Attributes()}).Command()
	}
	redactor := redact.New()
	for i, value := range strings.Split(string(list), "\n")[:n] {
		redactor.Add(redact.Secret{Name: "SECRET_" + strconv.Itoa(i), Value: value})
	}
	_ = redactor.String("made ready")

	var least []time.Duration // of each block
	for range passes {
		log, err := os.Open(filepath.Join(folder, logFile))
		if err != nil {
			return err
		}
		taken, err := pass(log, redactor.Writer(to))
		if err := errors.Join(err, log.Close()); err != nil {
			return err
		}
		for i, t := range taken {
			if len(least) < len(taken) {
				least = append(least, t)
			}
			least[i] = min(least[i], t)
		}
	}
	if err := to.Close(); err != nil {
		return err
	}
	var sum time.Duration
	for _, t := range least {
		sum += t
	}
	_, err = fmt.Fprintln(out, sum.Seconds())
	return err
}

// pass returns the time that each block of the log took, and what came after the last.
func pass(log io.Reader, w io.WriteCloser) (taken []time.Duration, err error) {
	buffer := make([]byte, cilog.Block)
	for err == nil {
		var n int
		if n, err = log.Read(buffer); err == nil {
			before := cilog.CPU()
			_, err = w.Write(buffer[:n])
			taken = append(taken, cilog.CPU()-before)
		}
	}
	if err != io.EOF {
		return nil, err
	}
	before := cilog.CPU()
	err = w.Close()
	return append(taken, cilog.CPU()-before), err
}

const (
	passes = 5 // of the log in a run
	rounds = 3
)

// compare runs ours and the peer's in turns, so that a busy machine hits both, and prints the medians.
func compare(peer, folder string, out io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	contenders := []struct{ name, program, what, secrets string }{
		{"ours, redact, 10 secrets", self, "redact", "10"},
		{"ours, redact, 100 secrets", self, "redact", "100"},
		{"ours, redact, 1000 secrets", self, "redact", "1000"},
		{"ours, redact + JSON, 100 secrets", self, "json", "100"},
		{"peer, replacer, 100 secrets", peer, "redact", "100"},
		{"peer, replacer + JSON, 100 secrets", peer, "json", "100"},
	}
	seconds := make([][]float64, len(contenders))
	for range rounds {
		for i, c := range contenders {
			taken, err := seconded(exec.Command(c.program, "run", c.what, folder, c.secrets))
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			seconds[i] = append(seconds[i], taken)
		}
	}
	speeds := make([]float64, len(contenders)) // MB a second of CPU
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "contender\tMB/s of CPU\tslowest\tfastest\t")
	for i, c := range contenders {
		slices.Sort(seconds[i])
		speed := func(s float64) float64 { return float64(cilog.Size) / 1e6 / s }
		speeds[i] = speed(seconds[i][rounds/2])
		fmt.Fprintf(table, "%s\t%.0f\t%.0f\t%.0f\t\n", c.name, speeds[i], speed(seconds[i][rounds-1]), speed(seconds[i][0]))
	}
	fmt.Fprintln(table, "\nratio\tis\ttarget\t\t")
	for _, r := range []struct {
		name        string
		over, under int
		target      float64
	}{
		{"redact + JSON / replacer", 3, 4, 8},
		{"redact + JSON / replacer + JSON", 3, 5, 30},
		{"redact / replacer", 1, 4, 25},
		{"1000 secrets / 10 secrets", 2, 0, 0.7},
	} {
		fmt.Fprintf(table, "%s\t%.2f\t%g\t\t\n", r.name, speeds[r.over]/speeds[r.under], r.target)
	}
	return table.Flush()
}

// seconded runs a program and returns the number that it prints.
func seconded(program *exec.Cmd) (float64, error) {
	program.Stderr = os.Stderr
	printed, err := program.Output()
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(strings.TrimSpace(string(printed)), 64)
}
