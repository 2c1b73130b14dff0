package process

import (
	"slices"
	"time"
)

// suspensions keeps track of the suspended processes of a run. The zero value is empty.
type suspensions struct {
	since map[int]time.Time // by pid, when a process was first seen suspended
	known []Process         // those that were reported
}

// update returns the processes that have been suspended for suspendedDelay and were not reported before, and whether
// there are others that may have to be reported later.
func (s *suspensions) update(living []member, now time.Time) (report []Process, pending bool) {
	if s.since == nil {
		s.since = map[int]time.Time{}
	}
	suspended := map[int]bool{}
	for _, p := range living {
		if !p.suspended {
			continue
		}
		suspended[p.pid] = true
		since, seen := s.since[p.pid]
		switch {
		case !seen:
			s.since[p.pid] = now
			pending = true
		case slices.ContainsFunc(
			s.known, func(k Process) bool { return k.PID == p.pid },
		) || len(s.known) == maxReported:
		case now.Sub(since) >= suspendedDelay:
			one := Process{PID: p.pid, Command: p.commandLine()}
			s.known, report = append(s.known, one), append(report, one)
		default:
			pending = true
		}
	}
	for pid := range s.since {
		if !suspended[pid] {
			delete(s.since, pid)
		}
	}
	return report, pending
}

// suspendedNow returns the suspended ones of the processes.
func suspendedNow(living []member) (list []Process) {
	for _, p := range living {
		if p.suspended && len(list) < maxReported {
			list = append(list, Process{PID: p.pid, Command: p.commandLine()})
		}
	}
	return list
}
