// Command bench compares the redactor with another program's, both fed the same log and the same secrets.
// buildkite.sh runs it.
//
//	bench input FOLDER                        writes the log and the secrets
//	bench run redact|json FOLDER SECRETS      feeds the first SECRETS of them and the log to the redactor
//	bench compare PEER FOLDER                 runs all, in turns, and prints the table
//
// A run prints what each block of the log took, and what came after the last, in seconds of CPU: writing to
// /dev/null is in it, reading is not. What was read is where a read of a pipe leaves it, in a buffer that is used
// again and again. Of all runs the least time of each block counts: on a machine that others use, too, that is
// the time that it takes.
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

	log, err := os.Open(filepath.Join(folder, logFile))
	if err != nil {
		return err
	}
	defer log.Close()
	w := redactor.Writer(to)
	timed := func(work func() error) error {
		before := cilog.CPU()
		err := work()
		fmt.Fprintln(out, (cilog.CPU() - before).Seconds())
		return err
	}
	buffer := make([]byte, cilog.Block)
	for {
		n, err := log.Read(buffer)
		if err == io.EOF {
			return timed(func() error { return errors.Join(w.Close(), to.Close()) })
		}
		if err != nil {
			return err
		}
		if err := timed(func() error { _, err := w.Write(buffer[:n]); return err }); err != nil {
			return err
		}
	}
}

const rounds = 15

// compare runs ours and the peer's in turns, so that a busy machine hits both.
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
	least := make([][]float64, len(contenders))   // seconds of each block
	seconds := make([][]float64, len(contenders)) // of each run
	for range rounds {
		for i, c := range contenders {
			blocks, err := timesOf(exec.Command(c.program, "run", c.what, folder, c.secrets))
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			seconds[i] = append(seconds[i], sum(blocks))
			if least[i] == nil {
				least[i] = blocks
			}
			for j, t := range blocks {
				least[i][j] = min(least[i][j], t)
			}
		}
	}
	speeds := make([]float64, len(contenders)) // MB a second of CPU
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "contender\tMB/s of CPU\tslowest run\tfastest run\t")
	for i, c := range contenders {
		speed := func(s float64) float64 { return float64(cilog.Size) / 1e6 / s }
		speeds[i] = speed(sum(least[i]))
		slowest, fastest := speed(slices.Max(seconds[i])), speed(slices.Min(seconds[i]))
		fmt.Fprintf(table, "%s\t%.0f\t%.0f\t%.0f\t\n", c.name, speeds[i], slowest, fastest)
	}
	fmt.Fprintln(table, "\nratio\tis\ttarget\t\t")
	for _, r := range []struct {
		name        string
		over, under int
		target      float64
	}{
		{"redact + JSON / replacer", 3, 4, 6},
		{"redact + JSON / replacer + JSON", 3, 5, 30},
		{"redact / replacer", 1, 4, 12},
		{"1000 secrets / 10 secrets", 2, 0, 0.65},
	} {
		fmt.Fprintf(table, "%s\t%.2f\t%g\t\t\n", r.name, speeds[r.over]/speeds[r.under], r.target)
	}
	return table.Flush()
}

// timesOf runs a program and returns the numbers that it prints.
func timesOf(program *exec.Cmd) (times []float64, err error) {
	program.Stderr = os.Stderr
	printed, err := program.Output()
	if err != nil {
		return nil, err
	}
	for _, word := range strings.Fields(string(printed)) {
		t, err := strconv.ParseFloat(word, 64)
		if err != nil {
			return nil, err
		}
		times = append(times, t)
	}
	return times, nil
}

func sum(times []float64) (all float64) {
	for _, t := range times {
		all += t
	}
	return all
}
