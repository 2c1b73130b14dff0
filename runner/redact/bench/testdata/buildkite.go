// Command redactbench is the peer of runner/redact/bench, to be built inside buildkite/agent's module, whose internal
// packages it measures: redactbench run redact|json FOLDER SECRETS.
package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/buildkite/agent/v4/internal/redact"
	"github.com/buildkite/agent/v4/internal/replacer"
	"github.com/buildkite/agent/v4/logger"
)

func main() {
	what, folder := os.Args[2], os.Args[3]
	list := must(os.ReadFile(filepath.Join(folder, "secrets")))
	secrets := strings.Split(string(list), "\n")[:must(strconv.Atoi(os.Args[4]))]
	null := must(os.OpenFile(os.DevNull, os.O_WRONLY, 0))

	var to io.Writer = null
	if what == "json" {
		log := logger.NewConsoleLogger(logger.NewJSONPrinter(null), os.Exit).WithFields(
			logger.StringField("source", "job"),
			logger.StringField("pipeline", "test"),
			logger.StringField("build_id", "01JDB3Z6W2V8N4T9QK5E7XHMRC"),
			logger.StringField("branch", "feature/faster-logs"),
			logger.StringField("sha", "4f2d8c1b9a7e6f5d3c2b1a0987654321fedcba98"),
			logger.StringField("queue", "staging"),
			logger.StringField("job_id", "7b1e4c9d2f8a4e6b9c3d5f7a1b2c4d6e"),
		)
		to = &lines{log: log}
	}
	text := must(os.Open(filepath.Join(folder, "log")))
	w := replacer.New(to, redact.AppendGoEscaped(secrets), redact.Redacted)
	buffer := make([]byte, 256<<10)
	for {
		n, err := text.Read(buffer)
		if err == io.EOF {
			break
		}
		must(n, err)
		timed(func() { must(w.Write(buffer[:n])) })
	}
	timed(func() {
		if err := w.Flush(); err != nil {
			panic(err)
		}
	})
}

// timed prints how long work keeps the processor busy, in seconds.
func timed(work func()) {
	before := cpu()
	work()
	fmt.Println(cpu() - before)
}

// lines makes a record of each line, as the agent's own logger makes one of each write.
type lines struct {
	log  logger.Logger
	rest []byte
}

func (l *lines) Write(p []byte) (int, error) {
	for rest := p; ; {
		n := bytes.IndexByte(rest, '\n')
		if n < 0 {
			l.rest = append(l.rest, rest...)
			return len(p), nil
		}
		l.rest = append(l.rest, rest[:n]...)
		l.log.Infof("%s", strings.TrimRight(string(l.rest), "\r\n"))
		l.rest, rest = l.rest[:0], rest[n+1:]
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// cpu returns the user and system time of this process, in seconds.
func cpu() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
