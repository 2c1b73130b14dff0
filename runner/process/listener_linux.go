package process

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Listener returns the process that listens on a TCP port, as far as it can be seen: those of other users cannot.
func Listener(port int) (Process, bool) {
	sockets := map[string]bool{} // as /proc/PID/fd has them
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		listening(table, port, sockets)
	}
	if len(sockets) == 0 {
		return Process{}, false
	}
	for pid := range pids() {
		folder := procFile(pid, "fd")
		files, _ := os.ReadDir(folder)
		for _, f := range files {
			if target, err := os.Readlink(filepath.Join(folder, f.Name())); err == nil && sockets[target] {
				p, ok := readStat(pid)
				return Process{PID: pid, Command: p.commandLine()}, ok
			}
		}
	}
	return Process{}, false
}

// listening adds the sockets of a table of the kernel that listen on a port.
func listening(table string, port int, sockets map[string]bool) {
	f, err := os.Open(table)
	if err != nil {
		return
	}
	defer f.Close()
	const local, state, inode, listens = 1, 3, 9, "0A" // fields of a line, proc_net_tcp(5)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) <= inode || fields[state] != listens {
			continue
		}
		_, hex, _ := strings.Cut(fields[local], ":")
		if n, err := strconv.ParseUint(hex, 16, 16); err == nil && int(n) == port {
			sockets["socket:["+fields[inode]+"]"] = true
		}
	}
}
