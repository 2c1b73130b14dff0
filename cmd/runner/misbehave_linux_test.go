package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// misbehave is a command that does what a command should not do.
func misbehave() {
	switch what := os.Args[1]; what {
	case "ignore-term": // and prints when it does
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT)
		fmt.Println("ready")
		time.Sleep(hangTimeout)
	case "daemon": // leaves a process in a session of its own that holds the output open; NAME is in its command line
		spawn(&syscall.SysProcAttr{Setsid: true}, nil, "sleep-with-output", os.Args[2])
		fmt.Println("started")
	case "hidden-daemon": // the same without our environment
		spawn(
			&syscall.SysProcAttr{Setsid: true},
			[]string{"PATH=" + os.Getenv("PATH")},
			"sleep-with-output",
			os.Args[2],
		)
	case "sleep-with-output":
		time.Sleep(hangTimeout)
	case "writer": // leaves a process that goes on writing
		spawn(nil, nil, "write-on", os.Args[2])
		fmt.Println("done")
	case "write-on":
		signal.Ignore(syscall.SIGPIPE)
		for end := time.Now().Add(hangTimeout); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			fmt.Println("still here")
		}
	case "close-output": // closes the output that we read, and continues
		os.Stdout.Close()
		os.Stderr.Close()
		time.Sleep(300 * time.Millisecond)
		os.WriteFile("went-on", []byte("yes"), 0o644)
		os.Exit(3)
	case "zombies": // leaves N orphans, processes called "orphan" that end at once
		n, _ := strconv.Atoi(os.Args[2])
		orphan := filepath.Join(os.Getenv("WORK"), "orphan")
		must(os.Symlink("/bin/true", orphan)) // many processes have to be cheap
		for range n {
			c := exec.Command(orphan)
			must(c.Start())
			must(c.Process.Release())
		}
		fmt.Println(n, "left behind")
	case "eat": // memory, until the kernel kills us
		var all [][]byte
		for range 4096 {
			block := make([]byte, 1<<20)
			for i := 0; i < len(block); i += 4096 {
				block[i] = 1
			}
			all = append(all, block)
		}
		fmt.Println(len(all), "MiB, and still running")
	}
}

func spawn(attributes *syscall.SysProcAttr, env []string, args ...string) {
	self, err := exec.LookPath("misbehave")
	if err != nil {
		panic(err)
	}
	c := exec.Command(self, args...)
	c.SysProcAttr, c.Env, c.Stdout, c.Stderr = attributes, env, os.Stdout, os.Stderr
	if err := c.Start(); err != nil {
		panic(err)
	}
	c.Process.Release()
}
