package process

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// Protect keeps what this process was started with from the commands that it starts. It has to be called before
// anything is started, and after the environment was copied: its strings must not be used afterwards.
//
//  1. The memory and the files under /proc of this process become unreadable for other processes of the same user, and
//     for root without CAP_SYS_PTRACE: commands can neither read /proc/PID/environ nor write past the redactor to
//     /proc/PID/fd/1. Programs that are started get their own flag from execve.
//  2. For root with CAP_SYS_PTRACE, the block of memory that /proc/PID/environ shows is cleared, but for the variables
//     that are to be kept. It can still search the rest of the memory.
func Protect(keep ...string) error {
	memory, openErr := os.OpenFile(procFile(os.Getpid(), "mem"), os.O_RDWR, 0) // refused after 1, but to root
	err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	if openErr != nil {
		return errors.Join(err, openErr)
	}
	defer memory.Close()
	return errors.Join(err, clearEnvironment(memory, keep))
}

// clearEnvironment overwrites the variables that this process was started with.
func clearEnvironment(memory *os.File, keep []string) error {
	start, end, err := environmentBounds()
	if err != nil || start >= end {
		return err
	}
	block := make([]byte, end-start)
	if _, err := memory.ReadAt(block, start); err != nil {
		return err
	}
	for entry := range bytes.SplitSeq(block, []byte{0}) {
		name, _, _ := bytes.Cut(entry, []byte("="))
		if !slices.Contains(keep, string(name)) {
			clear(entry)
		}
	}
	_, err = memory.WriteAt(block, start)
	return err
}

// environmentBounds returns where the environment is that the kernel gave to this process.
func environmentBounds() (start, end int64, err error) {
	f, err := os.Open(procFile(os.Getpid(), "stat"))
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	stat, err := io.ReadAll(f)
	if err != nil {
		return 0, 0, err
	}
	const state, envStart, envEnd = 3, 50, 51 // proc_pid_stat(5); the name before them may contain anything
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) <= envEnd-state {
		return 0, 0, fmt.Errorf("/proc/self/stat has %d fields only", len(fields)+state-1)
	}
	start, startErr := strconv.ParseInt(string(fields[envStart-state]), 10, 64)
	end, endErr := strconv.ParseInt(string(fields[envEnd-state]), 10, 64)
	return start, end, errors.Join(startErr, endErr)
}
