package runner

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/carlin-cicd/runner/runner/present"
	"github.com/carlin-cicd/runner/runner/record"
)

// maxStepSummary is how large GitHub lets the summary of a step be, in bytes. It drops a larger one as a whole.
const maxStepSummary = 1 << 20

// writeStepSummary appends the run to the file that GitHub shows as the summary of a job, if there is one.
func (r *run) writeStepSummary(ended record.Run) {
	if r.Config.StepSummary == "" || !ended.Recorded {
		return
	}
	err := appendSummary(r.Config.StepSummary, func(limit int) string {
		return present.Markdown(ended, workingDirectory(), limit)
	})
	if err != nil {
		r.Log.Warn("the summary for GitHub cannot be written", "error", err.Error(), "hint", "check GITHUB_STEP_SUMMARY")
	}
}

// appendSummary appends what render returns for the number of bytes that are left. It does not wait for the reader of a pipe.
func appendSummary(name string, render func(limit int) string) (err error) {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY|syscall.O_NONBLOCK, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", name)
	}
	text := render(maxStepSummary - int(min(info.Size(), maxStepSummary)))
	if text == "" {
		return fmt.Errorf("%s is as large as GitHub accepts", name)
	}
	_, err = io.WriteString(f, text)
	return err
}

// workingDirectory returns the folder that paths are shown relative to, "" if it is gone.
func workingDirectory() string {
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	return dir
}
